"""What a benchmark found: figures of samples, the machine they were taken on, a text and a JSON file."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pbx112 import __version__

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A benchmark's result: `text` for people, `facts` for the file."""

    name: str
    passed: bool
    text: str
    facts: dict[str, Any]


def write(outcome: Outcome) -> Path:
    """Write the result with its date and machine; the file's path."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{outcome.name}.json"
    told = {
        "benchmark": outcome.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "pbx112": __version__,
        "machine": machine(),
        "passed": outcome.passed,
        **outcome.facts,
    }
    file.write_text(json.dumps(told, indent=2) + "\n")
    return file


def machine() -> dict[str, Any]:
    """What the figures depend on; a load above zero at the start means that others were at work."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cores": os.cpu_count(),
        "model": model,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: always one of the values."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def figures(values: Sequence[float]) -> dict[str, float]:
    """Count, median, p99 and spread (the middle half and the extremes), in the values' own unit."""
    low, _, high = statistics.quantiles(values, n=4)
    return {
        "count": len(values),
        "median": round(statistics.median(values), 3),
        "p99": round(percentile(values, 99), 3),
        "q1": round(low, 3),
        "q3": round(high, 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }
