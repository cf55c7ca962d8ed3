"""What an admin decides beside Asterisk's configuration: how calls are linked, and how nuisance callers are treated."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pbx112.domain.caller import clean
from pbx112.domain.errors import BadInput

_NAME_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Weights:
    """What one call of each disposition adds to its caller's score; a real call takes away."""

    prank: float = 3.0
    ghost: float = 1.0
    test: float = 0.5
    information: float = 0.5
    other: float = 0.0
    real: float = -6.0

    def weight_of(self, disposition: str) -> float:
        """The weight of this disposition; 0 for one that is not known."""
        return float(getattr(self, disposition)) if disposition in DISPOSITIONS else 0.0


DISPOSITIONS = tuple(one.name for one in fields(Weights))
"""The dispositions that have a weight."""


@dataclass(frozen=True, slots=True)
class NuisanceRules:
    """How a caller's score is counted, and what follows from it. No rule here can block a caller.

    A mark counts half after `half_life_days`. From `threshold` on the operator is warned; with `reorder` the caller
    also queues `step` lower, never lower than `floor` by this, and for `longest_seconds` at most: then his place is
    that of anybody who has waited.
    """

    weights: Weights = field(default_factory=Weights)
    half_life_days: float = 14.0
    threshold: float = 6.0
    reorder: bool = False
    step: int = 1
    floor: int = -1
    longest_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules. Calls of one caller within `repeat_window_minutes` are linked."""

    repeat_window_minutes: int = 1440
    nuisance: NuisanceRules = field(default_factory=NuisanceRules)

    def to_json(self) -> dict[str, Any]:
        """Plain values, by the public names."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: object, *, whole: bool = False) -> "Rules":
        """Read what `to_json` made. A missing field takes its default; with `whole` it is a fault.

        Raises InvalidRules, which names every fault by its field.
        """
        reading = _Reading(whole)
        read = reading.group(raw, _RULES, "")
        if reading.faults:
            raise InvalidRules(reading.faults)
        nuisance = read.get("nuisance", {})
        weights = Weights(**nuisance.get("weights", {}))
        return cls(**{**read, "nuisance": NuisanceRules(**{**nuisance, "weights": weights})})


class InvalidRules(BadInput):
    """Rules that cannot be accepted. `faults` are fields, their names joined by dots, and what is wrong with each."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name or 'rules'}: {words}" for name, words in faults)[:1000] + ".")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class _Number:
    low: float
    high: float

    def fault(self, value: object) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high:
            return None  # (a NaN fails both comparisons)
        return f"must be a number from {self.low:g} to {self.high:g}"

    def read(self, value: Any) -> float:
        return float(value)


@dataclass(frozen=True, slots=True)
class _Whole:
    low: int
    high: int

    def fault(self, value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high:
            return None
        return f"must be a whole number from {self.low} to {self.high}"

    def read(self, value: Any) -> int:
        return int(value)


@dataclass(frozen=True, slots=True)
class _Flag:
    def fault(self, value: object) -> str | None:
        return None if isinstance(value, bool) else "must be true or false"

    def read(self, value: Any) -> bool:
        return bool(value)


_Check = _Number | _Whole | _Flag
_Group = Mapping[str, "_Check | _Group"]

_WEIGHTS: _Group = {
    # A real call must never count against its caller, nor a prank for him.
    **{name: _Number(0, 100) for name in DISPOSITIONS},
    "real": _Number(-100, 0),
}
_NUISANCE: _Group = {
    "weights": _WEIGHTS,
    "half_life_days": _Number(1, 90),  # it always decays: there is no value that turns this off
    "threshold": _Number(0.1, 100),
    "reorder": _Flag(),
    "step": _Whole(1, 9),
    "floor": _Whole(-9, 9),
    "longest_seconds": _Whole(5, 600),
}
_RULES: _Group = {"repeat_window_minutes": _Whole(1, 43_200), "nuisance": _NUISANCE}


class _Reading:
    """One reading of rules, collecting every fault."""

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self.faults: list[tuple[str, str]] = []

    def group(self, raw: object, group: _Group, path: str) -> dict[str, Any]:
        """The fields of a group that are there and right."""
        if not isinstance(raw, Mapping):
            self.faults.append((path, "must be an object"))
            return {}
        for unknown in raw.keys() - group.keys():
            self.faults.append((_under(path, clean(str(unknown))[:_NAME_LIMIT]), "is not known"))
        read: dict[str, Any] = {}
        for name, check in group.items():
            if name in raw:
                self._one(raw[name], check, _under(path, name), name, read)
            elif self._whole:
                self.faults.append((_under(path, name), "is missing"))
        return read

    def _one(self, value: object, check: "_Check | _Group", path: str, name: str, read: dict[str, Any]) -> None:
        if isinstance(check, Mapping):
            read[name] = self.group(value, check, path)
            return
        fault = check.fault(value)
        if fault is None:
            read[name] = check.read(value)
        else:
            self.faults.append((path, fault))


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
