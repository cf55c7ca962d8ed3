"""Commands to app_queue: what is sent, what is refused before it is sent, and what Asterisk's words mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from pbx112.ami import commands
from pbx112.ami.client import SafeAction
from pbx112.domain.errors import AsteriskRefused, BadInput, CallNotTalking
from pbx112.domain.live import LiveChannel


class Asterisk:
    """Answers each action with the same words."""

    def __init__(self, refusal: str | None = None) -> None:
        self.heard: list[tuple[str, dict[str, str]]] = []
        self._refusal = refusal

    async def ask(self, name: str, values: Mapping[str, str], /) -> None:
        self.heard.append((name, dict(values)))
        await asyncio.sleep(0)
        if self._refusal is not None:
            raise AsteriskRefused(self._refusal)


async def test_given_an_operator_when_he_logs_in_then_his_phone_and_its_state_are_named() -> None:
    asterisk = Asterisk()
    await commands.queue_add(asterisk.ask, "112", "op1", 2)
    assert asterisk.heard == [
        (
            "QueueAdd",
            {
                "Queue": "112",
                "Interface": "PJSIP/op1",
                "Penalty": "2",
                "MemberName": "op1",
                "StateInterface": "PJSIP/op1",
            },
        )
    ]


async def test_given_he_is_there_already_when_he_logs_in_then_it_is_no_error() -> None:
    await commands.queue_add(Asterisk("Unable to add interface: Already there").ask, "112", "op1", 0)


async def test_given_he_is_not_there_when_he_logs_out_then_it_is_no_error() -> None:
    await commands.queue_remove(Asterisk("Unable to remove interface: Not there").ask, "112", "op1")


async def test_given_no_such_queue_when_he_logs_in_then_the_refusal_says_what_to_do() -> None:
    with pytest.raises(AsteriskRefused, match="no queue 113; apply"):
        await commands.queue_add(Asterisk("Unable to add interface to queue: No such queue").ask, "113", "op1", 0)


@pytest.mark.parametrize(("paused", "word"), [(True, "paused"), (False, "unpaused")])
async def test_given_he_is_in_no_queue_when_paused_then_the_refusal_is_clear(paused: bool, word: str) -> None:
    with pytest.raises(AsteriskRefused, match=f"op1 is logged in to no queue, so he cannot be {word}"):
        await commands.queue_pause(Asterisk("Interface not found").ask, "op1", paused=paused, reason="")


async def test_given_another_refusal_when_asked_then_asterisks_own_words_are_passed_on() -> None:
    with pytest.raises(AsteriskRefused, match="Permission denied"):
        await commands.queue_remove(Asterisk("Permission denied").ask, "112", "op1")


@pytest.mark.parametrize("name", ["", "op1/sip:evil@host", "op 1", "op1&PJSIP/op2", "op1\r\nAction: Hangup", "a" * 99])
async def test_given_a_name_that_would_dial_something_else_when_asked_then_nothing_is_sent(name: str) -> None:
    asterisk = Asterisk()
    for asked in (
        commands.queue_add(asterisk.ask, "112", name, 0),
        commands.queue_add(asterisk.ask, name, "op1", 0),
        commands.queue_remove(asterisk.ask, name, "op1"),
        commands.queue_pause(asterisk.ask, name, paused=True, reason=""),
    ):
        with pytest.raises(BadInput):
            await asked
    assert asterisk.heard == []


async def test_given_a_reason_without_end_when_paused_then_nothing_is_sent() -> None:
    with pytest.raises(BadInput, match="at most"):
        await commands.queue_pause(Asterisk().ask, "op1", paused=True, reason="x" * 201)


@pytest.mark.parametrize("value", ["x\r\n\r\nAction: Hangup", "x\ny", "x\ry", "x\0y", "\x7f"])
async def test_given_a_control_character_in_a_value_when_an_action_is_made_then_it_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match="control character"):
        SafeAction("QueuePause", {"Reason": value})
    with pytest.raises(BadInput, match="control character"):
        SafeAction("QueuePause", {value: "x"})


async def test_given_a_line_longer_than_asterisk_reads_when_an_action_is_made_then_it_is_refused() -> None:
    with pytest.raises(BadInput, match="too long"):
        SafeAction("QueuePause", {"Reason": "é" * 500})


async def test_given_a_secret_when_its_action_is_shown_then_it_is_not_in_it() -> None:
    assert "s3cret" not in repr(SafeAction("Login", {"Secret": "s3cret"}))


def channel(name: str, linkedid: str = "n-1.1", state: str = "Up") -> LiveChannel:
    return LiveChannel(name, f"{linkedid}-{name}", linkedid, state)


async def test_given_a_talk_when_keys_are_pressed_for_an_operator_then_his_phone_sends_them_in_order() -> None:
    asterisk = Asterisk()
    here = [channel("PJSIP/carrier-a-00000001"), channel("PJSIP/op1-00000009", "n-1.7"), channel("PJSIP/op1-00000002")]
    await commands.press(asterisk.ask, here, "op1", "n-1.1", "*5")
    on = {"Channel": "PJSIP/op1-00000002", "Receive": "true"}
    assert asterisk.heard == [("PlayDTMF", {**on, "Digit": "*"}), ("PlayDTMF", {**on, "Digit": "5"})]


@pytest.mark.parametrize(
    "other",
    [
        channel("PJSIP/op1-00000002", "n-1.7"),
        channel("PJSIP/op1-00000002", state="Ringing"),
        channel("PJSIP/op11-00000002"),
        channel("PJSIP/op1-x-00000002"),
        channel("Local/op1-00000002"),
    ],
)
async def test_given_no_channel_of_his_in_the_call_when_keys_are_pressed_then_nothing_is_sent(
    other: LiveChannel,
) -> None:
    asterisk = Asterisk()
    with pytest.raises(CallNotTalking, match="op1"):
        await commands.press(asterisk.ask, [other], "op1", "n-1.1", "*5")
    assert asterisk.heard == []


async def test_given_a_refusal_when_keys_are_pressed_then_the_rest_is_not_sent() -> None:
    asterisk = Asterisk("Channel not found")
    with pytest.raises(AsteriskRefused, match="Channel not found"):
        await commands.press(asterisk.ask, [channel("PJSIP/op1-00000002")], "op1", "n-1.1", "*5")
    assert len(asterisk.heard) == 1
