"""What a centre configures: trunks, queues, operators, agencies. Names never change once used."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class NumberFormat(StrEnum):
    """How a carrier writes calling numbers."""

    AUTO = "auto"
    E164 = "e164"
    NATIONAL = "national"


class Strategy(StrEnum):
    """app_queue's strategies."""

    RRMEMORY = "rrmemory"
    LEASTRECENT = "leastrecent"
    FEWESTCALLS = "fewestcalls"
    RANDOM = "random"
    RINGALL = "ringall"
    LINEAR = "linear"
    WRANDOM = "wrandom"
    RRORDERED = "rrordered"


class AnswerMode(StrEnum):
    """When the carrier's call is answered (and the caller stops hearing his own network's ringing)."""

    OPERATOR = "operator"
    IMMEDIATE = "immediate"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier. `sources` are the addresses its calls come from; `trusted`: its identity headers are believed.

    `from_trusted`: its From is as good as an asserted identity. `outbound` is where calls back go (`host:port`); None:
    nobody can be called back by this trunk.
    """

    name: str
    display_name: str
    sources: tuple[str, ...]
    trusted: bool = False
    number_format: NumberFormat = NumberFormat.AUTO
    pseudo_patterns: tuple[str, ...] = ()
    drill: bool = False
    from_trusted: bool = False
    outbound: str | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Trunk":
        """Read plain values. Raises KeyError, TypeError or ValueError."""
        return cls(
            **{
                **raw,
                "sources": tuple(raw["sources"]),
                "number_format": NumberFormat(raw["number_format"]),
                "pseudo_patterns": tuple(raw["pseudo_patterns"]),
            }
        )


class TierKind(StrEnum):
    """Where a caller goes who has waited too long; whatever comes of it, he never loses his call."""

    QUEUE = "queue"
    SUPERVISORS = "supervisors"
    NUMBER = "number"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True, slots=True)
class Tier:
    """A step of the overflow chain, `after_seconds` of waiting in this queue.

    `target` is the next queue's name, or the number to call (a neighbour centre), which `trunk` leads to; supervisors
    and the announcement need none.
    """

    kind: TierKind
    after_seconds: int
    target: str = ""
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class Widening:
    """After so many seconds of waiting, operators of this `level` and above are rung; at level 0 everybody is."""

    after_seconds: int
    level: int


MOST_LEVEL = 9
"""The best level of a skill; 0 stands for not having it."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; times in whole seconds. `overflow` are operator accounts rung while nobody can take the call.

    A caller who says nothing is asked `silent_repeats` times to press a key, and has `silent_wait_seconds` each time.
    With a `skill` those who have it best are rung first, and `widening` says when others are too. `tiers` is the
    overflow chain in order. Who misses `missed_offers` offers in a row is paused (0: nobody is). `comfort` names the
    prompt that a waiting caller hears (empty: the built-in one). With `recording` calls are recorded from here to their
    end, in whichever queue they end.
    """

    name: str
    display_name: str
    strategy: Strategy = Strategy.RRMEMORY
    ring_seconds: int = 10
    retry_seconds: int = 1
    wrapup_seconds: int = 0
    answer_mode: AnswerMode = AnswerMode.AFTER
    answer_after_seconds: int = 10
    priority: int = 0
    language: str = "id"
    overflow: tuple[str, ...] = ()
    service_level_seconds: int = 10
    silent_wait_seconds: int = 6
    silent_repeats: int = 2
    skill: str | None = None
    widening: tuple[Widening, ...] = ()
    tiers: tuple[Tier, ...] = ()
    missed_offers: int = 0
    comfort: str = ""
    recording: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Queue":
        """Read plain values. Raises KeyError, TypeError or ValueError."""
        return cls(
            **{
                **raw,
                "strategy": Strategy(raw["strategy"]),
                "answer_mode": AnswerMode(raw["answer_mode"]),
                "overflow": tuple(raw["overflow"]),
                "widening": tuple(Widening(**step) for step in raw.get("widening", ())),
                "tiers": tuple(Tier(**{**tier, "kind": TierKind(tier["kind"])}) for tier in raw.get("tiers", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class Membership:
    """An operator's place in a queue; a lower penalty is rung first."""

    queue: str
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Skill:
    """What an operator can do (a language, medical advice ..), and how well: 1 to MOST_LEVEL."""

    name: str
    level: int


@dataclass(frozen=True, slots=True)
class Operator:
    """A call taker: SIP account `name`, dialled as `extension`. A `supervisor` is rung by an overflow chain too."""

    name: str
    display_name: str
    extension: str
    language: str = "id"
    memberships: tuple[Membership, ...] = ()
    skills: tuple[Skill, ...] = ()
    supervisor: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Operator":
        """Read plain values. Raises KeyError, TypeError or ValueError."""
        memberships = tuple(Membership(**membership) for membership in raw["memberships"])
        return cls(**{**raw, "memberships": memberships, "skills": tuple(Skill(**s) for s in raw.get("skills", ()))})

    def level(self, skill: str) -> int:
        """How well he has this skill: 1 to MOST_LEVEL, or 0."""
        return next((has.level for has in self.skills if has.name == skill), 0)


@dataclass(frozen=True, slots=True)
class Agency:
    """An organisation that dispatches help, and its lines in ringing order, each rung for `ring_seconds`.

    A line is a SIP account, or a number and the trunk that leads to it: `+62361112@carrier-a`. Operators' phones reach
    the agency by `code` behind *1 (warm), *6 (conference) and, where `blind` allows it, *8. With `confirm` whoever
    lifts must press 1, so that no voicemail counts as an answer.
    """

    name: str
    display_name: str
    lines: tuple[str, ...] = ()
    code: str = ""
    ring_seconds: int = 20
    confirm: bool = False
    blind: bool = False

    @property
    def accounts(self) -> tuple[str, ...]:
        """The lines that are SIP accounts of this Asterisk."""
        return tuple(line for line in self.lines if "@" not in line)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Agency":
        """Read plain values. Raises KeyError, TypeError or ValueError."""
        return cls(**{**raw, "lines": tuple(raw["lines"])})


@dataclass(frozen=True, slots=True)
class Shift:
    """A part of the day, from `start` to `end` in the centre's zone (`HH:MM`); it may go over midnight."""

    name: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """How the day is divided; its shifts follow each other without a gap (Ambon: 07-14-21-07)."""

    name: str
    display_name: str
    shifts: tuple[Shift, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Calendar":
        """Read plain values. Raises KeyError, TypeError or ValueError."""
        return cls(**{**raw, "shifts": tuple(Shift(**shift) for shift in raw["shifts"])})


@dataclass(frozen=True, slots=True)
class EntryRule:
    """Which calls go to `queue`, and with which priority (None: the queue's own). What is None matches every call.

    `dialled` is what the carrier dialled (112, +62112 ..), `service` an emergency service such as `sos.fire` and all
    below it, `language` the first language of the caller's phone (Accept-Language). The first rule that matches counts.
    """

    queue: str
    trunk: str | None = None
    dialled: str | None = None
    service: str | None = None
    language: str | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is rendered for Asterisk and that the intake routes by.

    `surge`: everybody who is logged in takes the default queue's calls, without wrap-up, and callers are told.
    """

    version: int
    trunks: tuple[Trunk, ...]
    queues: tuple[Queue, ...]
    operators: tuple[Operator, ...]
    agencies: tuple[Agency, ...]
    default_queue: str
    entry_rules: tuple[EntryRule, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    surge: bool = False

    def trunk(self, name: str) -> Trunk | None:
        """The trunk of this name, or None."""
        return next((trunk for trunk in self.trunks if trunk.name == name), None)

    def queue(self, name: str) -> Queue | None:
        """The queue of this name, or None."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def operator(self, name: str) -> Operator | None:
        """The operator of this name, or None."""
        return next((operator for operator in self.operators if operator.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the applied-configuration file."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Configuration":
        """Read what `to_json` made. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            version=int(raw["version"]),
            trunks=tuple(map(Trunk.of, raw["trunks"])),
            queues=tuple(map(Queue.of, raw["queues"])),
            operators=tuple(map(Operator.of, raw["operators"])),
            agencies=tuple(map(Agency.of, raw["agencies"])),
            default_queue=str(raw["default_queue"]),
            entry_rules=tuple(EntryRule(**rule) for rule in raw.get("entry_rules", ())),
            calendars=tuple(map(Calendar.of, raw.get("calendars", ()))),
            surge=bool(raw.get("surge", False)),
        )
