"""Queues, operators, agencies, trunks and calendars: listed, edited as drafts, removed."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from pbx112.api.access import Who
from pbx112.api.admin import faults, lists, typed
from pbx112.api.admin.fields import Field, fields_of
from pbx112.api.admin.forms import Form, rows_changed, save, sent, told_in_form
from pbx112.api.admin.page import go, lang_of, number_in, show
from pbx112.api.admin.words import words
from pbx112.api.inputs import Name
from pbx112.api.parts import Parts, parts_of
from pbx112.api.parts_in import part_in
from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_check import broken
from pbx112.domain.configuration_edit import PART_OF, Kind, part, parts, put, remove
from pbx112.domain.configuration_words import place
from pbx112.domain.errors import ConfigurationFaulty, NotFound
from pbx112.services.configuring import Draft

Page = Callable[..., Awaitable[Response]]


def list_page(kind: Kind) -> Page:
    """The page that lists the parts of a kind."""

    async def get_list(request: Request, parts_: Parts) -> Response:
        draft, lang = await parts_.desk.draft(), lang_of(request)
        state = {change.name: change.act for change in draft.changes if change.kind == kind}
        return await show(
            request,
            "list.html",
            draft=draft,
            kind=kind,
            heads=lists.columns(kind, lang),
            rows=lists.rows(draft.configuration, kind, lang),
            state=state,
            default_queue=draft.configuration.default_queue if kind == "queues" else None,
            drills=[trunk.name for trunk in draft.configuration.trunks if trunk.drill] if kind == "trunks" else [],
            notice=_notice(request, lang),
        )

    return get_list


def _notice(request: Request, lang: str) -> str:
    version = request.query_params.get("saved", "")
    if version.isascii() and version.isdigit():
        return words("saved", lang, version=version)
    return words("unchanged", lang) if version == "same" else ""


def form_page(kind: Kind, *, new: bool = False) -> Page:
    """The form of one part, or of a new one."""

    async def get_form(request: Request, parts_: Parts, name: Name = "") -> Response:
        draft = await parts_.desk.draft()
        fields = _fields(request, kind, draft.configuration, new=new)
        if new:
            return await _show(request, kind, "", draft, Form(fields, typed.empty(fields), draft.configuration.version))
        values = typed.shown(part(draft.configuration, kind, name), fields)
        form = Form(fields, values, draft.configuration.version)
        mine = [one for one in draft.faults if _is_of(one.where, kind, name)]
        form.wrong = faults.of_part(mine, kind, name, lang_of(request))
        return await _show(request, kind, name, draft, form)

    return get_form


def save_page(kind: Kind, *, new: bool = False) -> Page:
    """What happens when the form is sent."""

    async def post_form(request: Request, parts_: Parts, name: Name = "") -> Response:
        draft, data = await parts_.desk.draft(), await sent(request)
        fields = _fields(request, kind, draft.configuration, new=new)
        form = Form(fields, typed.typed(data, fields), number_in(data.get("version")))
        if rows_changed(form, str(data.get("do", ""))):
            return await _show(request, kind, name, draft, form)
        form.values = typed.without_empty_rows(form.values, fields)
        called = str(form.values["name"]) if new else name
        try:
            saved = await _saved(request, kind, called, form, draft.configuration, new=new)
        except (RequestValidationError, ConfigurationFaulty) as error:
            form.mend(told_in_form(request, error, kind, called))
            saved = None
        if saved is None:
            return await _show(request, kind, name, draft, form)
        same = saved.version == draft.configuration.version
        return go(f"/admin/{kind}?saved={'same' if same else saved.version}")

    return post_form


async def _saved(
    request: Request, kind: Kind, name: str, form: Form, known: Configuration, *, new: bool
) -> Configuration | None:
    if new and any(one.name == name for one in parts(known, kind)):
        form.wrong.add("name", words("name_taken", lang_of(request), name=name))
        form.mend(form.wrong)
        return None
    made = part_in(kind, name, {**typed.body_of(form.values, form.fields), "name": name})
    return await save(request, form, lambda old: put(old, kind, made), known.version)


def _fields(request: Request, kind: Kind, known: Configuration, *, new: bool) -> tuple[Field, ...]:
    found = fields_of(PART_OF[kind], known, lang_of(request))
    return found if new else tuple(field for field in found if field.name != "name")


def _is_of(where: str, kind: Kind, name: str) -> bool:
    return where == f"{kind}.{name}" or where.startswith(f"{kind}.{name}.")


async def _show(request: Request, kind: Kind, name: str, draft: Draft, form: Form) -> Response:
    lang = lang_of(request)
    accounts: tuple[str, ...] = ()
    if name and kind in {"operators", "agencies"}:
        known = part(draft.configuration, kind, name) if _is_there(draft.configuration, kind, name) else None
        accounts = (name,) if kind == "operators" else getattr(known, "lines", ())
    return await show(
        request,
        "part.html",
        draft=draft,
        kind=kind,
        name=name,
        form=form,
        summary=form.wrong.summary(lang),
        accounts=accounts,
        status=form.status,
    )


def _is_there(configuration: Configuration, kind: Kind, name: str) -> bool:
    return any(one.name == name for one in parts(configuration, kind))


def remove_page(kind: Kind) -> Page:
    """Asks whether a part shall be removed, and says who still names it."""

    async def get_remove(request: Request, name: Name, parts_: Parts) -> Response:
        return await _ask(request, kind, name, await parts_.desk.draft())

    return get_remove


async def _ask(request: Request, kind: Kind, name: str, draft: Draft, **more: Any) -> Response:
    lang = lang_of(request)
    before = set(_wheres(draft.configuration))
    left = [fault for fault in broken(remove(draft.configuration, kind, name)) if fault.where not in before]
    refers = [{"url": faults.of_whole(fault), "text": place(fault.where, lang)} for fault in left]
    context = {"kind": kind, "name": name, "refers": refers, "meanwhile": None, **more}
    return await show(request, "remove.html", draft=draft, version=draft.configuration.version, **context)


def _wheres(configuration: Configuration) -> list[str]:
    return [fault.where for fault in broken(configuration)]


def removed_page(kind: Kind) -> Page:
    """Removes the part from the draft."""

    async def post_remove(request: Request, name: Name, parts_: Parts) -> Response:
        draft, data = await parts_.desk.draft(), await sent(request)
        form = Form((), {}, number_in(data.get("version")))
        try:
            saved = await save(request, form, lambda old: remove(old, kind, name), draft.configuration.version)
        except ConfigurationFaulty:
            return await _ask(request, kind, name, draft)
        if saved is None:
            return await _ask(request, kind, name, draft, meanwhile=form.meanwhile)
        return go(f"/admin/{kind}?saved={saved.version}")

    return post_remove


async def post_phone(request: Request, name: Name, who: Who) -> Response:
    """A SIP account's password, to be typed into its phone; that it was looked at stands in the audit."""
    try:
        phone = await parts_of(request).phone(name, who.name)
    except NotFound:
        return await show(request, "phone.html", name=name, phone=None)
    return await show(request, "phone.html", name=name, phone=phone)
