"""A centre's own sound prompts: their names, what may be uploaded, and why something may not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pbx112.domain.configuration_parts import LANGUAGES, NAME, RESERVED_PROMPTS
from pbx112.domain.configuration_words import spoken
from pbx112.domain.errors import PromptUnfit

MOST_BYTES = 20 * 1024 * 1024
MOST_SECONDS = 300
LEAST_SECONDS = 0.5
MOST_FILE_NAME = 120


class SoundKind(StrEnum):
    """What a recording may be; the value is SoX's name of it."""

    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    OPUS = "opus"


@dataclass(frozen=True, slots=True)
class PromptUse:
    """Which version of a prompt callers hear."""

    name: str
    language: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}/{self.language} version {self.version}"


def kind_of(recording: bytes) -> SoundKind | None:
    """What a recording is by its first bytes, whatever its name; None when it is none of these."""
    head = recording[:64]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return SoundKind.WAV
    if head[:4] == b"OggS":
        if b"OpusHead" in head:
            return SoundKind.OPUS
        return SoundKind.OGG if b"\x01vorbis" in head else None
    # An MPEG frame of layer III, or the tag that stands before one.
    frame = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 == 0x02
    return SoundKind.MP3 if frame or head[:3] == b"ID3" else None


def check_name(name: str, language: str, lang: str) -> None:
    """Raises PromptUnfit for a name that no queue could name, and for a language that is none."""
    if not NAME.fullmatch(name):
        raise unfit("name", lang)
    if name in RESERVED_PROMPTS:
        raise unfit("reserved", lang, name=name)
    if language not in LANGUAGES:
        raise unfit("language", lang, languages=", ".join(LANGUAGES))


def unfit(why: str, lang: str, **told: object) -> PromptUnfit:
    """Why something cannot be a prompt, in words."""
    return PromptUnfit(say(why, lang, **told), why, told)


def say(what: str, lang: str, **told: object) -> str:
    """A sentence about prompts."""
    return spoken(_WORDS[what], lang).format(**told)


_WORDS: Mapping[str, tuple[str, str]] = {
    "name": (
        "Nama pesan: huruf, angka, - dan _, paling banyak 40, diawali huruf atau angka.",
        "A prompt's name has letters, digits, - and _, at most 40, and begins with a letter or digit.",
    ),
    "reserved": ("Nama {name} sudah dipakai sistem; pilih nama lain.", "The name {name} is taken; choose another."),
    "language": ("Bahasa pesan: {languages}.", "A prompt's language is one of {languages}."),
    "file_name": (
        "Nama berkas: paling banyak 120 huruf yang dapat dicetak.",
        "A file's name has at most 120 printable characters.",
    ),
    "empty": ("Berkas itu kosong.", "The file is empty."),
    "too_large": ("Berkas itu terlalu besar: paling banyak {most} MB.", "The file is too large: {most} MB at most."),
    "unknown": (
        "Berkas itu bukan rekaman suara yang dikenal: kirim WAV, MP3 atau Ogg.",
        "The file is no sound that is known here: send WAV, MP3 or Ogg.",
    ),
    "broken": (
        "Berkas itu rusak: suaranya tidak dapat dibaca sebagai {kind}.",
        "The file is broken: no sound can be read from it as {kind}.",
    ),
    "too_long": (
        "Rekaman itu terlalu panjang: paling lama {most} detik.",
        "The recording is too long: {most} seconds at most.",
    ),
    "silent": (
        "Rekaman itu sunyi: penelepon tidak akan mendengar apa-apa.",
        "The recording is silent: callers would hear nothing.",
    ),
    "too_short": (
        "Rekaman itu terlalu pendek: paling sedikit setengah detik suara.",
        "The recording is too short: half a second of sound at least.",
    ),
    "no_tool": (
        "Komputer ini tidak dapat mengubah rekaman: {reason}",
        "This machine cannot convert recordings: {reason}",
    ),
    "busy": (
        "Rekaman lain sedang diubah; coba lagi sebentar.",
        "Another recording is being converted; try again in a moment.",
    ),
    "not_read": (
        "Versi itu tercatat, tetapi Asterisk di {node} belum memakainya: {reason} Dicoba lagi tiap setengah menit.",
        "The version is noted, but Asterisk on {node} does not play it yet: {reason} It is tried again each half "
        "minute.",
    ),
    "not_written": (
        "Pesan suara tidak dapat ditulis di {node}: {reason}",
        "The prompts could not be written on {node}: {reason}",
    ),
}
