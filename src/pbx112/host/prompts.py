"""The spoken prompts in Indonesian and English, and the comfort that a waiting caller hears.

They are made on this machine by eSpeak NG, so that a first start has words of its own. A centre records a human voice
and puts the files into its overrides folder; those win.
"""

import hashlib
import json
import math
import shutil
import struct
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pbx112.domain.errors import Pbx112Error
from pbx112.host.asterisk import find_moh
from pbx112.host.command import CommandFailed
from pbx112.host.folders import write_whole
from pbx112.host.sound import RATE, Sound

LANGUAGES = ("id", "en")
COMFORT, SURGE, BUSY, HOLD = "comfort", "surge", "busy", "hold"
WAITING = (COMFORT, SURGE, BUSY, HOLD)
"""What a waiting caller may hear, each with music behind it: usually, in a surge, as an overflow announcement, and
while his operator speaks with an agency."""

# Spoken digits are written as words: eSpeak would read 112 as a hundred and twelve.
TEXTS: dict[str, dict[str, str]] = {
    "id": {
        COMFORT: "Anda terhubung dengan layanan darurat satu satu dua. Semua petugas kami sedang melayani panggilan "
        "lain. Mohon jangan tutup telepon. Panggilan Anda akan segera kami jawab.",
        SURGE: "Anda terhubung dengan layanan darurat satu satu dua. Saat ini sangat banyak panggilan masuk. Mohon "
        "jangan tutup telepon. Panggilan Anda tetap dalam antrean dan akan kami jawab.",
        BUSY: "Semua petugas masih sibuk. Mohon jangan tutup telepon. Panggilan Anda tetap kami utamakan.",
        HOLD: "Petugas sedang menghubungi instansi yang akan menolong Anda. Mohon jangan tutup telepon.",
        "agency-call": "Panggilan dari satu satu dua.",
        "agency-key": "Tekan satu untuk menerima.",
        "agency-failed": "Instansi tidak dapat dihubungi.",
        "logged-in": "Anda sudah masuk.",
        "logged-out": "Anda sudah keluar.",
        "paused": "Anda sedang jeda.",
        "unpaused": "Jeda selesai.",
        "not-allowed": "Maaf, Anda tidak memiliki izin untuk melakukan ini.",
        "not-logged-in": "Anda belum masuk. Untuk masuk, tekan bintang satu satu.",
        "failed": "Maaf, permintaan Anda gagal diproses. Silakan coba lagi.",
        "silent": "Jika tidak bisa bicara, tekan lima.",
    },
    "en": {
        COMFORT: "You have reached the one one two emergency service. All of our operators are taking other calls. "
        "Please do not hang up. Your call will be answered as soon as possible.",
        SURGE: "You have reached the one one two emergency service. Very many people are calling now. Please stay on "
        "the line. You keep your place, and your call will be answered.",
        BUSY: "All operators are still busy. Please stay on the line. You keep your place.",
        HOLD: "Your operator is calling those who will help you. Please stay on the line.",
        "agency-call": "A call from one one two.",
        "agency-key": "Press one to take it.",
        "agency-failed": "The agency could not be reached.",
        "logged-in": "You are logged in.",
        "logged-out": "You are logged out.",
        "paused": "You are paused.",
        "unpaused": "You are no longer paused.",
        "not-allowed": "Sorry, you are not allowed to do this.",
        "not-logged-in": "You are not logged in. To log in, press star one one.",
        "failed": "Sorry, that did not work. Please try again.",
        "silent": "If you cannot speak, press five.",
    },
}

_RECIPE = 1  # raised when the way prompts are made changes, so that all are made anew
_OVERRIDE_KINDS = (".wav", ".mp3", ".ogg")
MUSIC_S = 20.0
MUSIC_BELOW_SPEECH_DB = 12.0
_SPEED = {"id": 145, "en": 150}  # words a minute: a caller in distress must be able to follow


class PromptsFailed(Pbx112Error):
    """A prompt could not be made; the message names it and says what to do."""

    slug = "prompts-failed"


@dataclass(frozen=True)
class _Tone:
    hz: int
    seconds: float
    dbfs: float
    pause_s: float


_BEEP = _Tone(440, 0.15, -30.0, 1.85)
_RINGING = _Tone(425, 1.0, -25.0, 4.0)
"""What an operator hears while an agency's line rings; Indonesia's ringing tone (ITU-T E.180)."""


@dataclass(frozen=True)
class _Wanted:
    """One file to have: `name` is its path below the output folder, `digest` of all that it is made from."""

    name: str
    digest: str
    make: Callable[[Path], None]


def ensure_prompts(out_dir: Path, runtime_dir: Path, overrides: Path, progress: Callable[[str], None]) -> None:
    """Have every prompt as 8 kHz mono 16-bit WAV: `sounds/{id,en}/pbx112/*.wav`, `moh/comfort-{id,en}/comfort.wav`.

    The same with `surge` and `busy` for `comfort`, and `moh/silent/beep.wav`, which an operator hears while his caller
    is asked whether he can speak.

    Only what changed (a text, or a file in `overrides/{id,en}/<name>.wav|mp3|ogg`) is made again. Files appear whole.
    Raises PromptsFailed, or AsteriskMissing when eSpeak NG or SoX is needed and not there.
    """
    manifest = out_dir / "prompts.json"
    known = _read_manifest(manifest)
    wanted = list(_wanted(out_dir, runtime_dir, overrides))
    stale = [item for item in wanted if known.get(item.name) != item.digest or not (out_dir / item.name).exists()]
    if not stale:
        return
    progress(f"Making {len(stale)} spoken prompts ...")
    out_dir.mkdir(parents=True, exist_ok=True)
    for item in stale:
        _make(item, out_dir / item.name)
        known[item.name] = item.digest
    kept = {item.name: known[item.name] for item in wanted}
    write_whole(manifest, json.dumps(kept, indent=1, sort_keys=True).encode())


def _wanted(out_dir: Path, runtime_dir: Path, overrides: Path) -> Iterator[_Wanted]:
    """Every file, a prompt before the comfort music that holds it."""
    sound = Sound(runtime_dir)
    for language in LANGUAGES:
        for prompt, text in TEXTS[language].items():
            yield _spoken(sound, language, prompt, text, _override(overrides, language, prompt))
        for prompt in WAITING:
            speech = out_dir / f"sounds/{language}/pbx112/{prompt}.wav"
            own = _override(overrides, language, prompt)
            yield _with_music(sound, language, prompt, speech, override=own, runtime_dir=runtime_dir)
    for name, tone in (("silent/beep", _BEEP), ("ringing/ringing", _RINGING)):
        yield _Wanted(f"moh/{name}.wav", _digest(repr(tone).encode()), partial(_beep, tone))


def _spoken(sound: Sound, language: str, prompt: str, text: str, override: Path | None) -> _Wanted:
    name = f"sounds/{language}/pbx112/{prompt}.wav"
    if override is not None:
        return _Wanted(name, _digest(override.read_bytes()), lambda out: sound.convert(override, out))
    speed = _SPEED[language]
    return _Wanted(
        name, _digest(f"{language} {speed} {text}".encode()), lambda out: sound.speak(text, language, speed, out)
    )


def _with_music(
    sound: Sound, language: str, prompt: str, speech: Path, *, override: Path | None, runtime_dir: Path
) -> _Wanted:
    """The prompt and music as one file that Asterisk loops.

    It is music on hold and not a queue announcement, because app_queue rings nobody while it announces.
    """
    source = override.read_bytes() if override is not None else TEXTS[language][prompt].encode()
    settings = f"{MUSIC_S} {MUSIC_BELOW_SPEECH_DB}".encode()

    def make(out: Path) -> None:
        music = find_moh(runtime_dir)
        sound.with_music(speech, music, MUSIC_S, MUSIC_BELOW_SPEECH_DB, out)

    return _Wanted(f"moh/{prompt}-{language}/{prompt}.wav", _digest(source, settings), make)


def _beep(tone: _Tone, out: Path) -> None:
    """A tone and a pause, which Asterisk loops."""
    loudest = 32767 * math.sqrt(2) * 10 ** (tone.dbfs / 20)
    samples = [
        round(loudest * math.sin(2 * math.pi * tone.hz * sample / RATE)) for sample in range(round(tone.seconds * RATE))
    ]
    with wave.open(str(out), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples) + bytes(2 * round(tone.pause_s * RATE)))


def _override(overrides: Path, language: str, prompt: str) -> Path | None:
    files = [overrides / language / f"{prompt}{kind}" for kind in _OVERRIDE_KINDS]
    return next((file for file in files if file.is_file()), None)


def _make(item: _Wanted, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    # Aside first: Asterisk may be playing the old file, and must never find half of a new one.
    folder = Path(tempfile.mkdtemp(prefix=".new-", dir=out.parent))
    try:
        item.make(folder / out.name)
        (folder / out.name).replace(out)
    except CommandFailed as error:
        raise PromptsFailed(
            f"The prompt {item.name} could not be made. If it comes from a recording of yours, check that it is a "
            f"sound file. {error}"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256(str(_RECIPE).encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _read_manifest(file: Path) -> dict[str, str]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in known.items()} if isinstance(known, dict) else {}
