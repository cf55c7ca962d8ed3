"""Run one benchmark or all: prints a table each, writes bench/results/NAME.json, fails when a limit is passed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bench import apply, intake, transfer
from bench.report import Outcome, write

BENCHMARKS: dict[str, Callable[[], Coroutine[Any, Any, Outcome]]] = {
    "intake": intake.run,
    "apply": apply.run,
    "transfer": transfer.run,
}
"""A new benchmark is a module with `run()` and a line here."""


def main(names: list[str]) -> int:
    """Run the named benchmarks (all without a name); 0 when every one kept its limit."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    outcomes = []
    for name in names or BENCHMARKS:
        outcome = asyncio.run(BENCHMARKS[name]())
        print(outcome.text)
        print(f"written: {write(outcome)}")
        outcomes.append(outcome)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
