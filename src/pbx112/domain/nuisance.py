"""Nuisance without blocking: what operators found a caller's calls to be becomes a score that always decays.

A score warns the operator and, when the admin turned it on, lets the caller queue behind others. Nobody is refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pbx112.domain.caller import Caller, CallerClass, is_person, number_key
from pbx112.domain.record import Reordered
from pbx112.domain.rules import NuisanceRules

HIGHEST = 1000.0
"""No score is higher, so that no past, however bad, is remembered for much longer than another."""

HALF_LIVES = 8
"""Marks older than so many half-lives (less than 1/256 of them is left) are forgotten."""

REASON = "nuisance"

_SCORED = frozenset({CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a caller's score reaches the threshold."""

    nuisance: bool
    score: float


def person_key(caller: Caller) -> str | None:
    """The key that a caller is scored by; None for everybody whose number is missing, shared or only claimed."""
    if caller.caller_class not in _SCORED:
        return None
    key = number_key(caller)
    return key if is_person(key) else None


def weight_now(disposition: str, at: datetime, now: datetime, rules: NuisanceRules) -> float:
    """What is left of one mark; `at` is when the call came. A mark of the future (a clock set back) counts whole."""
    return decayed(rules.weights.weight_of(disposition), at, now, rules)


def decayed(score: float, at: datetime, now: datetime, rules: NuisanceRules) -> float:
    """What is left now of a score of the time `at`. Times are aware."""
    half_lives = (now - at) / timedelta(days=rules.half_life_days)
    return score * float(0.5 ** max(half_lives, 0.0))


def score(marks: Iterable[tuple[str, datetime]], now: datetime, rules: NuisanceRules) -> float:
    """A caller's score from his marks, each a disposition and when its call came; from 0 to HIGHEST.

    The sum is cut at zero once, at its end: a real call outweighs pranks of before and of after it until it has
    decayed itself. All marks decay alike, so without a new one a score only ever falls.
    """
    total = sum(weight_now(disposition, at, now, rules) for disposition, at in marks)
    return min(max(total, 0.0), HIGHEST)


def oldest_counted(now: datetime, rules: NuisanceRules) -> datetime:
    """Marks of before this time are forgotten."""
    return now - HALF_LIVES * timedelta(days=rules.half_life_days)


def judge(caller_key: str | None, score: float, rules: NuisanceRules) -> Judgement:
    """Whether the caller with this key is a nuisance: only a person's key can be."""
    return Judgement(is_person(caller_key) and score >= rules.threshold, score)


def reorder(priority: int, judgement: Judgement, rules: NuisanceRules) -> Reordered | None:
    """The lower priority of a nuisance caller, with its reason; None when he keeps his own.

    Never below the floor, and never higher than his own: a queue at or below the floor is left as it is.
    """
    given = max(rules.floor, priority - rules.step)
    if not rules.reorder or not judgement.nuisance or given >= priority:
        return None
    return Reordered(
        usual=priority, given=given, reason=REASON, score=round(judgement.score, 2), seconds=rules.longest_seconds
    )
