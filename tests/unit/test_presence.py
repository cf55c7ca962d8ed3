"""What operators do, and since when: our own states over Asterisk's, by a clock that the test sets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pbx112.domain.configuration import Configuration, Queue
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.live import Doing, LiveMember, LiveQueue, LiveState, OperatorState
from pbx112.services.feed import Feed, LivePublisher
from pbx112.services.live_views import live_view, operator_view, queue_view
from pbx112.services.ports import LiveSource
from pbx112.services.presence import Presence

START = datetime(2025, 1, 31, 10, 0, 0, 250_000, tzinfo=UTC)
TALKING, RINGING, FREE = OperatorState.TALKING, OperatorState.RINGING, OperatorState.FREE
PAUSED, WRAP_UP, OFFLINE = OperatorState.PAUSED, OperatorState.WRAP_UP, OperatorState.OFFLINE


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass
class Line:
    """A telephone line with a live state to set."""

    state: LiveState = field(default_factory=LiveState)


@dataclass
class Bench:
    """A presence over a board and a clock to set; wrap-up is 10 s in 112, and there is none in `darurat`."""

    now: datetime = START
    live: Line = field(default_factory=Line)
    ends: int = 0
    configuration: Configuration = field(
        default_factory=lambda: replace(
            DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], wrapup_seconds=10), Queue("darurat", "Darurat"))
        )
    )

    def __post_init__(self) -> None:
        self.presence = Presence(self.live, lambda: self.configuration, self._ended, lambda: self.now)

    def _ended(self) -> None:
        self.ends += 1

    def see(self, at: float, *members: LiveMember, other: tuple[LiveMember, ...] = ()) -> None:
        """The board at that second."""
        queues = (LiveQueue("112", members), LiveQueue("darurat", other))
        self.now = after(at)
        self.live.state = LiveState(at=self.now, connected=True, queues=queues)
        _ = self.presence.state

    def at(self, seconds: float, operator: str = "op1") -> Doing:
        """What the operator does at that second, by the board told last."""
        self.now = after(seconds)
        return self.presence.state.doing[operator]


def op1(device: str = "not_inuse", **more: Any) -> LiveMember:
    return LiveMember("op1", device, **more)


def test_given_a_shift_when_it_passes_then_each_state_has_the_moment_it_began() -> None:
    bench = Bench()
    source: LiveSource = bench.presence
    assert source.state.doing["op1"] == Doing(OFFLINE)  # nothing was told yet
    bench.see(1)
    assert bench.at(1.5) == Doing(OFFLINE, after(1))
    bench.see(2, op1())
    assert bench.at(3) == Doing(FREE, after(2))
    bench.see(4, op1("ringing"))
    bench.see(5, op1("inuse", in_call=True))
    assert bench.at(9) == Doing(TALKING, after(5))
    bench.see(20.1, op1("inuse", call_ended_at=after(20)))
    bench.see(20.2, op1(call_ended_at=after(20)))
    assert bench.at(20.2) == bench.at(29.9) == Doing(WRAP_UP, after(20), after(30))
    assert bench.at(31) == Doing(FREE, after(30))
    bench.see(40, op1(paused=True, call_ended_at=after(20)))
    assert bench.at(41) == Doing(PAUSED, after(40))


def test_given_a_wrap_up_when_it_ends_then_the_board_changes_though_asterisk_said_nothing() -> None:
    bench = Bench()
    bench.see(20, op1(call_ended_at=after(20)))
    before = bench.presence.state
    assert bench.presence.state is before
    assert bench.at(29).state is WRAP_UP
    assert bench.ends == 0
    assert bench.at(30).state is FREE
    assert bench.ends == 1


@pytest.mark.parametrize(
    ("member", "state"),
    [
        (op1(last_call_at=START), WRAP_UP),  # the end was not seen: Asterisk's own second
        (op1(last_call_at=after(-60), call_ended_at=START), WRAP_UP),
        (op1(last_call_at=after(-60)), FREE),
        (op1(call_ended_at=after(3600)), FREE),  # the clock was set back: nobody wraps up for an hour
        (op1("ringing", call_ended_at=START), RINGING),  # Asterisk's known fault: it rings him all the same
        (op1("inuse", call_ended_at=START), TALKING),
        (op1("unavailable", call_ended_at=START), OFFLINE),
        (op1(paused=True, call_ended_at=START), PAUSED),
    ],
)
def test_given_the_end_of_a_call_when_it_is_judged_then_what_is_so_now_counts_first(
    member: LiveMember, state: OperatorState
) -> None:
    bench = Bench()
    bench.see(5, member)
    assert bench.at(5).state is state


def test_given_a_surge_when_it_begins_then_nobody_has_a_wrap_up() -> None:
    bench = Bench()
    bench.see(5, op1(call_ended_at=START))
    assert bench.at(6).state is WRAP_UP
    bench.configuration = replace(bench.configuration, surge=True)
    assert bench.at(7) == Doing(FREE, after(7))


def test_given_two_queues_when_one_has_a_wrap_up_then_the_members_are_told_apart_and_the_operator_wraps_up() -> None:
    bench = Bench()
    bench.see(5, op1(call_ended_at=after(4)), other=(op1(),))
    bench.now = after(6)
    state = bench.presence.state
    assert [queue.members[0].doing for queue in state.queues] == [
        Doing(WRAP_UP, after(4), after(14)),
        Doing(FREE, after(5)),
    ]
    assert state.doing["op1"].state is WRAP_UP
    assert bench.at(15) == Doing(FREE, after(14))


def test_given_a_start_of_the_service_when_an_operator_is_paused_then_asterisk_tells_since_when() -> None:
    bench = Bench()
    bench.see(5, op1(paused=True, paused_at=after(-600)))
    assert bench.at(6) == Doing(PAUSED, after(-600))


def test_given_a_wrap_up_when_it_is_shown_then_state_since_and_until_are_told() -> None:
    bench = Bench()
    bench.see(5, op1(call_ended_at=after(4)))
    state = bench.presence.state
    shown = operator_view(DEMO_CENTRE.operators[0], state)
    assert (shown["state"], shown["since"], shown["until"]) == (WRAP_UP, after(4), after(14))
    (member,) = queue_view(DEMO_CENTRE.queues[0], state, "node1")["members"]
    assert (member["state"], member["since"], member["until"]) == (WRAP_UP, after(4), after(14))


@contextlib.asynccontextmanager
async def running(bench: Bench, publisher: LivePublisher) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(bench.presence.run()), asyncio.create_task(publisher.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_given_a_new_configuration_with_a_wrap_up_when_somebody_else_looks_then_its_end_is_told_too() -> None:
    ended = datetime.now(UTC)
    bench = Bench()
    queue = bench.configuration.queues[0]
    bench.configuration = replace(bench.configuration, queues=(replace(queue, wrapup_seconds=0),))
    bench.presence = Presence(bench.live, lambda: bench.configuration, bench._ended)
    bench.live.state = LiveState(at=ended, connected=True, queues=(LiveQueue("112", (op1(call_ended_at=ended),)),))
    async with running(bench, LivePublisher(Feed(), dict)):
        await asyncio.sleep(0.2)  # it sleeps, and Asterisk tells nothing any more
        bench.configuration = replace(bench.configuration, queues=(replace(queue, wrapup_seconds=1),))
        assert bench.presence.state.doing["op1"].state is WRAP_UP
        async with asyncio.timeout(3):
            while not bench.ends:  # noqa: ASYNC110 - the callback has no event
                await asyncio.sleep(0.01)


async def test_given_a_live_feed_when_a_wrap_up_ends_then_it_is_told_within_a_second() -> None:
    feed = Feed()
    bench = Bench()
    bench.configuration = replace(
        bench.configuration, queues=(replace(bench.configuration.queues[0], wrapup_seconds=1),)
    )
    publisher = LivePublisher(feed, lambda: live_view(bench.configuration, bench.presence.state, "node1"))
    bench.presence = Presence(bench.live, lambda: bench.configuration, publisher.changed)
    ended = datetime.now(UTC)
    bench.live.state = LiveState(at=ended, connected=True, queues=(LiveQueue("112", (op1(call_ended_at=ended),)),))
    told: list[tuple[str, datetime]] = []
    with feed.subscribe() as subscription:
        async with running(bench, publisher):
            bench.presence.wake()
            publisher.changed()
            for _ in range(2):
                event = await subscription.next(3)
                assert event is not None
                told.append((event["live"]["operators"][0]["state"], datetime.now(UTC)))
    assert [state for state, _ in told] == ["wrap-up", "free"]
    late = (told[1][1] - ended).total_seconds() - 1
    print(f"the end of the wrap-up was on the feed after {late * 1000:.0f} ms")
    assert 0 <= late < 1
