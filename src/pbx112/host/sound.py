"""Speech and sound files for the telephone: 8 kHz, mono, 16 bit, and all equally loud."""

import math
import tempfile
import wave
from array import array
from functools import cached_property
from pathlib import Path

from pbx112.host.asterisk import tool_argv
from pbx112.host.command import CommandFailed, run

RATE = 8000
SPEECH_DBFS = -20.0
"""How loud speech is made (RMS of what is not silence): that of a good telephone call."""

_TELEPHONE = ("-t", "wav", "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed-integer")
_SILENT_DBFS = -55.0
_FRAME = RATE // 50
_DEADLINE_S = 60.0


class NothingHeard(CommandFailed):
    """A sound is silent all through."""

    slug = "nothing-heard"


class Sound:
    """eSpeak NG and SoX of this machine, looked up when first used. All methods raise CommandFailed."""

    def __init__(self, runtime_dir: Path) -> None:
        """Remember where the unpacked tools are, for machines without their own."""
        self._runtime_dir = runtime_dir

    def speak(self, text: str, voice: str, words_a_minute: int, out: Path) -> None:
        """Say a text with an eSpeak NG voice (`id`, `en`) and write it to `out`."""
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            raw = Path(folder) / "speech.wav"
            run([*self._espeak, "-v", voice, "-s", str(words_a_minute), "-w", str(raw), text], deadline_s=_DEADLINE_S)
            self.convert(raw, out)

    def convert(self, source: Path, out: Path) -> None:
        """Bring any sound file to the telephone's form and loudness, without silence at its ends."""
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            plain = Path(folder) / "plain.wav"
            trim = ("silence", "1", "0.02", "0.5%", "reverse") * 2
            self._sox(str(source), *_TELEPHONE, str(plain), "highpass", "150", *trim)
            gain = SPEECH_DBFS - loudness(plain)
            self._sox(str(plain), *_TELEPHONE, str(out), "gain", "-l", f"{gain:.2f}", "pad", "0.1", "0.3")

    def with_music(self, speech: Path, music: Path, music_s: float, below_db: float, out: Path) -> None:
        """Write speech, a breath, then `music_s` seconds of music that is `below_db` softer and fades in and out."""
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            plain, soft = Path(folder) / "plain.wav", Path(folder) / "soft.wav"
            self._sox(str(music), *_TELEPHONE, str(plain), "trim", "0", str(music_s))
            gain = SPEECH_DBFS - below_db - loudness(plain)
            fade = ("fade", "t", "1.5", str(music_s), "2")
            self._sox(str(plain), *_TELEPHONE, str(soft), "gain", "-l", f"{gain:.2f}", *fade, "pad", "0.2", "0.5")
            self._sox(str(speech), str(soft), *_TELEPHONE, str(out))

    @cached_property
    def _espeak(self) -> tuple[str, ...]:
        return tool_argv("espeak-ng", self._runtime_dir)

    @cached_property
    def _sox_argv(self) -> tuple[str, ...]:
        return tool_argv("sox", self._runtime_dir)

    def _sox(self, *arguments: str) -> None:
        run([*self._sox_argv, "-V1", *arguments], deadline_s=_DEADLINE_S)


def loudness(file: Path) -> float:
    """Return the RMS level in dBFS of a telephone WAV, silent stretches left out.

    Raises NothingHeard when all of it is silent.
    """
    with wave.open(str(file)) as sound:
        samples = array("h", sound.readframes(sound.getnframes()))
    powers = [
        sum(sample * sample for sample in samples[at : at + _FRAME]) / _FRAME
        for at in range(0, len(samples) - _FRAME + 1, _FRAME)
    ]
    heard = [power for power in powers if _dbfs(power) > _SILENT_DBFS]
    if not heard:
        raise NothingHeard(f"{file.name} holds nothing but silence.")
    return _dbfs(sum(heard) / len(heard))


def _dbfs(power: float) -> float:
    return 10 * math.log10(max(power, 1e-3) / 32768**2)
