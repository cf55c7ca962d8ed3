"""Who is rung for a caller, and when: operators' penalties by their skill, and how a queue widens. Pure.

app_queue knows no skills; it knows penalties, of which the lower is rung first, and for each caller the highest that
may be rung. An operator's penalty in a queue with a skill is a hundred for each level that he has less than the best,
plus his configured penalty (0 to 99), which orders those of one level. A caller's highest penalty rises as he waits.
"""

from dataclasses import dataclass

from pbx112.domain.configuration import MOST_LEVEL, Configuration, Membership, Operator, Queue, Widening

MOST_PENALTY = 99
"""The highest penalty that an admin may give; beyond it the levels of the skill would mix."""

DRILL_PENALTY = 112_000
"""The drill operator's, far beyond all others'. app_queue multiplies a penalty by a million in 32 bits: those of people
must stay below 2,147, or their order is by chance. The drill operator's need not: he is never rung beside others."""

EVERYBODY = DRILL_PENALTY - 1
"""The highest penalty of a caller for whom anybody may be rung, but the drill operator."""

_LEVEL_STEP = MOST_PENALTY + 1
_IN_THE_END_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Width:
    """From so many seconds of waiting on, operators of this level and above may be rung: those up to this penalty."""

    after_seconds: int
    level: int

    @property
    def penalty(self) -> int:
        """The highest penalty that may be rung; at level 0 even one that nobody should have."""
        return EVERYBODY if self.level == 0 else (MOST_LEVEL - self.level) * _LEVEL_STEP + MOST_PENALTY


def penalty_of(queue: Queue, operator: Operator, configured: int) -> int:
    """The operator's penalty in the queue, as app_queue has it."""
    if queue.skill is None:
        return configured
    return (MOST_LEVEL - operator.level(queue.skill)) * _LEVEL_STEP + configured


def widths(queue: Queue) -> tuple[Width, ...]:
    """How the queue widens, from the first second on, each step wider than the one before; the last is everybody.

    Without a step at 0 s it begins with all who have the skill at all. A minute after the admin's last step
    everybody is rung, whatever he wrote: 112 never waits for a skill that nobody has.
    """
    if queue.skill is None:
        return (Width(0, 0),)
    begins = queue.widening and queue.widening[0].after_seconds == 0
    steps = queue.widening if begins else (Widening(0, 1), *queue.widening)
    found: list[Width] = []
    for step in steps:
        if not found or step.level < found[-1].level:
            found.append(Width(step.after_seconds, step.level))
    if found[-1].level > 0:
        found.append(Width(steps[-1].after_seconds + _IN_THE_END_SECONDS, 0))
    return tuple(found)


def rung_after(queue: Queue, operator: Operator) -> int:
    """After how many seconds of waiting this operator may be rung for a caller of the queue."""
    level = operator.level(queue.skill) if queue.skill is not None else 0
    return next(width.after_seconds for width in widths(queue) if width.level <= level)


def places(configuration: Configuration, operator: Operator) -> tuple[Membership, ...]:
    """The queues that the operator's log-in joins, with his penalties as app_queue has them.

    In a surge everybody takes the default queue's calls, whatever his own queues are.
    """
    joins = {membership.queue: membership.penalty for membership in operator.memberships}
    if configuration.surge:
        joins.setdefault(configuration.default_queue, 0)
    queues = {queue.name: queue for queue in configuration.queues}
    return tuple(
        Membership(name, penalty_of(queues[name], operator, penalty) if name in queues else penalty)
        for name, penalty in joins.items()
    )
