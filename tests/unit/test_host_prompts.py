"""Prompts are made once, and again only when their text or their recording changes."""

import json
import math
import wave
from array import array
from pathlib import Path

import pytest

from pbx112.host.prompts import LANGUAGES, TEXTS, WAITING, PromptsFailed, ensure_prompts
from pbx112.host.sound import loudness

# Stands in for eSpeak NG and SoX: copies a canned tone to the file that the real one would write, and notes its call.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> '{log}'
out=; after_w=
for word in "$@"; do
    [ "$after_w" = 1 ] && {{ out=$word; break; }}
    after_w=; [ "$word" = -w ] && after_w=1
    case "$word" in *.wav) out=$word ;; esac
done
cp '{tone}' "$out"
"""


class Programs:
    """The stand-ins on PATH, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"

    @property
    def spoken(self) -> int:
        return sum(line.startswith("espeak-ng") for line in self.calls())

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def forget(self) -> None:
        self.log.unlink(missing_ok=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path / "programs"
    folder.mkdir()
    tone = folder / "tone.wav"
    with wave.open(str(tone), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(array("h", [int(8000 * math.sin(n / 3)) for n in range(8000)]).tobytes())
    made = Programs(folder)
    for name in ("espeak-ng", "sox"):
        (folder / name).write_text(PROGRAM.format(log=made.log, tone=tone))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    music = tmp_path / "runtime/asterisk/root/usr/share/asterisk/moh/calm.wav"
    music.parent.mkdir(parents=True)
    music.write_bytes(tone.read_bytes())
    return made


def ensure(tmp_path: Path) -> None:
    ensure_prompts(tmp_path / "out", tmp_path / "runtime", tmp_path / "own", lambda _: None)


def files(tmp_path: Path) -> set[str]:
    out = tmp_path / "out"
    return {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}


def test_given_an_empty_folder_when_ensured_then_both_languages_and_their_comfort_are_there(
    tmp_path: Path, programs: Programs
) -> None:
    ensure(tmp_path)
    prompts = {f"sounds/{language}/pbx112/{name}.wav" for language in LANGUAGES for name in TEXTS["id"]}
    comfort = {f"moh/{name}-{language}/{name}.wav" for name in WAITING for language in LANGUAGES}
    assert files(tmp_path) == prompts | comfort | {"moh/ringing/ringing.wav", "moh/silent/beep.wav", "prompts.json"}
    assert programs.spoken == 30


def test_given_both_languages_when_compared_then_they_have_the_same_prompts() -> None:
    assert set(TEXTS) == set(LANGUAGES)
    assert TEXTS["id"].keys() == TEXTS["en"].keys()


def test_given_prompts_when_ensured_again_then_nothing_runs(tmp_path: Path, programs: Programs) -> None:
    ensure(tmp_path)
    programs.forget()
    ensure(tmp_path)
    assert programs.calls() == []


def test_given_a_changed_text_when_ensured_then_only_that_prompt_is_made(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(tmp_path)
    programs.forget()
    monkeypatch.setitem(TEXTS["en"], "paused", "Paused.")
    ensure(tmp_path)
    assert [line for line in programs.calls() if line.startswith("espeak")] == [
        line for line in programs.calls() if line.endswith(" Paused.")
    ]
    assert programs.spoken == 1


def test_given_a_lost_file_or_a_torn_manifest_when_ensured_then_it_is_mended(
    tmp_path: Path, programs: Programs
) -> None:
    ensure(tmp_path)
    programs.forget()
    (tmp_path / "out/sounds/id/pbx112/failed.wav").unlink()
    ensure(tmp_path)
    assert programs.spoken == 1
    (tmp_path / "out/prompts.json").write_text('{"sounds/')
    ensure(tmp_path)
    assert len(json.loads((tmp_path / "out/prompts.json").read_text())) == 40


def test_given_a_recording_of_ones_own_when_ensured_then_it_wins_and_the_comfort_follows(
    tmp_path: Path, programs: Programs
) -> None:
    ensure(tmp_path)
    programs.forget()
    own = tmp_path / "own/id/comfort.mp3"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"a human voice")
    ensure(tmp_path)
    assert programs.spoken == 0
    assert any(str(own) in line for line in programs.calls())
    assert any("calm.wav" in line for line in programs.calls())
    own.unlink()
    ensure(tmp_path)
    assert programs.spoken == 1


def test_given_a_recording_that_is_no_sound_when_ensured_then_the_old_prompt_stays_and_the_error_names_it(
    tmp_path: Path, programs: Programs
) -> None:
    ensure(tmp_path)
    own = tmp_path / "own/en/paused.ogg"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"no sound")
    (programs.folder / "sox").write_text("#!/bin/sh\necho 'sox FAIL formats: no handler' >&2\nexit 2\n")
    before = (tmp_path / "out/sounds/en/pbx112/paused.wav").read_bytes()
    with pytest.raises(PromptsFailed, match=r"en/pbx112/paused\.wav could not be made(.|\n)*no handler"):
        ensure(tmp_path)
    assert (tmp_path / "out/sounds/en/pbx112/paused.wav").read_bytes() == before
    assert not [file for file in files(tmp_path) if ".new-" in file]


def test_given_the_beep_of_a_silent_check_when_ensured_then_it_is_soft_and_mostly_silence(
    tmp_path: Path, programs: Programs
) -> None:
    ensure(tmp_path)
    beep = tmp_path / "out/moh/silent/beep.wav"
    with wave.open(str(beep)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
        samples = array("h", sound.readframes(sound.getnframes()))
    assert len(samples) == 2 * 8000
    assert not any(samples[1200:])
    assert loudness(beep) == pytest.approx(-30, abs=0.5)


def test_given_a_recording_of_the_silent_prompt_when_ensured_then_it_wins(tmp_path: Path, programs: Programs) -> None:
    own = tmp_path / "own/id/silent.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"a human voice")
    ensure(tmp_path)
    assert programs.spoken == 29
    assert any(str(own) in line for line in programs.calls())
