"""Tokens of programs: listed, made (and shown once), revoked."""

from datetime import UTC, datetime

from fastapi import Request, Response

from pbx112.api.access import Who
from pbx112.api.admin import typed
from pbx112.api.admin.fields import Field
from pbx112.api.admin.forms import Form, sent
from pbx112.api.admin.page import go, lang_of, number_in, show
from pbx112.api.admin.people import role_choices
from pbx112.api.admin.words import words
from pbx112.api.parts import Parts
from pbx112.api.users import refreshed
from pbx112.domain.errors import NoSuchToken
from pbx112.services.api_tokens import MOST_DAYS, create_token, revoke_token
from pbx112.services.users import Role, is_name
from pbx112.storage.api_tokens import StoredToken, list_tokens
from pbx112.storage.engine import reading, transaction


def _fields(lang: str) -> tuple[Field, ...]:
    return (
        Field("name", words("field.name", lang), meaning=words("hint.user_name", lang)),
        Field("role", words("field.role", lang), widget="choice", enum=True, choices=role_choices(lang)),
        Field(
            "expires_in_days",
            words("field.expires_in_days", lang),
            words("days", lang),
            words("hint.expires", lang),
            "number",
            optional=True,
        ),
    )


async def get_tokens(request: Request, parts: Parts) -> Response:
    """All tokens, the newest first."""
    async with reading(parts.engine) as connection:
        found = await list_tokens(connection)
    roles = dict(role_choices(lang_of(request)))
    return await show(request, "tokens.html", tokens=found, roles=roles, now=datetime.now(UTC))


async def get_new_token(request: Request) -> Response:
    """An empty form."""
    fields = _fields(lang_of(request))
    return await _show(request, Form(fields, {**typed.empty(fields), "role": Role.AUDITOR.value}, 0))


async def post_new_token(request: Request, parts: Parts, who: Who) -> Response:
    """Makes a token and shows it this once."""
    fields = _fields(lang_of(request))
    form = Form(fields, typed.typed(await sent(request), fields), 0)
    _look(form, lang_of(request))
    if form.wrong:
        form.mend(form.wrong)
        return await _show(request, form)
    days = int(form.values["expires_in_days"]) if form.values["expires_in_days"] else None
    async with transaction(parts.engine) as connection:
        made = await create_token(
            connection, form.values["name"], Role(form.values["role"]), expires_in_days=days, who=who.name
        )
    await refreshed(parts)
    return await show(request, "token_made.html", token=made)


def _look(form: Form, lang: str) -> None:
    days = str(form.values["expires_in_days"])
    if not is_name(str(form.values["name"])):
        form.wrong.add("name", words("bad.user_name", lang))
    if form.values["role"] not in set(Role):
        form.wrong.add("role", words("cannot_read.enum", lang))
    whole = days.isascii() and days.isdigit() and len(days) <= 4
    if days and not (whole and 1 <= int(days) <= MOST_DAYS):
        form.wrong.add("expires_in_days", words("bad.days", lang))


async def _show(request: Request, form: Form) -> Response:
    summary = form.wrong.summary(lang_of(request))
    return await show(request, "token.html", form=form, summary=summary, status=form.status)


async def get_revoke(request: Request, id: str, parts: Parts) -> Response:  # noqa: A002 - the path's own word
    """Asks whether a token shall be revoked."""
    return await show(request, "token_revoke.html", token=await _token(parts, number_in(id)))


async def post_revoke(request: Request, id: str, parts: Parts, who: Who) -> Response:  # noqa: A002
    """Revokes it for ever."""
    async with transaction(parts.engine) as connection:
        await revoke_token(connection, number_in(id), who=who.name)
    await refreshed(parts)
    return go("/admin/tokens")


async def _token(parts: Parts, number: int) -> StoredToken:
    async with reading(parts.engine) as connection:
        found = await list_tokens(connection)
    for token in found:
        if token.id == number:
            return token
    raise NoSuchToken("No token has this id.")
