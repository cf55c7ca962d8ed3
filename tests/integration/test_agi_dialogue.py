"""The dialogue of one call: what Asterisk may answer, and what panoramisk 1.4 makes of it."""

import asyncio
import time

import pytest

from pbx112.agi.dialogue import CallEnded, Dialogue
from pbx112.agi.server import Route
from pbx112.domain.errors import AsteriskRefused, BadInput
from tests.support.agi import PLAIN, USAGE
from tests.support.agi_server import running, until


async def answered(answers: bytes, talk: Route, *, deadline_s: float = 0.7) -> BaseException | None:
    """What `talk` raises when Asterisk answers its first command with these bytes and then closes."""
    raised: list[BaseException | None] = []

    async def route(dialogue: Dialogue) -> None:
        try:
            await talk(dialogue)
            raised.append(None)
        except BaseException as error:
            raised.append(error)
            raise

    async with running(route, deadline_s=deadline_s) as served:
        reader, writer = await served.connect()
        writer.write(PLAIN)
        await reader.readline()
        writer.write(answers)
        if deadline_s == 0.7:
            writer.write_eof()
        await until(lambda: bool(raised))
        writer.close()
    return raised[0]


async def noop(dialogue: Dialogue) -> None:
    await dialogue.ask("NOOP")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (b"", CallEnded),  # panoramisk 1.4: ValueError
        (b"200 resu", CallEnded),
        (b"HANGUP\n", CallEnded),  # panoramisk 1.4: a result with an error in it, but no exception
        (b"HANGUP\n200 result=0\n", CallEnded),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", AsteriskRefused),
        (b"510 Invalid or unknown command\n", AsteriskRefused),
        (b"520 Invalid command syntax.  Proper usage not available.\n", AsteriskRefused),
        (b"agi_calleridname: x\n", AsteriskRefused),  # panoramisk 1.4: ValueError
        (b"200 result=-1\n", AsteriskRefused),
        (b"200 result=1 (" + b"x" * 300_000 + b")\n", AsteriskRefused),
        (b"100 Trying...\n200 result=0\n", type(None)),
    ],
)
async def test_given_an_odd_answer_when_it_is_read_then_it_is_an_error_of_ours(answers: bytes, error: type) -> None:
    assert type(await answered(answers, noop)) is error


async def test_given_a_usage_text_of_many_lines_when_read_then_the_next_answer_is_the_next_ones() -> None:
    """panoramisk 1.4 reads one line of it: every later answer is then one off."""
    said: list[str] = []

    async def talk(dialogue: Dialogue) -> None:
        refused = await dialogue.send_command("SET VARIABLE")
        said.append(refused["msg"])
        said.append(await dialogue.ask("GET VARIABLE x"))

    assert await answered(USAGE + b"200 result=1 (next)\n", talk) is None
    assert said[0].endswith("Sets a variable.\nAnd more.")
    assert said[1] == "next"


async def test_given_no_answer_when_the_deadline_passes_then_the_wait_ends() -> None:
    """panoramisk 1.4 has no deadline of an answer."""
    started = time.monotonic()

    # Cancelled, when the connection's own deadline comes first by a hair.
    assert isinstance(await answered(b"", noop, deadline_s=0.2), TimeoutError | asyncio.CancelledError)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("command", ["NOOP\nHANGUP", "NOOP\rx", "NOOP\0", "x" * 1801])
async def test_given_a_command_that_is_not_one_line_when_sent_then_it_is_refused_unsent(command: str) -> None:
    """panoramisk 1.4 sends it: a line break makes a second command, and an overlong one runs over."""

    async def talk(dialogue: Dialogue) -> None:
        with pytest.raises(BadInput):
            await dialogue.send_command(command)
        assert await dialogue.ask("NOOP") == ""

    assert await answered(b"200 result=0\n", talk) is None
