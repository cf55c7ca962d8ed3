"""Call files: how a call of our own is started without giving anybody the AMI right `originate`.

A file in Asterisk's folder `spool/outgoing` is a call at once (`pbx_spool`, told by inotify: it takes some two
milliseconds). So a file is moved in whole, and is gone again within a second, whether Asterisk has taken it or not. One
that stayed would ring an operator whenever Asterisk comes back; and one whose call Asterisk died under is tried anew by
the next Asterisk, five minutes later.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from pbx112.domain.callback import NUMBER
from pbx112.domain.errors import AsteriskUnavailable, BadInput
from pbx112.services.ports import CallbackOrder

TAKE_SECONDS = 1.0
VALID_SECONDS = 60
"""The dialplan calls nobody for a file that is older when the operator answers."""

_LOOK_SECONDS = 0.002
_SUFFIX = ".call"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_TITLE = re.compile(r"[A-Za-z0-9 ]{1,40}")
_REFERENCE = re.compile(r"callback-[0-9a-f]{32}-[0-9a-f]{8}")


def call_file(order: CallbackOrder, *, valid_until: int) -> str:
    """The text of a call file. Raises BadInput for a value that is not exactly of its kind."""
    values = {
        "reference": (order.reference, _REFERENCE),
        "operator": (order.operator, _NAME),
        "number": (order.number, NUMBER),
        "trunk": (order.trunk, _NAME),
        "title": (order.title, _TITLE),
    }
    for name, (value, allowed) in values.items():
        if allowed.fullmatch(value) is None:
            raise BadInput(f"The {name} {value!r} cannot stand in a call file.")
    return (
        f"Channel: PJSIP/{order.operator}\n"
        f'CallerID: "{order.title}" <{order.number}>\n'
        f"Account: {order.reference}\n"
        f"WaitTime: {int(order.ring_seconds)}\n"
        "MaxRetries: 0\n"
        "AlwaysDelete: yes\n"
        "Context: callback\n"
        "Extension: s\n"
        "Priority: 1\n"
        f"Set: PBX112_CALLBACK_OPERATOR={order.operator}\n"
        f"Set: PBX112_CALLBACK_NUMBER={order.number}\n"
        f"Set: PBX112_CALLBACK_TRUNK={order.trunk}\n"
        f"Set: PBX112_CALLBACK_UNTIL={int(valid_until)}\n"
    )


@dataclass(frozen=True, slots=True)
class CallFiles:
    """The door to the spool folder of an Asterisk on this machine. Implements CallPlacer."""

    spool: Path
    take_seconds: float = TAKE_SECONDS

    @property
    def _outgoing(self) -> Path:
        return self.spool / "outgoing"

    @property
    def _aside(self) -> Path:
        """Beside the outgoing folder, so that a move between them is one step."""
        return self.spool / "callbacks"

    async def place(self, order: CallbackOrder) -> None:
        """Have Asterisk place the call; it has taken the order when this returns.

        Raises AsteriskUnavailable, BadInput. When Asterisk opens the file in the very moment in which it is taken away
        again (after a second of silence), the call is placed nevertheless; its record then says so.
        """
        text = call_file(order, valid_until=int(time.time()) + VALID_SECONDS)
        name = order.reference + _SUFFIX
        taken = False
        try:
            before = self._put(name, text)
            deadline = time.monotonic() + self.take_seconds
            while not (taken := self._touched(name, before)) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            taken = taken or self._withdrawn(name, before)
        except OSError as error:
            raise AsteriskUnavailable(f"The call was not placed: its file could not be written ({error}).") from error
        finally:
            # Asterisk keeps what it has read; a file left there would be a second call after a crash.
            self._remove(name)
        if not taken:
            raise AsteriskUnavailable("The call was not placed: Asterisk did not take it within a second.")

    def clear(self) -> int:
        """Remove what an earlier run of the service left behind; how many files that were."""
        found = [file for folder in (self._outgoing, self._aside) for file in folder.glob(f"callback-*{_SUFFIX}")]
        for file in found:
            with contextlib.suppress(OSError):  # the service must start whatever this folder is like
                file.unlink(missing_ok=True)
        return len(found)

    def _put(self, name: str, text: str) -> tuple[int, int]:
        self._aside.mkdir(mode=0o700, exist_ok=True)
        file = self._aside / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="ascii")
        before = _stamp(file)
        file.rename(self._outgoing / name)
        return before

    def _touched(self, name: str, before: tuple[int, int]) -> bool:
        """True when Asterisk has noted its attempt in the file, or is done with it."""
        try:
            return _stamp(self._outgoing / name) != before
        except FileNotFoundError:
            return True

    def _withdrawn(self, name: str, before: tuple[int, int]) -> bool:
        """Take the file away in one step; True when Asterisk was faster."""
        try:
            (self._outgoing / name).rename(self._aside / name)
        except FileNotFoundError:
            return True
        return _stamp(self._aside / name) != before

    def _remove(self, name: str) -> None:
        for folder in (self._outgoing, self._aside):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
