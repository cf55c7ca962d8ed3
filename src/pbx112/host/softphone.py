"""A scripted SIP phone on PJSUA2: `python -m pbx112.host.softphone`, one process a phone.

Commands come as JSON lines on standard input, `{"id": 1, "do": "call", "uri": "sip:112@127.0.0.1:5060"}`; each is
answered by `done` or `failed` with its id. What happens on the line is told as JSON lines on standard output, with
monotonic and wall-clock microseconds. PJSUA2 is one global per process and not thread-safe: everything, callbacks
too, runs on the main thread, which polls PJSUA2 and standard input in turn. The end of standard input ends the phone,
so a phone never outlives the program that started it, however that one died.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time

from pbx112.host.softphone_calls import Facts
from pbx112.host.softphone_phone import Phone

FROZEN_S = 10  # a phone whose loop stands still this long is killed by its own alarm
FAREWELL_ALARM_S = 3


class Wire:
    """JSON lines on standard input and output; PJSIP's own prints are sent to standard error."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._unread = b""

    def tell(self, event: str, **facts: object) -> None:
        """Write one event with the time at which it happened."""
        stamped = {
            "event": event,
            "mono_us": time.monotonic_ns() // 1000,
            "wall_us": time.time_ns() // 1000,
            **facts,
        }
        os.write(self._out, json.dumps(stamped).encode() + b"\n")

    def commands(self) -> list[Facts] | None:
        """The whole lines that wait on standard input; None at its end."""
        if not select.select([0], [], [], 0)[0]:
            return []
        chunk = os.read(0, 65536)
        if not chunk:
            return None
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


def main() -> None:
    """Run the phone until standard input ends, SIGTERM comes or `quit` is said."""
    wire = Wire()
    phone = Phone(wire.tell)

    def stop(_signal: int, _frame: object) -> None:
        phone.quitting = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its phones itself
    while not phone.quitting:
        signal.alarm(FROZEN_S)
        commands = wire.commands()
        if commands is None:
            break
        for command in commands:
            phone.obey(command)
        phone.poll()
    signal.alarm(FAREWELL_ALARM_S)
    phone.close()
    os._exit(0)  # PJSUA2's destructors crash when the interpreter takes them down in its own order


if __name__ == "__main__":
    main()
