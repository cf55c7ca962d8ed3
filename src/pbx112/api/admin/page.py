"""How a page is made: its template, its language, its times, and the banner of a draft that does not run yet."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pbx112.api.admin.faults import anchor
from pbx112.api.admin.words import LANGUAGES, words
from pbx112.api.parts import parts_of
from pbx112.api.tokens import Identity
from pbx112.domain.configuration_choices import choice
from pbx112.domain.configuration_words import KINDS, label, say, spoken
from pbx112.domain.errors import BadInput, DatabaseUnavailable, NotFound
from pbx112.services.configuring import Draft
from pbx112.services.users import Role

_HERE = Path(__file__).parent
_ZONES = {"Asia/Jakarta": "WIB", "Asia/Pontianak": "WIB", "Asia/Makassar": "WITA", "Asia/Jayapura": "WIT"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With no-referrer a browser sends a form of ours with `Origin: null`, which says nothing of where it came from.
    "Referrer-Policy": "same-origin",
}
STATIC: Mapping[str, str] = {
    "admin.css": "text/css",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""What pages load, with its type."""

LANGUAGE_COOKIE = "pbx112_lang"


@cache
def static_bytes(name: str) -> bytes:
    """A file that pages load. Raises NotFound for any other name."""
    if name not in STATIC:
        raise NotFound("There is no such file.")
    return (_HERE / "static" / name).read_bytes()


@cache
def _static_url(name: str) -> str:
    version = hashlib.sha256(static_bytes(name)).hexdigest()[:12]
    return f"/admin/static/{name}?v={version}"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(static=_static_url, anchor=anchor)
    return made


def lang_of(request: Request) -> str:
    """The language that this browser chose, else the centre's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else parts_of(request).lang


def who_of(request: Request) -> Identity | None:
    """Who is signed in; None on the pages that everybody may see."""
    found: Identity | None = getattr(request.state, "identity", None)
    return found


async def show(
    request: Request, template: str, *, draft: Draft | None = None, status: int = HTTPStatus.OK, **context: Any
) -> Response:
    """A page; with `draft` (the newest, if none is given) comes the banner of what does not run yet."""
    who = who_of(request)
    if draft is None and who is not None and who.role is not Role.OPERATOR:
        draft = await _draft_or_none(request)
    lang = lang_of(request)
    text = (
        _templates()
        .get_template(template)
        .render(
            **_common(request, lang), who=who, draft=draft, admin=who is not None and who.role is Role.ADMIN, **context
        )
    )
    return Response(text, status, _HEADERS, media_type="text/html")


def _common(request: Request, lang: str) -> dict[str, Any]:
    parts = parts_of(request)
    zone = ZoneInfo(parts.timezone)

    def at(time: datetime) -> str:
        here = time.astimezone(zone)
        return f"{here:%Y-%m-%d %H:%M:%S} {_ZONES.get(parts.timezone, here.tzname())}"

    return {
        "lang": lang,
        "t": lambda key, **told: words(key, lang, **told),
        "at": at,
        "label": lambda field: label(field, lang),
        "kind_of": lambda kind: spoken(KINDS[kind], lang),
        "choice": lambda field, value: choice(field, value, lang),
        "say": lambda change: change.say(lang),
        "say_fault": lambda fault: say(fault, lang),
        "here": request.url.path,
        "zone": _ZONES.get(parts.timezone, parts.timezone),
        "node": parts.node,
        "release": parts.version,
        "demo": parts.demo,
    }


async def _draft_or_none(request: Request) -> Draft | None:
    try:
        return await parts_of(request).desk.draft()
    except (NotFound, DatabaseUnavailable):
        return None


def go(url: str) -> Response:
    """On to another page, which is asked for with GET."""
    return RedirectResponse(url, HTTPStatus.SEE_OTHER)


def number_in(value: Any, *, least: int = 1) -> int:
    """A whole number that a form of ours sent along. Raises BadInput."""
    text = value if isinstance(value, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= least):
        raise BadInput("The form does not say which version it was made on; open the page anew.")
    return int(text)


def as_json(value: Any) -> str:
    """A value of the audit for people who read JSON."""
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)
