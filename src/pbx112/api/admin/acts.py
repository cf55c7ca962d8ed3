"""The audit for people: who did what, in sentences where the configuration has them; and whether its chain is whole."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from pbx112.api.admin.page import as_json, lang_of, number_in, show
from pbx112.api.admin.words import WORDS, words
from pbx112.api.audit import checked
from pbx112.api.parts import Parts
from pbx112.domain.configuration_diff import Change
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading

_PAGE = 100


async def get_acts(request: Request, parts: Parts) -> Response:
    """A page of the audit, the newest act first."""
    before = request.query_params.get("before")
    start = None if before is None else number_in(before)
    async with reading(parts.engine) as connection:
        found = await list_audit(connection, _PAGE + 1, before_id=start)
    lang, items = lang_of(request), found[:_PAGE]
    older = items[-1]["id"] if len(found) > _PAGE else None
    told = [{**act, "words": _act(act["action"], lang), "told": _told(act, lang)} for act in items]
    return await show(request, "audit.html", acts=told, older=older, start=start, as_json=as_json)


async def get_verify(request: Request, parts: Parts) -> Response:
    """Hashes the whole audit anew."""
    return await show(request, "verify.html", verdict=await checked(parts, None))


def _act(action: str, lang: str) -> str:
    key = f"act.{action}"
    return words(key, lang) if key in WORDS else action


def _told(act: Mapping[str, Any], lang: str) -> list[str]:
    """The changes of a saved configuration as sentences."""
    after = act["after"]
    if act["action"] != "configuration.save" or not isinstance(after, dict):
        return []
    try:
        return [Change(**change).say(lang) for change in after.get("changes", ())]
    except (TypeError, KeyError):
        return []  # an older service wrote it otherwise; the details have it as it is
