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


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; times in whole seconds. `overflow` are operator accounts rung while nobody can take the call.

    A caller who says nothing is asked `silent_repeats` times to press a key, and has `silent_wait_seconds` each time.
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


@dataclass(frozen=True, slots=True)
class Membership:
    """An operator's place in a queue; a lower penalty is rung first."""

    queue: str
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """A call taker: SIP account `name`, dialled as `extension`."""

    name: str
    display_name: str
    extension: str
    language: str = "id"
    memberships: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True)
class Agency:
    """An organisation that dispatches help, and the SIP accounts of its lines in ringing order."""

    name: str
    display_name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is rendered for Asterisk and that the intake routes by."""

    version: int
    trunks: tuple[Trunk, ...]
    queues: tuple[Queue, ...]
    operators: tuple[Operator, ...]
    agencies: tuple[Agency, ...]
    default_queue: str

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
            trunks=tuple(
                Trunk(
                    **{
                        **trunk,
                        "sources": tuple(trunk["sources"]),
                        "number_format": NumberFormat(trunk["number_format"]),
                        "pseudo_patterns": tuple(trunk["pseudo_patterns"]),
                    }
                )
                for trunk in raw["trunks"]
            ),
            queues=tuple(
                Queue(
                    **{
                        **queue,
                        "strategy": Strategy(queue["strategy"]),
                        "answer_mode": AnswerMode(queue["answer_mode"]),
                        "overflow": tuple(queue["overflow"]),
                    }
                )
                for queue in raw["queues"]
            ),
            operators=tuple(
                Operator(**{**operator, "memberships": tuple(Membership(**m) for m in operator["memberships"])})
                for operator in raw["operators"]
            ),
            agencies=tuple(Agency(**{**agency, "lines": tuple(agency["lines"])}) for agency in raw["agencies"]),
            default_queue=str(raw["default_queue"]),
        )
