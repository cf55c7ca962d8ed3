"""The second AMI user, with the right `system`: logged in only while a configuration is applied."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from pbx112.ami.client import Client
from pbx112.ami.session import LinkBroke, LinkTimes, Login, log_in
from pbx112.domain.errors import AsteriskUnavailable, Pbx112Error

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

    async def endpoints(self) -> frozenset[str]:
        """The names of the SIP endpoints that Asterisk has: trunks and phones."""
        return frozenset(row["objectname"] for row in await self._rows("PJSIPShowEndpoints"))

    async def contacts(self) -> Mapping[str, str]:
        """The registered phones: endpoint name to contact URI."""
        rows = await self._rows("PJSIPShowContacts")
        return {row["endpoint"]: row["uri"] for row in rows}

    async def queues(self) -> frozenset[str]:
        """The names of the queues that Asterisk has."""
        return frozenset(row["queue"] for row in await self._rows("QueueStatus") if row["event"] == "QueueParams")

    async def _rows(self, action: str) -> Sequence[Mapping[str, str]]:
        return (await self._client.ask(action, deadline_s=QUERY_S)).rows


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
