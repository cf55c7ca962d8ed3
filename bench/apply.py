"""What an admin waits for in a large centre: 500 operators and 50 queues applied and undone; and the live board."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import websockets
from tests.support.centre import Centre, running_centre, until

from bench.report import Outcome, figures

OPERATORS, QUEUES, TURNS = 500, 50, 5
APPLY_LIMIT_S, BOARD_LIMIT_S = 5.0, 1.0


async def run() -> Outcome:
    """Start a centre, make it large, edit it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with running_centre(Path(name), worker=9) as centre:
            first = (await centre.get("/v1/config"))["configuration"]
            large = enlarged(first)
            applied = {"all new": await _applied(centre, large)}
            for turn in range(TURNS):
                large["queues"][0]["ring_seconds"] = 20 + turn
                large["operators"][turn]["display_name"] = f"Operator baru {turn}"
                applied[f"edit {turn + 1}"] = await _applied(centre, large)
            board = [await _board(centre, f"op{n}") for n in range(10, 10 + TURNS)]
            applied["back to the first"] = await _applied(centre, first)
    return outcome(applied, board)


def outcome(applied: dict[str, float], board: list[float]) -> Outcome:
    """The figures and the verdict."""
    passed = max(applied.values()) <= APPLY_LIMIT_S and max(board) <= BOARD_LIMIT_S
    facts: dict[str, Any] = {
        "operators": OPERATORS,
        "queues": QUEUES,
        "apply_limit_s": APPLY_LIMIT_S,
        "board_limit_s": BOARD_LIMIT_S,
        "applied_s": {what: round(seconds, 3) for what, seconds in applied.items()},
        "board_s": figures(board),
    }
    lines = [f"apply: {OPERATORS} operators, {QUEUES} queues (limit {APPLY_LIMIT_S:g} s each)"]
    lines += [f"  {what:<20} {seconds:6.2f} s" for what, seconds in applied.items()]
    lines.append(f"live board after a log-in: at most {max(board):.2f} s (limit {BOARD_LIMIT_S:g} s)")
    lines.append("kept" if passed else "LIMIT PASSED")
    return Outcome("apply", passed, "\n".join(lines), facts)


def enlarged(first: dict[str, Any]) -> dict[str, Any]:
    """The same centre with many queues and operators, each operator in three queues."""
    large: dict[str, Any] = json.loads(json.dumps(first))
    for n in range(1, QUEUES):
        large["queues"].append({**first["queues"][0], "name": f"q{n}", "display_name": f"Antrean {n}"})
    for n in range(len(first["operators"]) + 1, OPERATORS + 1):
        places = {"112": 0, f"q{1 + n % (QUEUES - 1)}": 1, f"q{1 + (n * 7 + 3) % (QUEUES - 1)}": 2}
        large["operators"].append(
            {
                "name": f"op{n}",
                "display_name": f"Operator {n}",
                "extension": str(20_000 + n),
                "memberships": [{"queue": queue, "penalty": penalty} for queue, penalty in places.items()],
            }
        )
    return large


async def _applied(centre: Centre, configuration: dict[str, Any]) -> float:
    """Save it as the draft and apply it; the seconds of applying alone."""
    body = {name: value for name, value in configuration.items() if name != "version"}
    version = (await centre.get("/v1/config"))["version"]
    saved = await centre.api("PUT", "/v1/config", headers={"If-Match": f'"{version}"'}, json=body)
    assert saved.is_success, saved.text
    began = time.monotonic()
    done = await centre.api("POST", "/v1/config/apply", headers={"If-Match": saved.headers["etag"]}, timeout=60)
    assert done.is_success, done.text
    return time.monotonic() - began


async def _board(centre: Centre, operator: str) -> float:
    """Seconds from an operator's log-in, given to Asterisk itself, until a client of the live feed sees it."""
    await centre.get("/v1/health/ready")  # the admin's token is there
    async with websockets.connect(f"ws://{centre.settings.http_bind}/v1/events", max_size=2**24) as feed:
        await feed.send(json.dumps({"token": centre.tokens["admin"]}))
        await feed.recv()
        await until(lambda: _quiet(feed), 5, "a quiet feed")
        began = time.monotonic()
        await centre.cli(
            f"queue add member PJSIP/{operator} to 112 penalty 0 as {operator} state_interface PJSIP/{operator}"
        )
        while True:
            event = json.loads(await asyncio.wait_for(feed.recv(), 10))
            states = {one["name"]: one["logged_in"] for one in event.get("live", {}).get("operators", ())}
            if "112" in states.get(operator, ()):
                return time.monotonic() - began


async def _quiet(feed: Any) -> bool | None:
    try:
        await asyncio.wait_for(feed.recv(), 0.5)
    except TimeoutError:
        return True
    return None
