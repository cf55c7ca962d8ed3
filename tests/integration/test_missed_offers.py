"""Who misses offers in a row is paused, never the last who could be rung: a board, a fake line and a real audit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration, Queue
from pbx112.domain.demo import DEMO_CENTRE, DRILL_ACCOUNT
from pbx112.domain.errors import AsteriskUnavailable, OutcomeUnknown, Pbx112Error
from pbx112.domain.live import LiveMember, LiveQueue, LiveState
from pbx112.services.alarms import Alarms
from pbx112.services.board import LiveFact, MemberLeft, MemberSeen, OfferMissed, OperatorAnswered, told
from pbx112.services.feed import Feed
from pbx112.services.missed import MissedOffers
from pbx112.services.operators import OperatorDesk
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading

AT = datetime(2025, 1, 31, 10, 0, tzinfo=UTC)
LIMITED = replace(
    DEMO_CENTRE,
    queues=(
        replace(DEMO_CENTRE.queues[0], missed_offers=3),
        Queue("darurat", "Darurat"),
        Queue("b", "B", missed_offers=2),
    ),
)
Board = dict[str, list[str]]


@dataclass
class Line:
    """A telephone line and its live state: a pause shows on the board, unless it goes wrong."""

    state: LiveState
    connected: bool = True
    error: Pbx112Error | None = None
    meanwhile: Callable[[], None] | None = None
    commands: list[tuple[str, bool, str]] = field(default_factory=list)

    async def queue_pause(self, operator: str, *, paused: bool, reason: str) -> None:
        self.commands.append((operator, paused, reason))
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        if self.error is not None:
            raise self.error
        self.tell(*self.paused(operator, reason if paused else None))

    def paused(self, operator: str, reason: str | None) -> list[LiveFact]:
        return [
            MemberSeen(queue.name, replace(member, paused=reason is not None, paused_reason=reason))
            for queue in self.state.queues
            for member in queue.members
            if member.operator == operator
        ]

    async def queue_add(self, queue: str, operator: str, penalty: int, *, paused: str | None = None) -> None: ...

    async def queue_penalty(self, queue: str, operator: str, penalty: int) -> None: ...

    async def queue_remove(self, queue: str, operator: str) -> None: ...

    async def press(self, operator: str, linkedid: str, digits: str) -> None: ...

    async def look_again(self, within_s: float) -> bool:
        raise OutcomeUnknown("Asterisk did not list its queues.")

    def tell(self, *facts: LiveFact) -> None:
        for fact in facts:
            self.state = told(self.state, fact)


class Bench:
    """The service over a board: who is in which queue."""

    def __init__(self, engine: AsyncEngine, board: Board, lang: str = "en") -> None:
        self.configuration: Configuration = LIMITED
        queues = tuple(
            LiveQueue(name, tuple(LiveMember(operator, "not_inuse") for operator in operators))
            for name, operators in board.items()
        )
        self.line = Line(LiveState(at=AT, connected=True, queues=queues))
        self.alarms = Alarms(Feed(), "node1")
        self.seconds = 0
        desk = OperatorDesk(self.line, self.line, lambda: self.configuration, engine, settle_seconds=0.05)
        self.service = MissedOffers(desk, self.line, lambda: self.configuration, self.alarms, lang)

    async def miss(self, operator: str, *, times: int = 1, queue: str = "112") -> None:
        """Offers that he does not take, each looked at."""
        for _ in range(times):
            self.offer(operator, queue=queue)
            await self.service.look()

    def offer(self, operator: str, *, queue: str = "112") -> None:
        self.seconds += 10
        self.line.tell(OfferMissed(queue, operator, f"c-{self.seconds}", AT + timedelta(seconds=self.seconds), 10_000))

    def device(self, operator: str, device: str) -> None:
        for queue in self.line.state.queues:
            for member in queue.members:
                if member.operator == operator:
                    self.line.tell(MemberSeen(queue.name, replace(member, device=device, in_call=device == "inuse")))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(alarm.key, alarm.level) for alarm in self.alarms.current]


PAUSED_OP1 = [("op1", True, "missed")]


async def test_given_three_missed_offers_when_a_colleague_is_free_then_he_is_paused_audited_and_told(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    await bench.miss("op1", times=2)
    assert (bench.line.commands, bench.told) == ([], [])
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1
    assert bench.told == [("missed-offers:op1", "warning")]
    assert "op1 did not take several calls" in bench.alarms.current[0].text
    async with reading(engine) as connection:
        (row,) = await list_audit(connection)
    assert (row["who"], row["action"], row["subject"]) == ("system", "operator.pause", "op1")
    assert row["after"] == {"result": "done", "reason": "missed"}
    await bench.service.look()
    bench.line.tell(*bench.line.paused("op1", None))
    await bench.service.look()
    assert (bench.line.commands, bench.told) == (PAUSED_OP1, [])
    await bench.miss("op1", times=2)
    assert bench.told == []  # his count began anew
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1 * 2


async def test_given_an_answer_in_between_when_offers_are_missed_then_they_are_not_in_a_row(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    await bench.miss("op1", times=2)
    bench.line.tell(OperatorAnswered("op1", "c-x"))
    await bench.miss("op1", times=2)
    assert bench.line.commands == []


async def test_given_the_last_who_could_be_rung_when_he_misses_then_he_stays_and_the_supervisor_is_told(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2", "op3", "op4", DRILL_ACCOUNT]}, lang="id")
    bench.line.tell(*bench.line.paused("op2", "makan"))
    bench.device("op3", "unavailable")
    bench.device("op4", "inuse")
    await bench.miss("op1", times=3)
    assert bench.line.commands == []
    assert bench.told == [("missed-offers:op1", "warning")]  # op4 will be rung after his talk
    assert "op1 tidak menjawab 3 panggilan" in bench.alarms.current[0].text
    bench.device("op4", "unavailable")
    await bench.service.look()
    assert bench.told == [("missed-offers:op1", "critical")]
    bench.line.tell(*bench.line.paused("op2", None))
    await bench.service.look()
    assert bench.line.commands == []  # it is judged when an offer is missed, not when others come and go
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1


async def test_given_the_last_one_when_he_answers_or_leaves_then_the_alarm_ends(engine: AsyncEngine) -> None:
    for back in (OperatorAnswered("op1", "c-x"), MemberLeft("112", "op1")):
        bench = Bench(engine, {"112": ["op1"]})
        await bench.miss("op1", times=3)
        assert bench.told == [("missed-offers:op1", "critical")]
        bench.line.tell(back)
        await bench.service.look()
        assert bench.told == []


async def test_given_two_who_miss_at_once_when_they_are_judged_then_one_of_them_stays(engine: AsyncEngine) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    for _ in range(3):
        bench.offer("op1")
        bench.offer("op2")
    await bench.service.look()
    assert bench.line.commands == PAUSED_OP1
    assert bench.told == [("missed-offers:op2", "critical"), ("missed-offers:op1", "warning")]


async def test_given_a_pause_that_nobody_confirmed_when_the_other_misses_too_then_he_stays(engine: AsyncEngine) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    bench.line.error = OutcomeUnknown("No answer.")
    await bench.miss("op1", times=3)
    bench.line.error = None
    await bench.miss("op2", times=3)
    assert bench.line.commands == PAUSED_OP1


async def test_given_a_command_that_was_not_sent_when_he_misses_again_then_it_is_tried_again(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    bench.line.error = AsteriskUnavailable("The AMI link is down.")
    await bench.miss("op1", times=3)
    assert bench.told == [("missed-offers:op1", "warning")]
    assert "could not be paused" in bench.alarms.current[0].text
    bench.line.error = None
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1 * 2


async def test_given_two_queues_when_offers_of_both_are_missed_then_the_last_ones_limit_counts_and_both_must_be_served(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"], "darurat": ["op1", "op2"]})
    await bench.miss("op1", times=5, queue="darurat")
    assert bench.line.commands == []  # there nobody is ever paused for it
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1
    alone = Bench(engine, {"112": ["op1", "op2"], "b": ["op1"]})
    await alone.miss("op1", times=3)
    assert (alone.line.commands, alone.told) == ([], [("missed-offers:op1", "critical")])


@pytest.mark.parametrize("lost", ["answers", "colleague"])
async def test_given_a_pause_on_its_way_when_he_answers_or_the_others_go_then_it_is_taken_back(
    engine: AsyncEngine, lost: str
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})

    def meanwhile() -> None:
        bench.line.tell(OperatorAnswered("op1", "c-x") if lost == "answers" else MemberLeft("112", "op2"))

    bench.line.meanwhile = meanwhile
    await bench.miss("op1", times=3)
    assert bench.line.commands == [*PAUSED_OP1, ("op1", False, "")]
    assert bench.told == []


async def test_given_a_pause_for_missed_offers_when_his_colleagues_leave_then_his_phone_rings_again(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2", "op3"]})
    await bench.miss("op1", times=3)
    await bench.miss("op2", times=3)
    bench.device("op3", "inuse")
    await bench.service.look()
    paused = [*PAUSED_OP1, ("op2", True, "missed")]
    assert bench.line.commands == paused  # op3 can be rung after his talk
    bench.device("op2", "unavailable")
    bench.line.tell(MemberLeft("112", "op3"))
    await bench.service.look()
    assert bench.line.commands == [*paused, ("op1", False, "")]  # op2's phone does not work
    assert bench.told == [("missed-offers:op2", "warning")]


async def test_given_a_ring_in_progress_when_he_is_paused_and_takes_it_then_he_is_back(engine: AsyncEngine) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    await bench.miss("op1", times=3)
    bench.line.tell(OperatorAnswered("op1", "c-x"))
    await bench.service.look()
    assert bench.line.commands == [*PAUSED_OP1, ("op1", False, "")]
    assert bench.told == []


async def test_given_an_operator_who_paused_himself_when_his_offers_are_judged_then_his_own_reason_stays(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    for _ in range(3):
        bench.offer("op1")
    bench.line.tell(*bench.line.paused("op1", "makan"))
    await bench.service.look()
    assert (bench.line.commands, bench.told) == ([], [])


async def test_given_a_start_of_the_service_when_somebody_is_paused_for_it_then_the_supervisor_still_knows(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    bench.line.tell(*bench.line.paused("op1", "missed"))
    await bench.service.look()
    assert (bench.line.commands, bench.told) == ([], [("missed-offers:op1", "warning")])
    bench.line.state = replace(bench.line.state, connected=False, queues=())
    await bench.service.look()
    assert bench.told == [("missed-offers:op1", "warning")]  # nothing is known of him now


async def test_given_a_new_configuration_when_offers_are_missed_then_its_limit_counts(engine: AsyncEngine) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    bench.configuration = DEMO_CENTRE  # nobody is paused for it
    await bench.miss("op1", times=4)
    assert bench.line.commands == []
    bench.configuration = LIMITED
    await bench.miss("op1")
    assert bench.line.commands == PAUSED_OP1


async def test_given_the_task_when_it_is_woken_then_it_looks(engine: AsyncEngine) -> None:
    bench = Bench(engine, {"112": ["op1", "op2"]})
    task = asyncio.create_task(bench.service.run())
    for _ in range(3):
        bench.offer("op1")
    bench.service.wake()
    async with asyncio.timeout(3):
        while not bench.told:  # noqa: ASYNC110 - the alarm has no event here
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.line.commands == PAUSED_OP1
