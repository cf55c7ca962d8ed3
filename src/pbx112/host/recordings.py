"""Turns a recording that somebody uploaded into what waiting callers hear: his words, then music.

The upload is a stranger's bytes. Only the first step reads them: SoX in a child process that has no shell, is told the
format, gets the bytes on its standard input, and may neither compute, nor take memory, nor write, without end. What
comes out of it is plain samples, to which this module writes the header.
"""

import os
import tempfile
import wave
from pathlib import Path

from pbx112.domain.errors import CannotConvert
from pbx112.domain.prompts import LEAST_SECONDS, MOST_SECONDS, SoundKind, say, unfit
from pbx112.host.asterisk import AsteriskMissing, find_moh, tool_argv
from pbx112.host.command import CommandFailed, Limits, in_thread, limited, run
from pbx112.host.prompts import MUSIC_BELOW_SPEECH_DB, MUSIC_S
from pbx112.host.sound import RATE, NothingHeard, Sound

_SAMPLE_BYTES = 2
_READ_S = MOST_SECONDS + 1  # a second more, to see that it is too long
_LIMITS = Limits(cpu_s=20, memory_bytes=512 * 1024 * 1024, file_bytes=(_READ_S + 1) * RATE * _SAMPLE_BYTES)
_DEADLINE_S = 60.0
_PADS_S = 0.4  # what Sound.convert puts around a sound


class Recordings:
    """Implements PromptMaker with SoX; what is refused, is in the language `lang`."""

    def __init__(self, runtime_dir: Path, lang: str) -> None:
        """Remember where the unpacked tools are, for machines without their own."""
        self._runtime_dir = runtime_dir
        self._lang = lang

    async def make(self, recording: bytes, kind: SoundKind) -> bytes:
        """The prompt as a WAV file. Raises PromptUnfit, CannotConvert."""
        return await in_thread(self.make_now, recording, kind)

    def make_now(self, recording: bytes, kind: SoundKind) -> bytes:
        """The same, blocking for seconds."""
        try:
            argv = limited(tool_argv("sox", self._runtime_dir), _LIMITS)
            music = find_moh(self._runtime_dir)
        except (AsteriskMissing, CommandFailed) as error:
            raise CannotConvert(say("no_tool", self._lang, reason=error)) from error
        try:
            with tempfile.TemporaryDirectory(prefix="pbx112-recording-") as folder:
                return self._made(argv, recording, kind, music, Path(folder))
        except (CommandFailed, OSError) as error:  # a full disk
            raise CannotConvert(say("no_tool", self._lang, reason=error)) from error

    def _made(self, argv: tuple[str, ...], recording: bytes, kind: SoundKind, music: Path, folder: Path) -> bytes:
        plain, speech, out = (folder / f"{part}.wav" for part in ("plain", "speech", "prompt"))
        self._decode(argv, recording, kind, plain)
        sound = Sound(self._runtime_dir)
        try:
            sound.convert(plain, speech)
        except NothingHeard as error:
            raise unfit("silent", self._lang) from error
        if seconds_of(speech.read_bytes()) - _PADS_S < LEAST_SECONDS:
            raise unfit("too_short", self._lang)
        sound.with_music(speech, music, MUSIC_S, MUSIC_BELOW_SPEECH_DB, out)
        return out.read_bytes()

    def _decode(self, argv: tuple[str, ...], recording: bytes, kind: SoundKind, plain: Path) -> None:
        source, samples = plain.with_name("recording"), plain.with_name("samples")
        source.write_bytes(recording)
        form = ("-t", "raw", "-r", str(RATE), "-c", "1", "-b", "16", "-e", "signed-integer")
        command = (*argv, "-V1", "-t", kind.value, "-", *form, str(samples), "trim", "0", str(_READ_S))
        # None of our environment: it can hold secrets, and options of SoX's.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        try:
            run(command, deadline_s=_DEADLINE_S, env=environment, cwd=plain.parent, stdin=source)
        except CommandFailed as error:
            raise unfit("broken", self._lang, kind=kind.name) from error
        found = samples.read_bytes() if samples.exists() else b""
        if not found:
            raise unfit("empty", self._lang)
        if len(found) > MOST_SECONDS * RATE * _SAMPLE_BYTES:
            raise unfit("too_long", self._lang, most=MOST_SECONDS)
        with wave.open(str(plain), "wb") as file:
            file.setparams((1, _SAMPLE_BYTES, RATE, 0, "NONE", ""))
            file.writeframes(found)


def seconds_of(wav: bytes) -> float:
    """How long a WAV file in the telephone's form lasts."""
    return max(0, len(wav) - 44) / (RATE * _SAMPLE_BYTES)
