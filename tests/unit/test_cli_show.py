"""What the command line shows: nothing that steers a terminal, times in the centre's zone, help everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.main import get_command

from pbx112 import cli, cli_app
from pbx112.cli_calls import moment
from pbx112.cli_show import _WORDS, duration, inert, local_time, show_json, show_table
from pbx112.domain.errors import BadInput, DatabaseUnavailable, NoSuchCall

HOSTILE = "\x1b[2Jroot\x07\r\n\x9b31m\u202egnp.exe\u200b\ud800[red]x[/red]\x7f"


def test_given_hostile_text_when_it_is_shown_then_only_escapes_are_left() -> None:
    assert inert(HOSTILE) == (r"\x1b[2Jroot\x07\r\n\x9b31m\u202egnp.exe\u200b\ud800[red]x[/red]\x7f")
    assert inert("Jl. Merdeka, Ambon – é") == "Jl. Merdeka, Ambon – é"
    assert inert(None) == "-"


def test_given_hostile_text_when_a_table_shows_it_then_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("id", ("number", "id"), [(HOSTILE, "[bold]1[/bold]")])
    shown = capsys.readouterr().out
    assert "[bold]1[/bold]" in shown and "[red]x[/red]" in shown
    assert all(letter == "\n" or letter.isprintable() for letter in shown)


def test_given_hostile_text_when_json_shows_it_then_pure_ascii_and_unchanged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = HOSTILE.replace("\ud800", "")
    show_json({"number": text})
    shown = capsys.readouterr().out
    assert all(letter == "\n" or 32 <= ord(letter) < 127 for letter in shown)
    assert json.loads(shown) == {"number": text}


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Jakarta", "2025-01-31 17:00:00 WIB"),
        ("Asia/Makassar", "2025-01-31 18:00:00 WITA"),
        ("Asia/Jayapura", "2025-01-31 19:00:00 WIT"),
    ],
)
def test_given_a_time_when_people_read_it_then_in_their_zone_with_its_name(zone: str, shown: str) -> None:
    assert local_time(datetime(2025, 1, 31, 10, tzinfo=UTC), zone) == shown


def test_given_durations_then_short_for_people() -> None:
    assert [duration(ms) for ms in (None, 0, 4230, 59_949, 245_000)] == ["-", "0.0 s", "4.2 s", "59.9 s", "4:05"]


def test_given_times_as_people_write_them_then_the_centres_zone_counts() -> None:
    ten = datetime(2025, 1, 31, 10, tzinfo=UTC)
    assert moment("2025-01-31T17:00", "Asia/Jakarta") == ten
    assert moment("2025-01-31 17:00:00", "Asia/Jakarta") == ten
    assert moment("2025-01-31T10:00:00Z", "Asia/Jakarta") == ten
    assert moment("2025-01-31", "Asia/Jakarta") == datetime(2025, 1, 30, 17, tzinfo=UTC)
    ago = moment("2h", "Asia/Jakarta")
    assert ago is not None and abs(datetime.now(UTC) - timedelta(hours=2) - ago) < timedelta(seconds=5)
    with pytest.raises(BadInput, match="kemarin"):
        moment("kemarin", "Asia/Jakarta")


def test_given_both_languages_then_they_have_the_same_words() -> None:
    assert _WORDS["id"].keys() == _WORDS["en"].keys()


def commands(command: typer.core.TyperCommand | object, path: str = "pbx112") -> Iterator[tuple[str, object]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}")


def test_given_every_command_and_option_then_it_has_help() -> None:
    found = dict(commands(get_command(cli_app.app)))
    assert len(found) > 20
    for path, command in found.items():
        assert getattr(command, "help", None), path
        for parameter in getattr(command, "params", ()):
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoSuchCall("There is no call 7."), "There is no call 7."),
        (DatabaseUnavailable(), "PostgreSQL does not answer"),
        (ExceptionGroup("tasks", [NoSuchCall("inside")]), "inside"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ZeroDivisionError("x"), "PBX112_TRACE"),
    ],
)
def test_given_an_error_when_a_command_ends_then_one_sentence_and_exit_code_1(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr(cli_app, "app", fails)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr().err
    assert ended.value.code == 1
    assert sentence in shown and shown.startswith("pbx112: ") and shown.count("\n") == 1
    assert "Traceback" not in shown


@pytest.mark.parametrize("name", ["PBX112_HTTP_BIND", "PBX112_TIMEZONE", "PBX112_LANG"])
def test_given_an_environment_that_cannot_be_used_then_the_sentence_names_the_variable(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "nonsense")
    monkeypatch.setattr("sys.argv", ["pbx112", "calls"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert name in capsys.readouterr().err


def test_given_no_such_command_then_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pbx112", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err
