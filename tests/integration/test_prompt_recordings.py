"""What an admin uploads as a prompt, with the real SoX: good recordings of each kind, broken ones, hostile ones."""

from __future__ import annotations

import io
import os
import random
import struct
import time
import wave
from pathlib import Path

import pytest

from pbx112.domain.errors import CannotConvert, PromptUnfit
from pbx112.domain.prompts import MOST_BYTES, SoundKind, kind_of
from pbx112.host.asterisk import missing_tools, tool_argv
from pbx112.host.command import run
from pbx112.host.recordings import Recordings
from pbx112.host.sound import SPEECH_DBFS, loudness
from pbx112.host.tones import tones_heard
from pbx112.settings import Settings

RUNTIME = Settings().runtime_dir
TONE_HZ = 700

pytestmark = pytest.mark.skipif(
    not {"sox", "music"}.isdisjoint(missing_tools(None, RUNTIME)), reason="`make setup` was not run"
)


def tone(folder: Path, kind: str, *, seconds: float = 3, volume: float = 0.3, rate: int = 48000) -> bytes:
    """A tone as SoX writes it, in stereo and at another rate than the telephone's."""
    file = folder / f"tone-{seconds}-{volume}.{kind}"
    sine = ("synth", str(seconds), "sine", str(TONE_HZ), "vol", str(volume))
    run([*tool_argv("sox", RUNTIME), "-n", "-r", str(rate), "-c", "2", str(file), *sine], deadline_s=60)
    return file.read_bytes()


def made(recording: bytes) -> bytes:
    kind = kind_of(recording)
    assert kind is not None
    return Recordings(RUNTIME, "en").make_now(recording, kind)


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg"])
def test_given_a_recording_of_each_kind_when_made_then_it_is_words_of_the_usual_loudness_then_music(
    kind: str, tmp_path: Path
) -> None:
    wav = made(tone(tmp_path, kind, volume=0.02))
    with wave.open(io.BytesIO(wav)) as sound:
        assert sound.getparams()[:3] == (1, 2, 8000)
        assert sound.getnframes() / 8000 == pytest.approx(3.4 + 20.7, abs=0.3)
        words, rest = sound.readframes(3 * 8000), sound.readframes(10**6)
    (heard,) = tones_heard(struct.unpack(f"<{len(words) // 2}h", words), 8000, [TONE_HZ])
    assert heard.share > 0.9
    (after,) = tones_heard(struct.unpack(f"<{len(rest) // 2}h", rest), 8000, [TONE_HZ])
    assert after.share < 0.2
    file = tmp_path / "words.wav"
    with wave.open(str(file), "wb") as spoken:
        spoken.setparams((1, 2, 8000, 0, "NONE", ""))
        spoken.writeframes(words)
    assert loudness(file) == pytest.approx(SPEECH_DBFS, abs=1.5)


def repeated(mp3: bytes, times: int) -> bytes:
    """The frames of an MP3 file again and again: hours of sound out of a second."""
    return mp3 * times


def test_given_the_longest_recording_when_made_then_it_is_taken_within_seconds(tmp_path: Path) -> None:
    recording = repeated(tone(tmp_path, "mp3", seconds=10), 29)
    began = time.monotonic()
    wav = made(recording)
    assert len(wav) / 16000 == pytest.approx(290 + 21, abs=3)
    assert time.monotonic() - began < 15


def page(number: int, flags: int, granule: int, *packets: bytes) -> bytes:
    """A page of an Ogg file with short packets."""
    sizes = bytes(len(packet) for packet in packets)
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, 7, number, 0) + bytes([len(packets)]) + sizes
    whole = head + b"".join(packets)
    check = 0
    for byte in whole:
        check ^= byte << 24
        for _ in range(8):
            check = (check << 1) ^ (0x104C11DB7 if check & 0x80000000 else 0)
    return whole[:22] + struct.pack("<I", check) + whole[26:]


def test_given_a_voice_note_in_opus_when_made_then_it_is_read() -> None:
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I1sI", 1, b"x", 0)
    silence = page(2, 4, 960 * 200, *[b"\xf8\xff\xfe"] * 200)
    note = page(0, 2, 0, head) + page(1, 0, 0, tags) + silence
    with pytest.raises(PromptUnfit, match="silent"):  # and not `broken`: four seconds of nothing
        made(note)


def header(wav: bytes, *, rate: int | None = None, claimed: int | None = None) -> bytes:
    """The same file with another rate, or another length, in its header."""
    data = wav.index(b"data")
    changed = wav[:4] + struct.pack("<I", 0x7FFFFFFF) + wav[8:] if claimed is not None else wav
    if claimed is not None:
        changed = changed[: data + 4] + struct.pack("<I", claimed) + changed[data + 8 :]
    return changed if rate is None else changed[:24] + struct.pack("<I", rate) + changed[28:]


def test_given_files_that_are_no_prompt_when_made_then_each_is_refused_in_words_and_at_once(tmp_path: Path) -> None:
    wav, mp3, ogg = (tone(tmp_path, kind) for kind in ("wav", "mp3", "ogg"))
    noise = random.Random(112).randbytes
    frame = next(bytes(mp3[at : at + 4]) for at in range(len(mp3)) if kind_of(mp3[at:]) is SoundKind.MP3)
    cases = {
        "cut behind the header": (header(wav, claimed=2**31 - 256)[: wav.index(b"data") + 8], "broken|empty"),
        "a playlist that calls itself a WAV": (b"RIFF\0\0\0\0WAVE#EXTM3U\n/etc/passwd\nhttp://127.0.0.1/\n", "broken"),
        "noise behind an MP3 frame": (frame + noise(200_000), "broken|silent|short|empty"),
        "a tag that claims 256 MB": (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"x" * 100, "broken|empty"),
        "noise behind an Ogg head": (ogg[:64] + noise(20_000), "broken|empty"),
        "an hour by its rate": (header(wav, rate=1), "too long"),
        "a chunk of 4 GB": (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + noise(1000), "broken"),
        "silence": (tone(tmp_path, "wav", volume=0), "silent"),
        "a click": (tone(tmp_path, "wav", seconds=0.05), "short"),
        "six minutes": (repeated(tone(tmp_path, "mp3", seconds=10), 36), "too long"),
        "no channel": (wav[:22] + b"\0\0" + wav[24:], "broken"),
    }
    for what, (recording, words) in cases.items():
        began = time.monotonic()
        with pytest.raises(PromptUnfit, match=words):
            made(recording)
        assert time.monotonic() - began < 8, what


def test_given_a_header_that_claims_two_gigabytes_when_made_then_what_is_there_is_taken(tmp_path: Path) -> None:
    assert len(made(header(tone(tmp_path, "wav"), claimed=2**31 - 256))) / 16000 == pytest.approx(24.1, abs=0.3)


def test_given_hours_of_silence_in_few_bytes_when_made_then_it_ends_after_five_minutes_of_it(tmp_path: Path) -> None:
    bomb = repeated(tone(tmp_path, "mp3", seconds=1, volume=0, rate=8000), 5_000)
    assert len(bomb) < MOST_BYTES
    began = time.monotonic()
    with pytest.raises(PromptUnfit, match="too long"):
        made(bomb)
    assert time.monotonic() - began < 8


def test_given_a_machine_without_tools_when_made_then_it_says_so_instead_of_running_unlimited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotConvert, match=r"nice|sox|setup"):
        Recordings(RUNTIME, "en").make_now(b"", SoundKind.WAV)
    monkeypatch.setenv("PATH", os.defpath)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF....WAVE", SoundKind.WAV),
        (b"\xff\xfb\x90\x00", SoundKind.MP3),
        (b"\xff\xf3\x90\x00", SoundKind.MP3),
        (b"ID3\x04", SoundKind.MP3),
        (b"\xff\xf1\x50\x80", None),  # AAC
        (b"OggS" + b"\0" * 24 + b"\x01vorbis", SoundKind.OGG),
        (b"OggS" + b"\0" * 24 + b"OpusHead", SoundKind.OPUS),
        (b"OggS" + b"\0" * 24 + b"\x80theora", None),
        (b"#EXTM3U\n/etc/passwd", None),
        (b"[playlist]\nFile1=/etc/passwd", None),
        (b"PK\x03\x04", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_given_first_bytes_then_they_say_what_it_is(head: bytes, kind: SoundKind | None) -> None:
    assert kind_of(head) is kind
