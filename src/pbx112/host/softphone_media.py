"""A scripted phone's mouth and ear: a tone generator and recorders on PJSUA2's conference bridge.

Both are PJSUA2's own ports. A port written in Python would be called from the audio clock's thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pjsua2 as pj

from pbx112.host.tones import read_wav, tones_heard

CLOCK_RATE = 8000
TONE_VOLUME = 10_000
Heard = list[dict[str, float]]


class ToneSource:
    """A steady sine that is played into every call of the phone, or silence."""

    def __init__(self) -> None:
        self._generator: Any = None
        self._frequency: int | None = None

    def play(self, frequency: int | None, into: Sequence[Any]) -> None:
        """Change the tone, for these running calls and for later ones."""
        self.close()
        self._frequency = frequency
        for audio in into:
            self.join(audio)

    def join(self, audio: Any) -> None:
        """Play into a call's audio, if there is a tone to play."""
        if self._frequency is None:
            return
        if self._generator is None:
            self._generator = make_generator(self._frequency)
        self._generator.startTransmit(audio)

    def close(self) -> None:
        """Fall silent."""
        if self._generator is not None:
            self._generator.stop()
        self._generator = None


def make_generator(frequency: int) -> Any:
    """A generator that repeats one second of a whole number of periods, so that it has no clicks."""
    tone = pj.ToneDesc()
    tone.freq1 = frequency
    tone.on_msec = 1000
    tone.volume = TONE_VOLUME
    tones = pj.ToneDescVector()
    tones.append(tone)
    generator = pj.ToneGenerator()
    generator.createToneGenerator(CLOCK_RATE)
    generator.play(tones, True)
    return generator


class Listener:
    """Recorders of what the far end of one call says."""

    def __init__(self) -> None:
        self._audio: Any = None
        self._recording: Any = None
        self._ears: list[Any] = []

    def join(self, audio: Any) -> None:
        """The call's audio is there, or is another than before."""
        self._audio = audio
        for recorder in [*self._ears, self._recording]:
            if recorder is not None:
                audio.startTransmit(recorder)

    def record(self, path: Path) -> None:
        """Record to a WAV file until `stop`."""
        self._recording = self._recorder(path)

    def stop(self) -> None:
        """Close the recording's file."""
        self._recording = None

    def listen(self, frequencies: list[int], tell: Callable[[Heard], None]) -> Callable[[], bool]:
        """Start to listen. The returned function ends it, and is called again until it says that it told the result."""
        folder = tempfile.TemporaryDirectory(prefix="softphone-")
        path = Path(folder.name) / "heard.wav"
        self._ears.append(self._recorder(path))
        ear = [self._ears[-1]]

        def finish() -> bool:
            if ear:
                self._ears.remove(ear.pop())
                return False
            if not is_closed(path):
                return False
            samples, rate = read_wav(path)
            folder.cleanup()
            tell([asdict(heard) | {"present": heard.present} for heard in tones_heard(samples, rate, frequencies)])
            return True

        return finish

    def _recorder(self, path: Path) -> Any:
        recorder = pj.AudioMediaRecorder()
        recorder.createRecorder(str(path))
        if self._audio is not None:
            self._audio.startTransmit(recorder)
        return recorder


def is_closed(path: Path) -> bool:
    """True when the file is complete: the bridge drops a recorder at its next tick, and only then writes the rest."""
    with path.open("rb") as file:
        file.seek(40)
        size = int.from_bytes(file.read(4), "little")
    return path.stat().st_size == 44 + size
