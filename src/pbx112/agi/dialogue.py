"""The FastAGI dialogue of one call: panoramisk's request model, with what is unsafe in it overridden.

panoramisk 1.4's `Request` turns the end of the connection, a `HANGUP` line and any line that is no answer
into a ValueError or a success; it reads one line of a usage text of many, waits for one where there is none,
has no deadline, and lets a line break in a command start a second command. Its parser of a well-formed
answer is kept.
"""

import asyncio
from typing import Any

from panoramisk.fast_agi import Request
from panoramisk.utils import parse_agi_result

from pbx112.domain.errors import AsteriskRefused, BadInput, Pbx112Error

COMMAND_LIMIT = 1800
"""Bytes of one command. Asterisk's buffer has 2,048; what is longer runs over into a second command."""

_USAGE_LINES = 100
_SKIPPED_LINES = 256


class CallEnded(Pbx112Error):
    """The caller hung up, or Asterisk closed the AGI connection, before the intake was done."""

    slug = "call-ended"


class Dialogue(Request):  # type: ignore[misc]  # panoramisk has no types
    """Commands and answers of one call. Every answer has what is left until `deadline` (loop time, seconds)."""

    def __init__(
        self, script: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, deadline: float
    ) -> None:
        super().__init__(None, {"agi_network_script": script}, reader, writer)
        self.deadline = deadline

    async def ask(self, command: str, token: str = "") -> str:
        """Send a command and return its answer's data (the text in parentheses, or empty).

        With a `token`, lines before the answer that carries it are thrown away. Raises CallEnded,
        AsteriskRefused (an error, or no AGI answer at all), BadInput (command not sent), TimeoutError.
        """
        answer = await self.send_command(command, token)
        if "error" in answer:
            raise AsteriskRefused(f"Asterisk refused an AGI command: {answer['error']} {answer['msg']}".strip())
        return str(answer["result"][1])

    async def send_command(self, command: str, token: str = "") -> dict[str, Any]:
        """Send a command; the answer as panoramisk parses it, `error` in it when Asterisk refused."""
        line = _encoded(command)
        async with asyncio.timeout_at(self.deadline):
            try:
                self.writer.write(line)
                await self.writer.drain()
                return await self._answer(token)
            except (OSError, EOFError) as error:
                raise CallEnded("the AGI connection ended") from error

    async def _answer(self, token: str) -> dict[str, Any]:
        line = await (self._marked(token) if token else self._line())
        while line.startswith("100"):
            line = await self._line()
        if line == "HANGUP":
            raise CallEnded("the caller hung up")
        try:
            answer: dict[str, Any] = parse_agi_result(line)
        except ValueError as error:
            raise AsteriskRefused("a line came that is no AGI answer") from error
        if line.startswith("520-"):
            answer["msg"] += "\n" + await self._usage()
        return answer

    async def _marked(self, token: str) -> str:
        for _ in range(_SKIPPED_LINES):
            line = await self._line()
            if line.startswith(f"200 result=1 ({token}"):
                return line
        raise AsteriskRefused("the answer did not come, only other lines")

    async def _usage(self) -> str:
        lines: list[str] = []
        while len(lines) < _USAGE_LINES:
            line = await self._line()
            if line.startswith("520 "):
                return "\n".join(lines)
            lines.append(line)
        raise AsteriskRefused("a usage text came that does not end")

    async def _line(self) -> str:
        try:
            line: bytes = await self.reader.readline()
        except ValueError as error:  # longer than the reader's limit
            raise AsteriskRefused("a line came that is too long for an AGI answer") from error
        if not line.endswith(b"\n"):
            raise EOFError
        return line[:-1].decode("utf-8", "replace")


def _encoded(command: str) -> bytes:
    line = command.encode("utf-8")
    if len(line) > COMMAND_LIMIT:
        raise BadInput(f"an AGI command of {len(line)} bytes is too long")
    if any(char in command for char in "\r\n\0"):
        raise BadInput("an AGI command is one line")
    return line + b"\n"
