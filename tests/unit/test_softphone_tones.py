"""The ear of the softphones: which tones a recording holds."""

from __future__ import annotations

import random
import wave
from array import array
from pathlib import Path

import pytest

from pbx112.host.tones import Heard, goertzel_amplitude, level_db, read_wav, sine, tones_heard

RATE = 8000


@pytest.mark.parametrize("frequency", [400, 600, 950, 1400, 3000])
@pytest.mark.parametrize("amplitude", [300, 10_000, 32_000])
def test_given_a_sine_when_measured_at_its_frequency_then_its_amplitude_is_found(
    frequency: int, amplitude: int
) -> None:
    measured = goertzel_amplitude(sine(frequency, 0.1, RATE, amplitude), RATE, frequency)
    assert measured == pytest.approx(amplitude, rel=0.02)


@pytest.mark.parametrize("other", [600, 800, 1000, 1900])
def test_given_a_sine_when_measured_at_another_frequency_then_almost_nothing_is_found(other: int) -> None:
    assert goertzel_amplitude(sine(950, 0.1, RATE), RATE, other) < 300


def test_given_no_samples_when_measured_then_zero() -> None:
    assert goertzel_amplitude([], RATE, 600) == 0.0
    assert tones_heard([], RATE, [600]) == [Heard(600, -99.0, 0.0)]


@pytest.mark.parametrize(("amplitude", "decibels"), [(32768, 0.0), (3276.8, -20.0), (0.5, -99.0), (0.0, -99.0)])
def test_given_an_amplitude_when_in_decibels_then_full_scale_is_zero(amplitude: float, decibels: float) -> None:
    assert level_db(amplitude) == pytest.approx(decibels)


def test_given_two_tones_in_noise_when_looked_for_then_both_and_no_third_are_heard() -> None:
    noise = random.Random(112)
    pairs = zip(sine(600, 1.0), sine(950, 1.0, amplitude=3000), strict=True)
    samples = array("h", (a + b + noise.randint(-400, 400) for a, b in pairs))
    found = {heard.frequency: heard for heard in tones_heard(samples, RATE, [600, 950, 1300])}
    assert found[600].present
    assert found[950].present
    assert not found[1300].present
    assert found[600].level_db == pytest.approx(-10.3, abs=0.5)


def test_given_a_tone_for_a_third_of_the_time_when_looked_for_then_it_does_not_count_as_heard() -> None:
    samples = sine(600, 0.5) + array("h", bytes(2 * RATE))
    (heard,) = tones_heard(samples, RATE, [600])
    assert heard.share == pytest.approx(1 / 3, abs=0.01)
    assert not heard.present


def test_given_a_recording_when_read_then_samples_and_rate_are_as_written(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    _write(path, sine(700, 0.2), channels=1)
    samples, rate = read_wav(path)
    assert rate == RATE
    assert samples == sine(700, 0.2)


def test_given_a_stereo_recording_when_read_then_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    _write(path, sine(700, 0.2), channels=2)
    with pytest.raises(ValueError, match="one channel"):
        read_wav(path)


def _write(path: Path, samples: array[int], channels: int) -> None:
    with wave.open(str(path), "wb") as recording:
        recording.setnchannels(channels)
        recording.setsampwidth(2)
        recording.setframerate(RATE)
        recording.writeframes(samples.tobytes())
