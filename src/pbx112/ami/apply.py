"""The second AMI user, with the right `system`: logged in only while a configuration is applied."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from pbx112.ami.client import Client
from pbx112.ami.session import LinkBroke, LinkTimes, Login, log_in
from pbx112.domain.errors import AsteriskUnavailable, OutcomeUnknown, Pbx112Error
from pbx112.services.ports import EndpointReport

RELOAD_S = 15.0
QUERY_S = 10.0


class ApplySession:
    """What the configuration user may ask. Implements Reloader."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def reload(self, module: str) -> None:
        """Reload one module, such as `app_queue.so`; returns when Asterisk has done so.

        Raises BadInput, AsteriskRefused (no such module, or none that reloads), AsteriskUnavailable, OutcomeUnknown.
        """
        await self._client.ask("Reload", {"Module": module}, deadline_s=RELOAD_S)

    async def dialplan(self) -> Mapping[tuple[str, str, int], tuple[str, str]]:
        """Every priority by context, extension and number: its application and data."""
        return {
            (row["context"], row["extension"], int(row["priority"])): (row["application"], row.get("appdata", ""))
            for row in await self._rows("ShowDialPlan")
            if "priority" in row
        }

    async def queues(self) -> Mapping[str, str]:
        """The queues that Asterisk has, and their strategies."""
        rows = await self._rows("QueueStatus")
        return {row["queue"]: row["strategy"] for row in rows if row["event"] == "QueueParams"}

    async def endpoints(self) -> frozenset[str]:
        """The names of the SIP endpoints that Asterisk has: trunks and phones."""
        return frozenset(row["objectname"] for row in await self._rows("PJSIPShowEndpoints"))

    async def endpoint(self, name: str) -> EndpointReport:
        """One SIP endpoint, and the addresses that a trunk's calls may come from."""
        rows = await self._rows("PJSIPShowEndpoint", {"Endpoint": name})
        detail = next((row for row in rows if row["event"] == "EndpointDetail"), {})
        addresses = [row["match"].split(",") for row in rows if row["event"] == "IdentifyDetail"]
        return EndpointReport(detail, [address for several in addresses for address in several])

    async def passwords(self) -> Mapping[str, tuple[str, str]]:
        """User name and password of each SIP account that has one."""
        rows = await self._rows("PJSIPShowAuths")
        return {row["objectname"]: (row["username"], row["password"]) for row in rows if row["event"] == "AuthList"}

    async def _rows(self, action: str, values: Mapping[str, str] | None = None) -> Sequence[Mapping[str, str]]:
        answer = await self._client.ask(action, values, deadline_s=QUERY_S)
        if not answer.whole:
            raise OutcomeUnknown(f"Asterisk's answer to {action} came with forged text in it and is not believed.")
        return answer.rows


@asynccontextmanager
async def apply_session(host: str, port: int, username: str, secret: str) -> AsyncIterator[ApplySession]:
    """Log in for one application of a configuration, and out at the end. Raises AsteriskUnavailable."""
    client = Client(host, port, on_event=lambda _: None, on_taint=lambda _blocks, _fault: None)
    try:
        try:
            await log_in(client, (host, port), Login(username, secret, "off"), LinkTimes())
        except LinkBroke as broke:
            raise AsteriskUnavailable(str(broke)) from None
        yield ApplySession(client)
        with suppress(Pbx112Error):
            # Only one session of this user may be: the next apply must not find this one still there.
            await client.ask("Logoff")
    finally:
        client.drop("The configuration was applied.")
