"""The classic script's dialogue: pyst2's `AGI` with what is unsafe in it overridden.

pyst2 0.5.1 writes every line to stderr, takes the end of its input for an empty line, decodes strictly (a
caller's Latin-1 name ends the script), reads for ever after a broken usage text, raises ValueError for a line
that is no answer, and takes what a caller adds to the environment behind an early blank line for answers.
"""

import contextlib
import json
from collections.abc import Sequence
from io import StringIO
from typing import BinaryIO, TextIO

from asterisk.agi import AGI, AGIException

from pbx112.agi.conversation import Question, converse
from pbx112.domain.configuration import Configuration
from pbx112.domain.record import Intake

_LINE_LIMIT = 128 * 1024
_LINES = 512


def run(arguments: Sequence[str], answers: BinaryIO, commands: TextIO) -> None:
    """Take one call in; `arguments` as in the file `classic.py`. Ends quietly when Asterisk or the caller does."""
    applied, default_queue, node = (*arguments, "", "", "")[:3]
    with contextlib.suppress(AGIException, OSError, EOFError, ValueError):
        agi = QuietAgi(answers, commands)
        conversation = converse(_configuration(applied, default_queue), node, Intake.CLASSIC)
        question = next(conversation)
        with contextlib.suppress(StopIteration):
            while True:
                question = conversation.send(agi.ask(question))


class QuietAgi(AGI):  # type: ignore[misc]  # pyst2 has no types
    """An AGI dialogue over byte streams that writes to nothing but Asterisk."""

    def __init__(self, answers: BinaryIO, commands: TextIO) -> None:
        super().__init__(_Lines(answers), commands, _Silence())

    def ask(self, question: Question) -> str:
        """Send a command and return its answer's data. Raises AGIException, OSError, EOFError or ValueError."""
        self.send_command(question.command)
        if question.token:
            self.stdin.skip_until(f"200 result=1 ({question.token}")
        return str(self.get_result()["result"][1])


class _Lines:
    """Asterisk's lines, bounded in length and number; the end of the input is an error, not an empty line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _LINES
        self._again: str | None = None

    def readline(self) -> str:
        """The next line with its line break."""
        if self._again is not None:
            line, self._again = self._again, None
            return line
        self._left -= 1
        raw = self._stream.readline(_LINE_LIMIT)
        if self._left < 0 or not raw.endswith(b"\n"):
            raise EOFError("Asterisk ended the dialogue")
        return raw.decode("utf-8", "replace")

    def skip_until(self, start: str) -> None:
        """Throw lines away up to one that begins with `start`, which is then the next one."""
        line = self.readline()
        while not line.startswith(start):
            line = self.readline()
        self._again = line


class _Silence(StringIO):
    """Takes what pyst2 would write to stderr, and forgets it."""

    def write(self, text: str) -> int:
        """Forget the text."""
        return len(text)


def _configuration(applied: str, default_queue: str) -> Configuration:
    try:
        with open(applied, encoding="utf-8") as file:  # noqa: PTH123  # pathlib costs 15 ms of a cold start
            return Configuration.from_json(json.load(file))
    except Exception:
        # Whatever is wrong with the file, the call needs a queue: no trunk is known, so nothing is believed.
        return Configuration(0, trunks=(), queues=(), operators=(), agencies=(), default_queue=default_queue)
