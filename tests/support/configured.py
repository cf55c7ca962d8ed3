"""A running centre with another configuration for a while: rendered, reloaded by Asterisk's own console, put back.

The service goes on with its own; what is tested so is what Asterisk does by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from pbx112.bootstrap.prepare import make_place
from pbx112.domain.configuration import Configuration, Queue, Skill
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.host.asterisk import find_asterisk
from pbx112.host.secrets import read_secrets
from pbx112.pbx.layout import write_files
from pbx112.pbx.render import render
from tests.support.centre import Centre

_READS = {
    "pjsip.conf": "module reload res_pjsip.so",
    "musiconhold.conf": "module reload res_musiconhold.so",
    "queuerules.conf": "module reload app_queue.so",
    "queues.conf": "module reload app_queue.so",
}


def configured(*queues: Queue, english: Sequence[int] = (), supervisor: str = "", **more: Any) -> Configuration:
    """The demo centre with these queues; `english` are the levels of op1, op2 .. in the skill `english`."""
    operators = [replace(operator, supervisor=operator.name == supervisor) for operator in DEMO_CENTRE.operators]
    for place, level in enumerate(english):
        operators[place] = replace(operators[place], skills=(Skill("english", level),) if level else ())
    return replace(DEMO_CENTRE, queues=queues, operators=tuple(operators), **more)


@contextlib.asynccontextmanager
async def running_with(centre: Centre, configuration: Configuration) -> AsyncIterator[None]:
    """Asterisk has this configuration inside the block, and the demo centre's after it."""
    await reload(centre, configuration)
    try:
        yield
    finally:
        await reload(centre, DEMO_CENTRE)


async def reload(centre: Centre, configuration: Configuration) -> None:
    """Write the configuration's files and have Asterisk read those that changed, the dialplan last."""
    settings = centre.settings
    install = find_asterisk(settings.asterisk, settings.runtime_dir)
    place = make_place(settings, install, read_secrets(settings.secrets_file))
    files = await asyncio.to_thread(render, configuration, place, settings.home)
    changed = await asyncio.to_thread(write_files, place.etc_dir, files)
    for command in dict.fromkeys(command for name, command in _READS.items() if name in changed):
        await centre.cli(command)
    await centre.cli("dialplan reload")
