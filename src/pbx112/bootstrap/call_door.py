"""The door of the calls: it opens before anything is imported that starts slowly, so that a start misses few calls."""

import asyncio

from pbx112.agi.copies import InviteCopies
from pbx112.agi.intake import AgiIntake
from pbx112.agi.server import AgiServer
from pbx112.domain.caller import Caller
from pbx112.domain.configuration import Configuration
from pbx112.services.intake import Judgement, Knowledge
from pbx112.services.numbers import e164, is_possible
from pbx112.settings import Settings


class CallDoor:
    """FastAGI and the copies of INVITEs, working from the configuration in memory.

    `judge` (what operators made of a caller) and `observer` (metrics) come when the rest of the service is built; until
    then nobody is judged and nothing counted.
    """

    def __init__(self, settings: Settings, configuration: Configuration) -> None:
        self.configuration = configuration
        self.judge = Knowledge().judge
        self.observer = _unobserved
        self._bind = settings.agi_bind
        self._copies = InviteCopies(lambda: self.configuration)
        knowledge = Knowledge(e164, is_possible, self._copies.location, self._judged)
        self.agi = AgiServer(
            settings.agi_bind,
            {"intake": AgiIntake(lambda: self.configuration, settings.node, knowledge)},
            observer=lambda result, seconds: self.observer(result, seconds),  # noqa: PLW0108 - it comes later
        )

    async def serve_until(self, stop: asyncio.Event) -> None:
        """Take calls in until `stop` is set; those that are in hand then are finished."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.agi.serve_until(stop), name="agi")
            tasks.create_task(self._copies.serve_until(stop, self._bind), name="invite copies")

    def _judged(self, caller: Caller, priority: int) -> Judgement:
        return self.judge(caller, priority)


def _unobserved(result: str, seconds: float) -> None:
    """Count nothing."""
