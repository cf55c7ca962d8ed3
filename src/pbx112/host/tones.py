"""Which tones a recording holds: the ear of the softphones.

Each call party plays its own sine, so a tone heard at the other end proves that audio went that way, and whose it was.
"""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WINDOW_S = 0.1
# A full-scale sine is 0 dB. Comfort and companding noise lie below -50 dB, the softphones' own tone at about -10 dB.
HEARD_DB = -35.0
# A tone must be there for half of the time listened: a click, a ringing tone's end or a DTMF digit is not speech.
HEARD_SHARE = 0.5
SILENCE_DB = -99.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one frequency: its level where it was loudest, and for which share of the time it was there."""

    frequency: int
    level_db: float
    share: float

    @property
    def present(self) -> bool:
        """True when the tone was there for at least half of the time."""
        return self.share >= HEARD_SHARE


def goertzel_amplitude(samples: Sequence[int], rate: int, frequency: float) -> float:
    """Amplitude of one frequency in the samples, on the scale of the samples (a sine of amplitude A gives A)."""
    if not samples:
        return 0.0
    coefficient = 2.0 * math.cos(2.0 * math.pi * frequency / rate)
    previous = before = 0.0
    for sample in samples:
        previous, before = sample + coefficient * previous - before, previous
    power = previous * previous + before * before - coefficient * previous * before
    return 2.0 * math.sqrt(max(power, 0.0)) / len(samples)


def level_db(amplitude: float) -> float:
    """Decibels below a full-scale 16-bit sine; silence is -99."""
    if amplitude < 1.0:
        return SILENCE_DB
    return max(SILENCE_DB, 20.0 * math.log10(amplitude / 32768.0))


def tones_heard(samples: Sequence[int], rate: int, frequencies: Sequence[int]) -> list[Heard]:
    """Look for each frequency in windows of a tenth of a second; a recording without samples holds nothing."""
    width = int(rate * WINDOW_S)
    windows = [samples[start : start + width] for start in range(0, len(samples) - width + 1, width)]
    return [_heard(windows, rate, frequency) for frequency in frequencies]


def _heard(windows: list[Sequence[int]], rate: int, frequency: int) -> Heard:
    levels = [level_db(goertzel_amplitude(window, rate, frequency)) for window in windows]
    if not levels:
        return Heard(frequency, SILENCE_DB, 0.0)
    present = sum(1 for level in levels if level >= HEARD_DB)
    return Heard(frequency, round(max(levels), 1), round(present / len(levels), 3))


def read_wav(path: Path) -> tuple[array[int], int]:
    """The samples (16 bits, one channel) and the rate of a recording."""
    with wave.open(str(path), "rb") as recording:
        if recording.getsampwidth() != 2 or recording.getnchannels() != 1:
            raise ValueError(f"{path} is not a 16-bit recording of one channel")
        samples = array("h", recording.readframes(recording.getnframes()))
        rate = recording.getframerate()
    if sys.byteorder == "big":
        samples.byteswap()
    return samples, rate


def sine(frequency: float, seconds: float, rate: int = 8000, amplitude: int = 10_000) -> array[int]:
    """Samples of a pure tone: what a test or a prompt plays."""
    step = 2.0 * math.pi * frequency / rate
    return array("h", (round(amplitude * math.sin(step * n)) for n in range(int(seconds * rate))))
