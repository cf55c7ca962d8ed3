"""What is different, and making it run: apply, run an earlier version again, surge mode, and how far it has come."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response

from pbx112.api.access import LEAD, Who
from pbx112.api.admin import faults
from pbx112.api.admin.forms import Form, Meanwhile, meanwhile, save, sent
from pbx112.api.admin.page import go, lang_of, number_in, show, who_of
from pbx112.api.admin.words import problem, words
from pbx112.api.parts import Parts, parts_of
from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_diff import Change
from pbx112.domain.errors import ApplyFailed, ConfigurationFaulty, EditConflict, NotFound, Pbx112Error
from pbx112.services.configuring import Applied, ConfigurationDesk, Draft
from pbx112.services.ports import Rendering


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of applying, in words."""

    title: str
    done: Applied | None = None
    told: Sequence[str] = ()
    links: Sequence[dict[str, Any]] = ()
    meanwhile: Meanwhile | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made to run: the form that asks for it, and what it would change."""

    action: str
    title: str
    lead: str
    button: str
    hidden: dict[str, Any]
    changes: Sequence[Change] = ()
    plan: Rendering | None = None
    blocked: Sequence[dict[str, Any]] = field(default=())
    allowed: bool = True


async def get_difference(request: Request, parts: Parts) -> Response:
    """The draft beside what runs."""
    draft = await parts.desk.draft()
    plan = await _plan(parts.desk)
    links = faults.links(draft.faults, lang_of(request))
    return await show(request, "difference.html", draft=draft, plan=plan, blocked=links)


async def get_apply(request: Request, parts: Parts) -> Response:
    """Asks whether the draft shall run."""
    return await _ask(request, await _apply_wish(request, await parts.desk.draft()))


async def post_apply(request: Request, parts: Parts, who: Who) -> Response:
    """Applies the draft and tells what came of it; meanwhile `get_progress` tells how far it is."""
    version = number_in((await sent(request)).get("version"))
    outcome = await _outcome(request, parts.desk.apply(expected_version=version, who=who.name), version)
    return await _ask(request, await _apply_wish(request, await parts.desk.draft()), outcome)


async def _apply_wish(request: Request, draft: Draft) -> Wish:
    lang, version = lang_of(request), draft.configuration.version
    links = faults.links(draft.faults, lang)
    return Wish(
        "/admin/apply",
        words("apply_title", lang),
        words("apply_lead", lang),
        words("apply_button", lang, version=version),
        {"version": version},
        draft.changes,
        None if links else await _plan(parts_of(request).desk),
        links,
    )


async def get_rollback(request: Request, version: str, parts: Parts) -> Response:
    """Asks whether an earlier version shall run again."""
    return await _ask(request, await _rollback_wish(request, number_in(version), await parts.desk.draft()))


async def post_rollback(request: Request, version: str, parts: Parts, who: Who) -> Response:
    """Makes an earlier version the newest and applies it."""
    target, expected = number_in(version), number_in((await sent(request)).get("version"))
    doing = parts.desk.rollback(target, expected_version=expected, who=who.name)
    outcome = await _outcome(request, doing, expected)
    return await _ask(request, await _rollback_wish(request, target, await parts.desk.draft()), outcome)


async def _rollback_wish(request: Request, version: int, draft: Draft) -> Wish:
    lang, desk = lang_of(request), parts_of(request).desk
    return Wish(
        f"/admin/rollback/{version}",
        words("roll_back_version", lang, version=version),
        words("roll_back_lead", lang, version=version),
        words("roll_back_version", lang, version=version),
        {"version": draft.configuration.version},
        await desk.compared(draft.applied.version, version),
    )


async def get_surge(request: Request, parts: Parts) -> Response:
    """The switch of surge mode."""
    return await _ask(request, _surge_wish(request, parts.configuration()))


async def post_surge(request: Request, parts: Parts, who: Who) -> Response:
    """Turns surge mode on or off in what runs; a switch for the moment when there is no time needs no version."""
    on = (await sent(request)).get("on") == "1"
    outcome = await _outcome(request, parts.desk.surge(on=on, who=who.name), 0)
    return await _ask(request, _surge_wish(request, parts.configuration()), outcome)


def _surge_wish(request: Request, running: Configuration) -> Wish:
    lang, who = lang_of(request), who_of(request)
    return Wish(
        "/admin/surge",
        words("surge_on" if running.surge else "surge_off", lang),
        words("surge_lead", lang),
        words("surge_turn_off" if running.surge else "surge_turn_on", lang),
        {"on": "0" if running.surge else "1"},
        allowed=who is not None and who.role in LEAD.roles,
    )


async def get_progress(request: Request, parts: Parts) -> Response:
    """The steps so far, as a fragment that asks for the next; nothing when there is no news."""
    seen = request.query_params.get("seen", "")
    steps = parts.desk.steps if parts.desk.applying else []
    if seen == str(len(steps)):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    lang = lang_of(request)
    said = [words("step.start", lang), *(_step(one, lang) for one in steps)]
    return await show(request, "progress.html", steps=said, seen=len(steps))


def _step(step: str, lang: str) -> str:
    name, _, what = step.partition(":")
    return words(f"step.{name}", lang, what=what)


async def get_discard(request: Request, parts: Parts) -> Response:
    """Asks whether the draft shall be given up."""
    return await show(request, "discard.html", draft=await parts.desk.draft(), meanwhile=None)


async def post_discard(request: Request, parts: Parts) -> Response:
    """Makes the draft what runs."""
    draft = await parts.desk.draft()
    form = Form((), {}, number_in((await sent(request)).get("version")))
    saved = await save(request, form, lambda _: draft.applied, draft.configuration.version)
    if saved is None:
        return await show(request, "discard.html", draft=draft, meanwhile=form.meanwhile)
    return go("/admin")


async def get_versions(request: Request, parts: Parts) -> Response:
    """Every version, the newest first."""
    draft = await parts.desk.draft()
    return await show(request, "versions.html", draft=draft, versions=await parts.desk.versions())


async def get_compare(request: Request, before: str, after: str, parts: Parts) -> Response:
    """How two versions differ."""
    numbers = number_in(before), number_in(after)
    found = await parts.desk.compared(*numbers)
    return await show(request, "compare.html", before=numbers[0], after=numbers[1], changes=found)


async def _plan(desk: ConfigurationDesk) -> Rendering | None:
    try:
        return await desk.plan()
    except (Pbx112Error, OSError):
        return None  # what keeps it from being rendered is told when it is applied


async def _outcome(request: Request, doing: Awaitable[Applied], made_on: int) -> Outcome:
    lang, desk = lang_of(request), parts_of(request).desk
    try:
        done = await doing
    except ConfigurationFaulty as error:
        return Outcome(words("not_applied", lang), links=faults.links(error.found, lang))
    except EditConflict as error:
        newest = (await desk.draft()).configuration.version
        others = await meanwhile(desk, made_on, newest) if 0 < made_on < newest else None
        return Outcome(words("not_applied", lang), told=[problem(error, lang)], meanwhile=others)
    except NotFound:
        raise
    except Pbx112Error as error:
        told = error.told if isinstance(error, ApplyFailed) else ()
        return Outcome(words("not_applied", lang), told=[problem(error, lang), *told])
    return Outcome(words("applied", lang, version=done.version), done=done, told=done.told)


async def _ask(request: Request, wish: Wish, outcome: Outcome | None = None) -> Response:
    return await show(request, "apply.html", wish=wish, outcome=outcome)
