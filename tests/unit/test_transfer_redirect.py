"""What is sent to Asterisk for a transfer, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pbx112.ami.redirect import get_variable, redirect, set_variable
from pbx112.domain.errors import BadInput
from pbx112.services.ports import Redirection

CALLER, OPERATOR = "PJSIP/carrier-a-0000000a", "PJSIP/op1-0000000b"


@dataclass
class Answer:
    rows: list[Mapping[str, str]] = field(default_factory=list)


@dataclass
class Asterisk:
    """Remembers each action; all succeed."""

    answer: Answer = field(default_factory=Answer)
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def ask(self, name: str, values: Mapping[str, str], /) -> Answer:
        self.heard.append((name, dict(values)))
        await asyncio.sleep(0)
        return self.answer


async def test_given_two_channels_when_redirected_then_it_is_one_action() -> None:
    asterisk = Asterisk()
    await redirect(
        asterisk.ask,
        Redirection(CALLER, "transfer-caller", "hold"),
        Redirection(OPERATOR, "transfer-op", "warm-ambulans"),
    )
    caller = {"Channel": CALLER, "Context": "transfer-caller", "Exten": "hold", "Priority": "1"}
    operator = {
        "ExtraChannel": OPERATOR,
        "ExtraContext": "transfer-op",
        "ExtraExten": "warm-ambulans",
        "ExtraPriority": "1",
    }
    assert asterisk.heard == [("Redirect", caller | operator)]


@pytest.mark.parametrize(
    ("channel", "context", "exten"),
    [
        (CALLER, "from-operator", "s"),
        (CALLER, "transfer-caller", "done"),
        (OPERATOR, "transfer-op", "room"),
        (OPERATOR, "transfer-op", "warm-"),
        (OPERATOR, "transfer-op", "warm-a,b"),
        (OPERATOR, "transfer-op", "warm-ambulans\n"),
        (OPERATOR, "transfer-op", "originate-ambulans"),
        ("PJSIP/op1", "transfer-op", "cancel"),
        ("Local/1@transfer-lines-00000000;1", "transfer-op", "cancel"),
        (OPERATOR + "\r\nAction: Originate", "transfer-op", "cancel"),
        ("PJSIP/op1,x-0000000b", "transfer-op", "cancel"),
    ],
)
async def test_given_what_is_no_place_or_channel_of_a_transfer_then_nothing_is_sent(
    channel: str, context: str, exten: str
) -> None:
    asterisk = Asterisk()
    with pytest.raises(BadInput):
        await redirect(asterisk.ask, Redirection(channel, context, exten))
    assert asterisk.heard == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRANSFER_ID", "${SHELL(id)}"), ("TRANSFER_ID", "x"), ("WHICH", "0"), ("WHICH", ""), ("PBX112_QUEUE", "1")],
)
async def test_given_another_variable_or_value_when_set_then_nothing_is_sent(name: str, value: str) -> None:
    asterisk = Asterisk()
    with pytest.raises(BadInput):
        await set_variable(asterisk.ask, OPERATOR, name, value)
    assert asterisk.heard == []


async def test_given_a_variable_when_read_then_its_value_or_nothing() -> None:
    asterisk = Asterisk(Answer([{"variable": "TRANSFER_1", "value": "node1-1.2.1"}]))
    assert await get_variable(asterisk.ask, OPERATOR, "TRANSFER_1") == "node1-1.2.1"
    assert asterisk.heard == [("Getvar", {"Channel": OPERATOR, "Variable": "TRANSFER_1"})]
    assert await get_variable(Asterisk().ask, OPERATOR, "TRANSFER") == ""
    with pytest.raises(BadInput):
        await get_variable(asterisk.ask, OPERATOR, "SHELL(id)")
