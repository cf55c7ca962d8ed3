"""A centre's own sound prompts, over the web door: a list, upload, a sound to play, and which version callers hear."""

import re
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import refuse_repeats, storable
from pbx112.api.parts import Parts
from pbx112.domain.configuration_words import say
from pbx112.domain.prompts import MOST_FILE_NAME, PromptUse
from pbx112.services.prompts import Prompt
from pbx112.storage.prompts import PromptVersion

PromptName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$", description="as queues name it")]
Language = Annotated[Literal["id", "en"], Path(description="the callers' language")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]

_RANGE = re.compile(r"bytes=([0-9]{1,12})?-([0-9]{1,12})?")


class SoundResponse(Response):
    """A sound for a page's player."""

    media_type = "audio/wav"


class UploadedVersion(BaseModel):
    """An upload, converted; `sha256` and `duration_ms` are of the sound as callers hear it, music and all."""

    model_config = ConfigDict(extra="forbid")

    version: int
    who: str
    at: datetime
    sha256: str
    duration_ms: int
    file_name: str


class PromptShown(BaseModel):
    """A prompt in one language, the newest version first; `queues` name it in the configuration that runs."""

    model_config = ConfigDict(extra="forbid")

    name: str
    language: Literal["id", "en"]
    in_use: int | None
    queues: list[str]
    versions: list[UploadedVersion]


class PromptList(BaseModel):
    """All prompts of the centre's own. `missing` are those that queues name and that are not there, in sentences.

    `told` says why Asterisk on this node does not play yet what was put to use.
    """

    model_config = ConfigDict(extra="forbid")

    items: list[PromptShown]
    missing: list[str]
    told: list[str]


class PromptHeard(BaseModel):
    """The version that callers hear now; `told` is what did not succeed on this node, in sentences."""

    model_config = ConfigDict(extra="forbid")

    name: str
    language: Literal["id", "en"]
    version: int
    told: list[str]


class PromptAdded(UploadedVersion):
    """A new version; `in_use` tells whether callers hear it."""

    name: str
    language: Literal["id", "en"]
    in_use: bool
    told: list[str]


class UploadQuery(BaseModel):
    """What is said about an upload beside its bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file_name: Annotated[
        str, Field(max_length=MOST_FILE_NAME, description="what the file was called"), AfterValidator(storable)
    ] = ""
    use: Annotated[bool, Field(description="let callers hear it at once; a prompt's first version always is heard")] = (
        False
    )


class UseWish(BaseModel):
    """Which version callers shall hear."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


async def get_prompts(parts: Parts) -> Response:
    """The centre's own prompts, with every version of each."""
    configuration = parts.configuration()
    found = await parts.prompts.prompts(configuration)
    missing = [say(fault, parts.lang) for fault in await parts.prompts.missing(configuration)]
    return answer({"items": [_prompt(prompt) for prompt in found], "missing": missing, "told": parts.prompts.told})


async def put_prompt(
    *,
    name: PromptName,
    language: Language,
    said: Annotated[UploadQuery, Query()],
    request: Request,
    parts: Parts,
    who: Who,
) -> Response:
    """Upload a recording as a new version: WAV, MP3 or Ogg as the body, at most 20 MB and five minutes.

    It is converted for the telephone, made as loud as the other prompts, and music is put behind it.
    """
    refuse_repeats(request)
    recording = await request.body()
    done = await parts.prompts.upload(name, language, recording, file_name=said.file_name, use=said.use, who=who.name)
    about = {"name": name, "language": language, "in_use": done.in_use, "told": done.told}
    return answer({**_version(done.version), **about})


async def get_prompt_wav(
    name: PromptName, language: Language, version: Version, request: Request, parts: Parts
) -> Response:
    """A version's sound, as callers hear it; a part of it for a `Range`."""
    return sound(request, await parts.prompts.wav(PromptUse(name, language, version)))


def sound(request: Request, wav: bytes) -> Response:
    """A sound, or the part that a player asks for."""
    whole = len(wav)
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return SoundResponse(wav, headers={"Accept-Ranges": "bytes"})
    first, last = (int(one) if one else None for one in asked.groups())
    start = max(whole - (last or 0), 0) if first is None else first
    end = whole if first is None or last is None else min(last + 1, whole)
    if start >= end:
        return SoundResponse(
            status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{whole}"}
        )
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end - 1}/{whole}"}
    return SoundResponse(wav[start:end], HTTPStatus.PARTIAL_CONTENT, headers)


async def post_prompt_use(name: PromptName, language: Language, wish: UseWish, parts: Parts, who: Who) -> Response:
    """Let the next callers hear this version, or an earlier one. Who waits goes on hearing the one that he hears."""
    told = await parts.prompts.use(PromptUse(name, language, wish.version), who=who.name)
    return answer({"name": name, "language": language, "version": wish.version, "told": told})


def _prompt(prompt: Prompt) -> dict[str, Any]:
    versions = [_version(version) for version in prompt.versions]
    return {
        "name": prompt.name,
        "language": prompt.language,
        "in_use": prompt.in_use,
        "queues": prompt.queues,
        "versions": versions,
    }


def _version(version: PromptVersion) -> dict[str, Any]:
    return {key: value for key, value in asdict(version).items() if key not in {"name", "language"}}
