"""Whom one cannot call back, and who may not call now: in words that an operator can act on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from pbx112.domain.callback import not_ready, refusal, still_up, taken
from pbx112.domain.caller import CallerClass
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.live import OperatorState

NUMBER = "+6281234567890"
TRUNK = DEMO_CENTRE.trunks[0]


def call(caller: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    who = {"class": "asserted", "number": NUMBER, "raw_number": "0812", "callback_number": NUMBER, **(caller or {})}
    made = {"state": "ended", "drill": False, "direction": "inbound", "trunk": "carrier-a", "callback_of": None}
    return {**made, **changes, "caller": who}


@pytest.mark.parametrize("kind", ["asserted", "asserted_withheld", "asserted_foreign"])
def test_given_a_number_the_network_vouches_for_when_asked_then_he_can_be_called(kind: str) -> None:
    assert refusal(call({"class": kind}), TRUNK, "id") is None


@pytest.mark.parametrize(
    ("kind", "number", "indonesian", "english"),
    [
        ("device_only", None, "tanpa kartu SIM", "without a SIM card"),
        ("pseudo_ani", "+62112000001", "nomor pengganti", "stand-in"),
        ("anonymous", None, "tidak memberi nomor", "gave no number"),
        ("untrusted_claim", "+6281300000001", "pengakuan", "only a claim"),
        ("unparseable", None, "tidak terbaca", "cannot be read"),
        ("asserted", "110", "bukan nomor telepon lengkap", "not a whole telephone number"),
    ],
)
def test_given_no_number_to_call_when_asked_then_the_refusal_says_why(
    kind: str, number: str | None, indonesian: str, english: str
) -> None:
    found = call({"class": kind, "number": number, "callback_number": number if kind == "asserted" else None})
    assert indonesian in (refusal(found, TRUNK, "id") or "")
    assert english in (refusal(found, TRUNK, "en") or "")


def test_given_every_class_when_asked_then_it_is_either_callable_or_refused() -> None:
    callable_ = {kind for kind in CallerClass if refusal(call({"class": kind}), TRUNK, "en") is None}
    assert callable_ == {CallerClass.ASSERTED, CallerClass.ASSERTED_WITHHELD, CallerClass.ASSERTED_FOREIGN}


@pytest.mark.parametrize("state", ["ringing", "queued", "talking", "transferring"])
def test_given_a_call_that_goes_on_when_asked_then_wait(state: str) -> None:
    assert "still going on" in (refusal(call(state=state), TRUNK, "en") or "")


def test_given_a_drill_or_a_call_back_when_asked_then_there_is_nobody_here_to_call() -> None:
    origin = uuid4()
    assert "drill" in (refusal(call(drill=True), TRUNK, "en") or "")
    assert str(origin) in (refusal(call(direction="outbound", callback_of=origin), TRUNK, "id") or "")


def test_given_a_trunk_that_cannot_carry_it_when_asked_then_its_name_is_told() -> None:
    assert "no trunk carrier-a" in (refusal(call(), None, "en") or "")
    assert "carrier-a" in (refusal(call(), replace(TRUNK, outbound=None), "id") or "")


def test_given_a_caller_who_wrote_braces_when_refused_then_they_are_only_text() -> None:
    hostile = call({"class": "untrusted_claim", "number": None, "raw_number": "{number.__class__}%s", "callback": None})
    assert "{number.__class__}%s" in (refusal(hostile, TRUNK, "id") or "")


@pytest.mark.parametrize("lang", ["id", "en"])
def test_given_an_operators_phone_when_it_is_in_use_or_gone_then_he_is_told(lang: str) -> None:
    words = {state: not_ready("op1", state, lang) for state in OperatorState}
    refused = {state for state, said in words.items() if said is not None}
    assert refused == {OperatorState.TALKING, OperatorState.RINGING, OperatorState.OFFLINE}
    assert all("op1" in said for said in words.values() if said is not None)


def test_given_another_operators_work_when_told_then_with_name_and_time() -> None:
    assert taken("op2", "21:50:12 WIB", "id").startswith("op2 sedang menelepon balik")
    assert "21:50:12 WIB" in still_up("op2", "21:50:12 WIB", "en")
