"""The centre's own sound prompts: listened to, uploaded, and put to use."""

from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.datastructures import FormData, UploadFile

from pbx112.api.access import Who
from pbx112.api.admin.faults import Wrong
from pbx112.api.admin.fields import Field
from pbx112.api.admin.forms import Form
from pbx112.api.admin.page import go, lang_of, number_in, show
from pbx112.api.admin.words import words
from pbx112.api.errors import status_of
from pbx112.api.parts import Parts
from pbx112.api.prompts import Language, PromptName, Version, sound
from pbx112.domain import prompts as domain
from pbx112.domain.configuration_parts import LANGUAGES
from pbx112.domain.configuration_words import what
from pbx112.domain.errors import BadInput, PromptUnfit
from pbx112.domain.prompts import MOST_FILE_NAME, PromptUse

_NAME, _LANGUAGE, _FILE, _USE = "prompt", "prompt_language", "prompt_file", "prompt_use"
_PLACE = {"name": _NAME, "reserved": _NAME, "language": _LANGUAGE}
_MOST_FIELDS = 10
_DONE = frozenset({"prompt_added", "prompt_now"})


def _fields(names: tuple[str, ...], lang: str) -> tuple[Field, ...]:
    languages = tuple((one, one) for one in LANGUAGES)
    return (
        Field(_NAME, words(f"field.{_NAME}", lang), suggestions=names),
        Field(_LANGUAGE, words(f"field.{_LANGUAGE}", lang), widget="choice", enum=True, choices=languages),
        Field(_USE, words(f"field.{_USE}", lang), meaning=words("hint.prompt_use", lang), widget="check"),
    )


async def get_sounds(request: Request, parts: Parts) -> Response:
    """All prompts with their versions, and a form for another."""
    lang = lang_of(request)
    return await _show(request, parts, Form(_fields((), lang), {_NAME: "", _LANGUAGE: parts.lang, _USE: False}, 0))


async def post_sound(request: Request, parts: Parts, who: Who) -> Response:
    """Keeps an upload as a new version."""
    lang = lang_of(request)
    async with request.form(max_files=1, max_fields=_MOST_FIELDS) as data:
        values = {_NAME: _text(data, _NAME), _LANGUAGE: _text(data, _LANGUAGE), _USE: bool(_text(data, _USE))}
        form = Form(_fields((), lang), values, 0)
        file = data.get(_FILE)
        recording = await file.read() if isinstance(file, UploadFile) else b""
        file_name = (file.filename or "") if isinstance(file, UploadFile) else ""
    name, language = str(values[_NAME]), str(values[_LANGUAGE])
    plain = "".join(letter for letter in file_name if letter.isprintable())[-MOST_FILE_NAME:]
    try:
        done = await parts.prompts.upload(
            name, language, recording, file_name=plain, use=bool(values[_USE]), who=who.name
        )
    except PromptUnfit as error:
        told = domain.say(error.why, lang, **error.told)
        form.mend(Wrong({_PLACE.get(error.why, _FILE): [told]}))
        return await _show(request, parts, form)
    key = "prompt_now" if done.in_use else "prompt_added"
    return _to_list(key, PromptUse(name, language, done.version.version))


async def get_sound(name: PromptName, language: Language, version: Version, request: Request, parts: Parts) -> Response:
    """A version for the page's player."""
    return sound(request, await parts.prompts.wav(PromptUse(name, language, version)))


async def post_use(name: PromptName, language: Language, request: Request, parts: Parts, who: Who) -> Response:
    """Lets callers hear a version."""
    async with request.form(max_files=0, max_fields=_MOST_FIELDS) as data:
        use = PromptUse(name, language, number_in(data.get("version")))
    await parts.prompts.use(use, who=who.name)
    return _to_list("prompt_now", use)


def _text(data: FormData, field: str) -> str:
    value = data.get(field)
    return value.strip() if isinstance(value, str) else ""


def _to_list(done: str, use: PromptUse) -> Response:
    said = {"done": done, "name": use.name, "language": use.language, "version": use.version}
    return go(f"/admin/prompts?{urlencode(said)}")


def _notice(request: Request) -> str:
    said = request.query_params
    if said.get("done") not in _DONE:
        return ""
    known = {key: said.get(key, "")[:40] for key in ("name", "language", "version")}
    return words(said["done"], lang_of(request), **known)


async def _show(request: Request, parts: Parts, form: Form) -> Response:
    lang, configuration = lang_of(request), parts.configuration()
    missing = await parts.prompts.missing(configuration)
    named = sorted({queue.comfort for queue in configuration.queues if queue.comfort})
    form.fields = _fields(tuple(named), lang)
    return await show(
        request,
        "prompts.html",
        prompts=await parts.prompts.prompts(configuration),
        missing=[what(fault, lang) for fault in missing],
        told=parts.prompts.told,
        form=form,
        summary=form.wrong.summary(lang),
        notice=_notice(request),
        status=status_of(BadInput()) if form.refused else HTTPStatus.OK,
    )
