"""The FastAGI route `intake`: runs the intake's conversation over a call's dialogue."""

from collections.abc import Callable

import structlog

from pbx112.agi.conversation import converse
from pbx112.agi.dialogue import Dialogue
from pbx112.domain.configuration import Configuration
from pbx112.domain.record import Intake
from pbx112.services.intake import NO_KNOWLEDGE, Knowledge

log = structlog.get_logger(__name__)


class AgiIntake:
    """Answers `agi://…/intake` from the configuration in memory: no database, no other I/O than the dialogue."""

    def __init__(
        self, configuration: Callable[[], Configuration], node: str, knowledge: Knowledge = NO_KNOWLEDGE
    ) -> None:
        self._configuration = configuration
        self._node = node
        self._knowledge = knowledge

    async def __call__(self, dialogue: Dialogue) -> None:
        """Route one call. Raises what the dialogue raises; the dialplan then goes on without us."""
        conversation = converse(self._configuration(), self._node, Intake.FASTAGI, self._knowledge)
        question = next(conversation)
        try:
            while True:
                question = conversation.send(await dialogue.ask(question.command, question.token))
        except StopIteration as done:
            routing = done.value
        log.debug("A call was routed.", queue=routing.queue, caller_class=routing.caller.caller_class)
