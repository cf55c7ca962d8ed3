"""Call files: nothing that a caller or an operator's name holds can become a line, and none stays in the folder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbx112.domain.errors import AsteriskUnavailable, BadInput
from pbx112.domain.outbound import account_of
from pbx112.pbx.spool import CallFiles, call_file
from pbx112.services.ports import CallbackOrder

CALL = UUID("36edacfc-7ad2-5a71-91a7-ce4f98554c44")
ORDER = CallbackOrder(
    reference=account_of(CALL, UUID("00000001-0000-4000-8000-000000000000")),
    operator="op1",
    number="+6281234567890",
    trunk="carrier-a",
    title="Telepon balik",
    ring_seconds=25,
)
KEYS = re.findall(r"^(\w+: ?(?:PBX112_\w+=)?)", call_file(ORDER, valid_until=0), re.M)

values = st.text() | st.from_regex(r"\+?[0-9]{0,20}[\x00-\x40\x7f-\u00ff]?") | st.from_regex(r"[a-z0-9-]{1,45}\s?")


@given(st.sampled_from(["reference", "operator", "number", "trunk", "title"]), values)
@example("number", "+6281234567890\nApplication: System")
@example("number", "+6281234567890\n")
@example("operator", "op1\r\nSet: SHELL(id)=1")
@example("trunk", "carrier-a;")
@example("title", 'x" <112>\nData: y')
@example("reference", "../../etc/passwd")
@example("number", "+628123456789٠")
def test_given_any_value_when_a_call_file_is_written_then_it_adds_no_line_and_no_field(name: str, value: str) -> None:
    try:
        text = call_file(replace(ORDER, **{name: value}), valid_until=1)  # type: ignore[arg-type]
    except BadInput:
        return
    assert re.findall(r"^(\w+: ?(?:PBX112_\w+=)?)", text, re.M) == KEYS
    assert len(text.splitlines()) == len(KEYS)
    assert re.fullmatch(r'[A-Za-z0-9 :/_+=<>"\n-]+', text)


def test_given_an_order_when_written_then_it_says_who_is_rung_and_whom_he_calls() -> None:
    lines = call_file(ORDER, valid_until=1700000060).splitlines()
    assert lines[:4] == [
        "Channel: PJSIP/op1",
        'CallerID: "Telepon balik" <+6281234567890>',
        "Account: callback-36edacfc7ad25a7191a7ce4f98554c44-00000001",
        "WaitTime: 25",
    ]
    assert {"MaxRetries: 0", "Context: callback", "Set: PBX112_CALLBACK_UNTIL=1700000060"} < set(lines)


@asynccontextmanager
async def asterisk(spool: Path, does: Callable[[Path], object]) -> AsyncIterator[list[tuple[int, str]]]:
    """Does the same with each file that turns up, as pbx_spool would; gives mode and text of what it saw."""
    (spool / "outgoing").mkdir(parents=True)
    seen: list[tuple[int, str]] = []

    async def watch() -> None:
        while True:
            for file in (spool / "outgoing").iterdir():
                seen.append((file.stat().st_mode & 0o777, file.read_text()))
                does(file)
            await asyncio.sleep(0.001)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()


def append(file: Path) -> None:
    with file.open("a") as stream:
        stream.write("\nStartRetry: 1 1 (1)\n")


@pytest.mark.parametrize("does", [append, Path.unlink])
async def test_given_asterisk_takes_the_file_when_placed_then_it_was_whole_and_private_and_is_gone(
    tmp_path: Path, does: Callable[[Path], object]
) -> None:
    async with asterisk(tmp_path, does) as seen:
        await CallFiles(tmp_path).place(ORDER)
    assert {mode for mode, _ in seen} == {0o600}
    assert seen[0][1].startswith("Channel: PJSIP/op1\n")
    assert files(tmp_path) == []


async def test_given_nobody_takes_the_file_when_a_while_has_passed_then_it_is_gone_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "outgoing").mkdir()
    with pytest.raises(AsteriskUnavailable, match="was not placed"):
        await CallFiles(tmp_path, take_seconds=0.05).place(ORDER)
    assert files(tmp_path) == []


async def test_given_a_service_that_stops_when_it_waits_for_asterisk_then_no_file_stays(tmp_path: Path) -> None:
    (tmp_path / "outgoing").mkdir()
    placing = asyncio.create_task(CallFiles(tmp_path).place(ORDER))
    await asyncio.sleep(0.02)
    assert len(files(tmp_path)) == 1
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    assert files(tmp_path) == []


@pytest.mark.parametrize("missing", ["outgoing", "."])
async def test_given_no_such_folder_when_placed_then_said_so_and_nothing_stays(tmp_path: Path, missing: str) -> None:
    spool = tmp_path / "spool"
    if missing == "outgoing":
        spool.mkdir()
    with pytest.raises(AsteriskUnavailable, match="could not be written"):
        await CallFiles(spool).place(ORDER)
    assert files(tmp_path) == []


def test_given_files_of_an_earlier_run_when_the_service_starts_then_ours_are_removed(tmp_path: Path) -> None:
    for name in ("outgoing/callback-a.call", "callbacks/callback-b.call", "outgoing/other.call"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Channel: PJSIP/op1\n")
    assert CallFiles(tmp_path).clear() == 2
    assert files(tmp_path) == ["other.call"]
    assert CallFiles(tmp_path / "none").clear() == 0


def files(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file()]
