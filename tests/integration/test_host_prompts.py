"""The prompts as eSpeak NG and SoX really make them: telephone form, audible, equally loud."""

import wave
from pathlib import Path

import pytest

from pbx112.host.asterisk import missing_tools, tool_argv
from pbx112.host.command import run
from pbx112.host.prompts import LANGUAGES, TEXTS, ensure_prompts
from pbx112.host.sound import SPEECH_DBFS, loudness
from pbx112.settings import Settings

RUNTIME = Settings().runtime_dir

pytestmark = pytest.mark.skipif(
    not {"espeak-ng", "sox", "music"}.isdisjoint(missing_tools(None, RUNTIME)), reason="`make setup` was not run"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prompts")
    ensure_prompts(out, RUNTIME, out / "own", lambda _: None)
    return out


def seconds(file: Path) -> float:
    with wave.open(str(file)) as sound:
        assert sound.getparams()[:3] == (1, 2, 8000)
        frames: int = sound.getnframes()
        return frames / 8000


def test_given_real_tools_when_made_then_every_prompt_is_speech_of_the_same_loudness(made: Path) -> None:
    for language in LANGUAGES:
        for name in TEXTS[language]:
            file = made / f"sounds/{language}/pbx112/{name}.wav"
            assert 0.7 < seconds(file) < 15, file
            assert loudness(file) == pytest.approx(SPEECH_DBFS, abs=1.5), file


def test_given_real_tools_when_made_then_the_comfort_is_the_prompt_and_twenty_seconds_of_softer_music(
    made: Path, tmp_path: Path
) -> None:
    for language in LANGUAGES:
        comfort = made / f"moh/comfort-{language}/comfort.wav"
        spoken = seconds(made / f"sounds/{language}/pbx112/comfort.wav")
        assert seconds(comfort) == pytest.approx(spoken + 20.7, abs=0.1)
        music = tmp_path / "music.wav"
        run([*tool_argv("sox", RUNTIME), str(comfort), str(music), "trim", str(spoken + 2), "16"], deadline_s=30)
        assert loudness(music) == pytest.approx(SPEECH_DBFS - 12, abs=3)


def test_given_a_recording_in_mp3_or_ogg_when_made_then_it_is_brought_to_the_telephones_form(
    made: Path, tmp_path: Path
) -> None:
    for kind, language in (("mp3", "id"), ("ogg", "en")):
        own = tmp_path / "own" / language / f"paused.{kind}"
        own.parent.mkdir(parents=True)
        source = made / f"sounds/{language}/pbx112/failed.wav"
        run([*tool_argv("sox", RUNTIME), str(source), "-r", "44100", "-c", "2", str(own)], deadline_s=30)
    out = tmp_path / "out"
    ensure_prompts(out, RUNTIME, tmp_path / "own", lambda _: None)
    for language in LANGUAGES:
        paused = out / f"sounds/{language}/pbx112/paused.wav"
        assert seconds(paused) == pytest.approx(seconds(made / f"sounds/{language}/pbx112/failed.wav"), abs=0.5)
        assert loudness(paused) == pytest.approx(SPEECH_DBFS, abs=1.5)
