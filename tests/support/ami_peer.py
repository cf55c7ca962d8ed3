"""A scripted AMI peer on a real socket, which speaks what Asterisk 22.10.1 was heard to speak."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from pbx112.ami.link import AmiLink
from pbx112.ami.session import LinkTimes
from pbx112.domain.live import LiveState

HOST = "127.0.0.1"
SECRET = "a secret: with a colon"

Action = dict[str, str]
Answer = Callable[[Action], str | None]

FAST = LinkTimes(
    login=0.5, boot=0.5, ping_every=5, ping_answer=5, snapshot_every=30, snapshot_answer=1, mend_every=0.05,
    retry_first=0.02, retry_most=0.05, refused_first=0.05, refused_most=0.1,
)  # fmt: skip


def block(*lines: str) -> str:
    """Lines as AMI writes them."""
    return "\r\n".join(lines) + "\r\n\r\n"


def member_lines(queue: str, operator: str, *, status: int = 1, paused: str = "", in_call: int = 0) -> list[str]:
    """The headers that a member's events and QueueStatus share."""
    return [
        f"StateInterface: PJSIP/{operator}", "Membership: dynamic", "Penalty: 0", "CallsTaken: 0", "LastCall: 0",
        "LastPause: 1795288016", "LoginTime: 1795288013", f"InCall: {in_call}", f"Status: {status}",
        f"Paused: {int(bool(paused))}", f"PausedReason: {paused}",
    ]  # fmt: skip


def member_event(name: str, queue: str, operator: str, *, status: int = 1, paused: str = "", in_call: int = 0) -> str:
    """A QueueMember.. event."""
    return block(
        f"Event: {name}", "Privilege: agent,all", "SystemName: node1", f"Queue: {queue}", f"MemberName: {operator}",
        f"Interface: PJSIP/{operator}", *member_lines(queue, operator, status=status, paused=paused, in_call=in_call),
        "Ringinuse: 0", "Wrapuptime: 0",
    )  # fmt: skip


def caller_lines(number: int, *, caller: str = "+628111234567") -> list[str]:
    """A caller's channel in an event of app_queue."""
    return [
        "Privilege: agent,all", "SystemName: node1", f"Channel: PJSIP/carrier-a-{number:08x}", "ChannelState: 4",
        "ChannelStateDesc: Ring", f"CallerIDNum: {caller}", "CallerIDName: <unknown>", "ConnectedLineNum: <unknown>",
        "ConnectedLineName: <unknown>", "Language: en", "AccountCode: ", "Context: queueing", "Exten: ring",
        "Priority: 5", f"Uniqueid: node1-1795288020.{number}", f"Linkedid: node1-1795288020.{number}",
    ]  # fmt: skip


def joined(number: int, *, queue: str = "112", position: int = 1, caller: str = "+628111234567") -> str:
    """QueueCallerJoin."""
    lines = caller_lines(number, caller=caller)
    return block("Event: QueueCallerJoin", *lines, f"Queue: {queue}", f"Position: {position}", f"Count: {position}")


def left(number: int, *, queue: str = "112", position: int = 1) -> str:
    """QueueCallerLeave."""
    return block(
        "Event: QueueCallerLeave", *caller_lines(number), f"Queue: {queue}", f"Position: {position}", "Count: 0"
    )


def agent(name: str, number: int, operator: str, *extra: str, queue: str = "112") -> str:
    """AgentCalled, AgentConnect .. without the operator's channel, which nothing reads."""
    return block(
        f"Event: {name}", *caller_lines(number), f"DestChannel: PJSIP/{operator}-00000001", f"Queue: {queue}",
        f"Interface: PJSIP/{operator}", f"MemberName: {operator}", *extra,
    )  # fmt: skip


FULLY_BOOTED = block(
    "Event: FullyBooted", "Privilege: system,all", "Uptime: 438", "LastReload: 438", "Status: Fully Booted"
)
SHUTDOWN = block("Event: Shutdown", "Privilege: system,all", "Shutdown: Uncleanly", "Restart: False")


@dataclass
class Member:
    """A member that the peer lists."""

    queue: str
    operator: str
    status: int = 1
    paused: str = ""
    in_call: int = 0


@dataclass
class Waiting:
    """A caller that the peer lists."""

    queue: str
    number: int
    position: int = 1
    caller: str = "+628111234567"
    wait: int = 3


@dataclass
class AmiPeer:
    """What the scripted Asterisk knows, does and has heard. `answers` replaces what it says to an action."""

    port: int = 0
    queues: list[str] = field(default_factory=lambda: ["112", "darurat"])
    members: list[Member] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    channel_rows: list[list[str]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    heard: list[Action] = field(default_factory=list)
    connections: int = 0
    booted: bool = True
    mute: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def say(self, *texts: str | bytes) -> None:
        """Write to the live connection, each text by its own write and in its own packet."""
        for text in texts:
            self._writers[-1].write(text.encode() if isinstance(text, str) else text)
            await self._writers[-1].drain()
            await asyncio.sleep(0.01)

    def count(self, name: str) -> int:
        """How often an action was heard."""
        return sum(action["Action"] == name for action in self.heard)

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self._writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                raw = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in raw.strip().split("\r\n"))
                self.heard.append(action)
                answer = self._answer(action)
                if answer is not None and not self.mute:
                    writer.write(answer.encode())
                    await writer.drain()
        writer.close()

    def _answer(self, action: Action) -> str | None:
        token = f"ActionID: {action['ActionID']}"
        name = action["Action"]
        if name in self.answers:
            return self.answers[name](action)
        match name:
            case "Login":
                if action.get("Secret") != SECRET:
                    return block("Response: Error", token, "Message: Authentication failed")
                greeting = block("Response: Success", token, "Message: Authentication accepted")
                return greeting + (FULLY_BOOTED if self.booted else "")
            case "CoreSettings":
                return block("Response: Success", token, "AMIversion: 11.0.0", "AsteriskVersion: 22.10.1")
            case "CoreShowChannels":
                return self.channel_list(token)
            case "QueueStatus":
                return self.queue_list(token)
            case "Ping":
                return block("Response: Success", token, "Ping: Pong", "Timestamp: 1795288018.975294")
        return block("Response: Success", token, "Message: Done")

    def queue_list(self, token: str) -> str:
        """QueueStatus, as captured: the ActionID last."""
        rows = []
        for queue in self.queues:
            calls = sum(waiting.queue == queue for waiting in self.waiting)
            rows.append(
                block(
                    "Event: QueueParams", f"Queue: {queue}", "Strategy: ringall", f"Calls: {calls}", "Weight: 0", token
                )
            )
            rows += [
                block(
                    "Event: QueueMember", f"Queue: {m.queue}", f"Name: {m.operator}", f"Location: PJSIP/{m.operator}",
                    *member_lines(m.queue, m.operator, status=m.status, paused=m.paused, in_call=m.in_call),
                    "Wrapuptime: 0", token,
                )
                for m in self.members if m.queue == queue
            ]  # fmt: skip
            rows += [
                block(
                    "Event: QueueEntry", f"Queue: {w.queue}", f"Position: {w.position}",
                    f"Channel: PJSIP/carrier-a-{w.number:08x}", f"Uniqueid: node1-1795288020.{w.number}",
                    f"CallerIDNum: {w.caller}", "CallerIDName: unknown", "ConnectedLineNum: unknown",
                    "ConnectedLineName: unknown", f"Wait: {w.wait}", "Priority: 0", token,
                )
                for w in self.waiting if w.queue == queue
            ]  # fmt: skip
        start = block("Response: Success", token, "EventList: start", "Message: Queue status will follow")
        end = block("Event: QueueStatusComplete", token, "EventList: Complete", f"ListItems: {len(rows)}")
        return start + "".join(rows) + end

    def channel_list(self, token: str) -> str:
        """CoreShowChannels, as captured: the ActionID second."""
        rows = [block("Event: CoreShowChannel", token, *row) for row in self.channel_rows]
        start = block("Response: Success", token, "EventList: start", "Message: Channels will follow")
        end = block("Event: CoreShowChannelsComplete", token, "EventList: Complete", f"ListItems: {len(rows)}")
        return start + "".join(rows) + end


def channel_row(
    name: str, number: int, *, state: str = "Ring", linkedid: int | None = None, caller: str = "1"
) -> list[str]:
    """The headers of one CoreShowChannel."""
    return [
        f"Channel: {name}", "ChannelState: 4", f"ChannelStateDesc: {state}", f"CallerIDNum: {caller}",
        "CallerIDName: <unknown>", "ConnectedLineNum: 112", "ConnectedLineName: <unknown>", "Language: en",
        "AccountCode: ", "Context: queueing", "Exten: ring", "Priority: 5", f"Uniqueid: node1-1795288020.{number}",
        f"Linkedid: node1-1795288020.{number if linkedid is None else linkedid}", "Application: Queue",
        "ApplicationData: 112,r", "Duration: 00:00:02", "BridgeId: ",
    ]  # fmt: skip


@contextlib.asynccontextmanager
async def ami_peer(peer: AmiPeer | None = None) -> AsyncIterator[AmiPeer]:
    """A peer that listens; on leaving, every connection is closed."""
    peer = peer or AmiPeer()
    server = await asyncio.start_server(peer.serve, HOST, peer.port)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        peer.hang_up()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def running_link(
    peer: AmiPeer,
    *,
    times: LinkTimes = FAST,
    wait: bool = True,
    secret: str = SECRET,
    inbox_limit: int = 10_000,
    on_change: Callable[[LiveState], None] | None = None,
) -> AsyncIterator[AmiLink]:
    """A link to the peer, up (if waited for), and ended on leaving."""
    link = AmiLink(HOST, peer.port, "pbx112", secret, times=times, inbox_limit=inbox_limit, on_change=on_change)
    task = asyncio.create_task(link.run())
    try:
        if wait:
            await until(lambda: link.connected)
        yield link
        assert not task.done(), "the link must run for ever"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait until something is so, or fail."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.005)
