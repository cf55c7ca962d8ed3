"""Commands that Asterisk did not answer: looked for in its queues, listed anew, and never sent again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from pbx112.ami.client import Client
from pbx112.ami.link import AmiLink
from pbx112.ami.session import LinkTimes
from pbx112.domain.errors import NotCarriedOut, OutcomeUnknown
from pbx112.services.operators import OperatorDesk
from tests.support.ami_peer import FAST, Action, AmiPeer, Member, Waiting, ami_peer, running_link, until
from tests.support.web import make_parts, nowhere

LOGIN, LOGOUT, PAUSE = "QueueAdd", "QueueRemove", "QueuePause"


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits two seconds for each answer that does not come."""
    defaults = Client.ask.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline_s", 0.3)


@asynccontextmanager
async def office(peer: AmiPeer, *, doubt_seconds: float = 1.0) -> AsyncIterator[tuple[AmiPeer, AmiLink, OperatorDesk]]:
    """A desk of operators on a link to a scripted Asterisk, without any database."""
    engine = nowhere()
    async with ami_peer(peer), running_link(peer) as link:
        yield peer, link, OperatorDesk(link, link, make_parts().configuration, engine, 0.05, doubt_seconds)
    await engine.dispose()


def silently(change: Callable[[Action], None] = lambda _: None) -> Callable[[Action], str]:
    """Asterisk does this, and its answer is lost."""

    def answer(action: Action) -> str:
        change(action)
        return ""

    return answer


async def test_given_a_login_whose_answer_is_lost_when_the_queues_show_it_then_it_is_done() -> None:
    async with office(AmiPeer()) as (peer, link, desk):
        peer.answers[LOGIN] = silently(lambda _: peer.members.append(Member("112", "op1")))
        await desk.log_in("op1", who="sup")
        assert [member.operator for member in link.state.queues[0].members] == ["op1"]
        assert (peer.count(LOGIN), link.counters.logins) == (1, 1)


async def test_given_a_login_that_never_reached_the_queue_when_listed_then_it_is_told_as_not_done() -> None:
    async with office(AmiPeer()) as (peer, _, desk):
        peer.answers[LOGIN] = silently()
        with pytest.raises(NotCarriedOut, match="was not carried out; try again"):
            await desk.log_in("op1", who="sup")
        assert peer.count(LOGIN) == 1


async def test_given_a_link_that_breaks_under_a_login_when_it_is_back_then_its_list_tells_that_it_was_done() -> None:
    async with office(AmiPeer()) as (peer, link, desk):
        peer.answers[LOGIN] = silently(lambda _: peer.members.append(Member("112", "op1")))
        asked = asyncio.create_task(desk.log_in("op1", who="sup"))
        await until(lambda: peer.count(LOGIN) == 1)
        peer.hang_up()
        await asked
        assert (peer.count(LOGIN), link.counters.logins) == (1, 2)


async def test_given_a_link_that_breaks_when_the_new_list_shows_nothing_then_the_outcome_stays_unknown() -> None:
    """Another link may be answered before the command of the broken one: what it does not show may still come."""
    async with office(AmiPeer()) as (peer, link, desk):
        peer.answers[LOGIN] = silently()
        asked = asyncio.create_task(desk.log_in("op1", who="sup"))
        await until(lambda: peer.count(LOGIN) == 1)
        peer.hang_up()
        with pytest.raises(OutcomeUnknown):
            await asked
        await until(lambda: link.connected)
        assert peer.count(LOGIN) == 1


async def test_given_no_list_in_time_when_a_command_had_no_answer_then_the_outcome_is_unknown_soon() -> None:
    async with office(AmiPeer(), doubt_seconds=0.3) as (peer, _, desk):
        peer.mute = True
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="did not answer QueueAdd"):
            await desk.log_in("op1", who="sup")
        assert time.monotonic() - began < 1.5


async def test_given_forged_text_in_the_list_when_a_command_had_no_answer_then_the_outcome_is_unknown() -> None:
    async with office(AmiPeer()) as (peer, _, desk):
        peer.answers[LOGIN] = silently()
        peer.waiting = [Waiting("112", 1, caller="5\r\nUniqueid: x")]
        with pytest.raises(OutcomeUnknown):
            await desk.log_in("op1", who="sup")


async def test_given_a_pause_whose_answer_is_lost_when_listed_then_its_reason_tells_it_from_an_older_one() -> None:
    async with office(AmiPeer(members=[Member("112", "op1", paused="salat")])) as (peer, _, desk):
        peer.answers[PAUSE] = silently()
        with pytest.raises(NotCarriedOut, match="not carried out"):
            await desk.pause("op1", "makan", who="sup")
        peer.answers[PAUSE] = silently(lambda action: setattr(peer.members[0], "paused", action["Reason"]))
        await desk.pause("op1", "makan", who="sup")
        assert peer.count(PAUSE) == 2


async def test_given_a_logout_whose_answer_is_lost_when_listed_then_it_is_done() -> None:
    async with office(AmiPeer(members=[Member("112", "op1")])) as (peer, link, desk):
        peer.answers[LOGOUT] = silently(lambda _: peer.members.clear())
        await desk.log_out("op1", who="sup")
        assert link.state.queues[0].members == ()
        assert peer.count(LOGOUT) == 1


def test_given_the_links_own_waits_when_added_then_a_dead_line_is_noticed_in_15_s_and_back_in_3() -> None:
    times = LinkTimes()
    assert times.ping_every + times.ping_answer <= 15
    assert times.retry_most + times.connect <= 3
    assert times.snapshot_answer <= 15


async def test_given_a_half_open_line_when_nothing_comes_any_more_then_it_is_dropped_and_a_new_one_built() -> None:
    """The peer reads and is connected, and never answers: only the ping finds it."""
    times = replace(FAST, ping_every=0.2, ping_answer=0.2)
    async with ami_peer() as peer, running_link(peer, times=times) as link:
        began = time.monotonic()
        peer.mute = True
        await until(lambda: not link.connected)
        assert "half-open" in str(link.last_problem)
        assert time.monotonic() - began < times.ping_every + times.ping_answer + 0.5
        peer.mute = False
        await until(lambda: link.connected)
        assert link.counters.logins >= 2


async def test_given_an_asterisk_that_answers_a_byte_at_a_time_when_linked_then_the_board_is_whole() -> None:
    async with ami_peer(AmiPeer(members=[Member("112", "op1")], waiting=[Waiting("112", 1)])) as peer:
        slow = await asyncio.start_server(lambda r, w: drip(peer.port, r, w), "127.0.0.1", 0)
        try:
            dripping = AmiPeer(port=slow.sockets[0].getsockname()[1])
            times = replace(FAST, login=5.0, boot=5.0, snapshot_answer=10.0)
            async with running_link(dripping, times=times, wait=False) as link:
                await until(lambda: link.connected, 15)
                assert [member.operator for member in link.state.queues[0].members] == ["op1"]
                assert (len(link.state.queues[0].waiting), link.counters.tainted) == (1, 0)
        finally:
            slow.close()


async def drip(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass the peer's bytes on one by one, and the link's as they come."""
    from_peer, to_peer = await asyncio.open_connection("127.0.0.1", port)

    async def there() -> None:
        while data := await reader.read(4096):
            to_peer.write(data)
        to_peer.close()

    passing = asyncio.create_task(there())
    try:
        while data := await from_peer.read(4096):
            for byte in data:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
    finally:
        passing.cancel()
        to_peer.close()
        writer.close()
