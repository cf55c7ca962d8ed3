"""Transfers on the command line: in words, in both languages, with nothing that could steer a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx112.cli_transfers import show_transfers
from pbx112.domain.call import fold
from pbx112.settings import Settings
from pbx112.storage.calls import public
from tests.support.journal import events_of

JOURNALS = Path(__file__).parent / "journals"


def told(name: str, lang: str, capsys: pytest.CaptureFixture[str]) -> str:
    events = events_of((JOURNALS / f"real_transfer_{name}.csv").read_bytes())
    call = next(event.linked_id for event in events if event.context == "from-trunk")
    record = fold("test6", [event for event in events if event.linked_id == call])
    assert record is not None
    show_transfers(public(record)["transfers"], Settings(lang=lang))
    return " ".join(capsys.readouterr().out.split())


def test_given_a_transfer_when_shown_in_indonesian_then_its_words_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = told("busy_then_second_line", "id", capsys)
    for words in ("Instansi", "dengan pengantar, dari telepon", "selesai", "ambulans1 sibuk", "ambulans2 dijawab"):
        assert words in said
    assert "penelepon+instansi" in said


def test_given_a_transfer_when_shown_in_english_then_its_words_are(capsys: pytest.CaptureFixture[str]) -> None:
    said = told("operator_died", "en", capsys)
    for words in ("Agency", "warm, phone", "returned (operator)", "ambulans1 cancelled"):
        assert words in said
    assert told("none_ended_by_operator", "en", capsys) == ""
