"""What the intake says to Asterisk, line by line, without a socket: FastAGI and the classic script speak the same."""

import os
import uuid
from collections.abc import Generator
from dataclasses import dataclass

from pbx112.agi.facts import journal_words
from pbx112.agi.handed import handed
from pbx112.agi.variables import read_answers, read_commands, set_command
from pbx112.domain import events
from pbx112.domain.addresses import UNREADABLE
from pbx112.domain.configuration import Configuration
from pbx112.domain.record import Intake, call_id
from pbx112.services.intake import NO_KNOWLEDGE, Knowledge, Routing, located, route


@dataclass(frozen=True, slots=True)
class Question:
    """One AGI command line, without its line break.

    With a `token`, the answer is the first line that starts with `200 result=1 (<token>`, and all lines
    before it are to be thrown away: a caller can end the AGI environment early with percent-encoded line
    breaks, and the rest of the environment would be taken for answers.
    """

    command: str
    token: str = ""


Conversation = Generator[Question, str, Routing]
"""Yields questions, is sent the data (the text in parentheses) of each answer, returns the routing."""


def converse(configuration: Configuration, node: str, by: Intake, knowledge: Knowledge = NO_KNOWLEDGE) -> Conversation:
    """One call's intake: ask, decide, write the facts to the journal, set the variables."""
    token = os.urandom(4).hex()
    told = []
    for command in read_commands(token):
        told.append((yield Question(command, token)))
    call = located(read_answers(told, token), knowledge)
    routing = route(call, configuration, knowledge)
    for word in journal_words(call, routing, by):
        yield Question(f"EXEC CELGenUserEvent {events.INTAKE},{word}")
    trunk = configuration.trunk(call.endpoint)
    told_agencies = handed(call, routing, trusted=trunk is not None and trunk.trusted)
    yield Question(set_command(routing, _call_id(node, call.linkedid), by, told_agencies))
    return routing


def _call_id(node: str, linkedid: str) -> uuid.UUID | None:
    return None if not node or linkedid in {"", UNREADABLE} else call_id(node, linkedid)
