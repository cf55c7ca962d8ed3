"""The admin's work: edits of the configuration as drafts, their check, and applying them to Asterisk."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import Name, config_version_in
from pbx112.api.parts import Parts
from pbx112.api.parts_in import configuration_in, part_in, rules_in
from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_diff import Change
from pbx112.domain.configuration_edit import Kind, part, parts, put, remove, with_rules
from pbx112.domain.configuration_parts import Fault
from pbx112.domain.configuration_words import say
from pbx112.services.configuring import Applied, Draft

PartBody = Annotated[dict[str, Any], Body(description="All fields of the part; `name` may be left out.")]
Version = Annotated[int, Path(ge=1, le=2**31)]


class RollbackWish(BaseModel):
    """To which version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[int, Field(ge=1, le=2**31)]
    apply: bool = True


class SurgeWish(BaseModel):
    """Surge mode on or off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: bool


async def get_config(parts_: Parts) -> Response:
    """The newest version of the configuration (the draft), what is wrong with it, and how it differs from what runs.

    Its ETag is the version that every edit must name in If-Match.
    """
    return _draft(await parts_.desk.draft(), parts_.lang)


async def put_config(request: Request, body: PartBody, parts_: Parts, who: Who) -> Response:
    """Replace the whole draft. Needs If-Match. Nothing changes in Asterisk until it is applied."""
    version = config_version_in(request)
    new = configuration_in({**body, "version": version})
    await parts_.desk.edit(lambda _: new, expected_version=version, who=who.name)
    return await get_config(parts_)


async def get_plan(parts_: Parts) -> Response:
    """What applying the draft would change: sentences, files of Asterisk's, and what Asterisk reads again."""
    draft = await parts_.desk.draft()
    plan = await parts_.desk.plan()
    return answer(
        {
            "version": draft.configuration.version,
            "applied_version": draft.applied.version,
            "changes": _changes(draft.changes, parts_.lang),
            "files": plan.files,
            "modules": plan.modules,
        }
    )


async def get_versions(parts_: Parts, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
    """The versions, the newest first, each with what came of applying it."""
    versions = await parts_.desk.versions(limit=limit)
    running = parts_.configuration().version
    return answer({"items": [{**one, "running": one["id"] == running} for one in versions]})


async def get_difference(before: Version, after: Version, parts_: Parts) -> Response:
    """How two versions differ."""
    return answer({"changes": _changes(await parts_.desk.compared(before, after), parts_.lang)})


async def validate(parts_: Parts) -> Response:
    """Everything that keeps the draft from being applied, each fault with its field; `warnings` do not keep it."""
    draft = await parts_.desk.draft()
    lang = parts_.lang
    faults, warnings = _faults(draft.faults, lang), _faults(draft.warnings, lang)
    return answer({"version": draft.configuration.version, "faults": faults, "warnings": warnings})


async def apply(request: Request, parts_: Parts, who: Who) -> Response:
    """Apply the draft to Asterisk and read it back; on any difference the version of before stays. Needs If-Match."""
    return _applied(await parts_.desk.apply(expected_version=config_version_in(request), who=who.name))


async def rollback(request: Request, wish: RollbackWish, parts_: Parts, who: Who) -> Response:
    """Make an earlier version the newest one and, unless told otherwise, apply it. Needs If-Match."""
    version = config_version_in(request)
    if not wish.apply:
        await parts_.desk.take_back(wish.version, expected_version=version, who=who.name)
        return await get_config(parts_)
    return _applied(await parts_.desk.rollback(wish.version, expected_version=version, who=who.name))


async def get_progress(parts_: Parts) -> Response:
    """The steps that the running application has come to, or the last one."""
    return answer({"steps": list(parts_.desk.steps)})


async def post_surge(wish: SurgeWish, parts_: Parts, who: Who) -> Response:
    """Surge mode: everybody who is logged in takes the main queue's calls. Nothing else of a draft is applied."""
    return _applied(await parts_.desk.surge(on=wish.on, who=who.name))


async def get_calendars(parts_: Parts) -> Response:
    """All calendars."""
    return answer({"items": [asdict(calendar) for calendar in parts_.configuration().calendars]})


async def get_entry_rules(parts_: Parts) -> Response:
    """The applied entry rules, in their order."""
    return answer({"items": [asdict(rule) for rule in parts_.configuration().entry_rules]})


async def put_entry_rules(
    request: Request, body: Annotated[list[dict[str, Any]], Body()], parts_: Parts, who: Who
) -> Response:
    """Replace the draft's entry rules. Needs If-Match."""
    rules = rules_in(body)
    version = config_version_in(request)
    saved = await parts_.desk.edit(lambda old: with_rules(old, rules), expected_version=version, who=who.name)
    return _saved(saved, {"items": [asdict(rule) for rule in saved.entry_rules]})


def put_part(kind: Kind) -> Any:
    """The endpoint that puts a part of this kind into the draft."""

    async def endpoint(name: Name, request: Request, body: PartBody, parts_: Parts, who: Who) -> Response:
        """Put this into the draft, new or in the place of the one of its name. Needs If-Match; asks for all fields."""
        new = part_in(kind, name, body)
        version = config_version_in(request)
        saved = await parts_.desk.edit(lambda old: put(old, kind, new), expected_version=version, who=who.name)
        return _saved(saved, asdict(part(saved, kind, name)))

    endpoint.__name__ = f"put_{kind}"
    return endpoint


def delete_part(kind: Kind) -> Any:
    """The endpoint that takes a part of this kind out of the draft."""

    async def endpoint(name: Name, request: Request, parts_: Parts, who: Who) -> Response:
        """Take this out of the draft. Needs If-Match. What others of the configuration name cannot be taken out."""
        version = config_version_in(request)
        saved = await parts_.desk.edit(lambda old: remove(old, kind, name), expected_version=version, who=who.name)
        return _saved(saved, {"items": [one.name for one in parts(saved, kind)]})

    endpoint.__name__ = f"delete_{kind}"
    return endpoint


async def get_phone(name: Name, parts_: Parts, who: Who) -> Response:
    """A SIP account's password, to be typed into its phone; that it was read stands in the audit."""
    return answer(await parts_.phone(name, who.name))


def _draft(draft: Draft, lang: str) -> Response:
    body = {
        "version": draft.configuration.version,
        "applied_version": draft.applied.version,
        "configuration": draft.configuration.to_json(),
        "faults": _faults(draft.faults, lang),
        "warnings": _faults(draft.warnings, lang),
        "changes": _changes(draft.changes, lang),
    }
    return answer(body, headers=_etag(draft.configuration))


def _saved(saved: Configuration, body: Any) -> Response:
    return answer({"version": saved.version, **body}, headers=_etag(saved))


def _etag(configuration: Configuration) -> dict[str, str]:
    return {"ETag": f'"{configuration.version}"'}


def _applied(done: Applied) -> Response:
    body = {
        "version": done.version,
        "files": done.rendering.files,
        "modules": done.rendering.modules,
        "told": done.told,
    }
    return answer(body, headers={"ETag": f'"{done.version}"'})


def _faults(found: tuple[Fault, ...], lang: str) -> list[dict[str, str]]:
    return [{"field": fault.where, "message": say(fault, lang)} for fault in found]


def _changes(found: tuple[Change, ...], lang: str) -> list[dict[str, Any]]:
    return [{**asdict(change), "text": change.say(lang)} for change in found]
