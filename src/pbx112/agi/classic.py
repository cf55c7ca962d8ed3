"""The classic AGI script: what Asterisk runs, as a process of its own, when the FastAGI server did not answer.

    python -I -S .../pbx112/agi/classic.py APPLIED DEFAULT_QUEUE NODE

`APPLIED` is the last applied configuration (JSON); when it cannot be read, the call is routed to
`DEFAULT_QUEUE`. The same decision, variables and journal event as by FastAGI, with `classic` as the intake. It
writes nothing else, and the kernel ends it after 0.45 s.

This file only starts: it sets its own deadline before anything is imported, and finds the packages itself,
because `-I -S` (no site, no environment) is what makes a cold start fast.
"""

import gc
import signal
import sys

DEADLINE_S = 0.45


def main() -> None:
    """Run the script with this process's arguments and streams."""
    # The default action of SIGALRM ends the process at once, wherever it hangs; it may come blocked or ignored.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    gc.disable()  # the process ends before there is anything to collect
    from pbx112.agi.script import run  # noqa: PLC0415  # the deadline covers the imports

    run(sys.argv[1:], sys.stdin.buffer, sys.stdout)


def _find_packages() -> None:
    """Put this package's source folder and the virtual environment's packages onto the path."""
    source = __file__.rsplit("/", 3)[0]
    environment = sys.executable.rsplit("/", 2)[0]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.path[:0] = [source, f"{environment}/lib/{version}/site-packages"]


if __name__ == "__main__":
    _find_packages()
    main()
