"""Where tests find programs that the project does not install as Python packages."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pbx112.host.asterisk import tool_argv

PROJECT = Path(__file__).resolve().parents[2]


def sipp_argv() -> tuple[str, ...]:
    """How to start SIPp; `PBX112_TEST_SIPP` (a command line) names another than the project's."""
    if named := os.environ.get("PBX112_TEST_SIPP"):
        return tuple(shlex.split(named))
    return tool_argv("sipp", PROJECT / ".runtime")
