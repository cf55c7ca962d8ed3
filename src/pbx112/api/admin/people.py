"""Users: who may sign in, with which role; added, changed, removed. Their tokens follow at once."""

from typing import Any

from fastapi import Request, Response

from pbx112.api.access import Who
from pbx112.api.admin import typed
from pbx112.api.admin.fields import Field
from pbx112.api.admin.forms import Form, sent
from pbx112.api.admin.page import go, lang_of, show
from pbx112.api.admin.words import problem, words
from pbx112.api.inputs import Name, storable
from pbx112.api.parts import Parts
from pbx112.api.sign_in import sign_in_of, source_of
from pbx112.api.tokens import Identity
from pbx112.api.users import refreshed
from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import BadInput, LastAdmin, NotAuthenticated
from pbx112.services.users import PASSWORD_LENGTHS, Role, is_name, remove_user, save_user, the_user
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import StoredUser, get_user, list_users


def role_choices(lang: str) -> tuple[tuple[str, str], ...]:
    """The roles in words."""
    return tuple((role.value, words(f"role.{role}", lang)) for role in Role)


def _fields(running: Configuration, lang: str, *, new: bool, oneself: bool) -> tuple[Field, ...]:
    name = Field("name", words("user_name", lang), meaning=words("hint.user_name", lang))
    role = Field("role", words("field.role", lang), widget="choice", enum=True, choices=role_choices(lang))
    operator = Field(
        "operator",
        words("field.operator", lang),
        meaning=words("hint.operator", lang),
        widget="choice",
        optional=True,
        none=True,
        choices=tuple((one.name, f"{one.name} ({one.display_name})") for one in running.operators),
    )
    disabled = Field(
        "disabled", words("field.disabled", lang), meaning=words("hint.disabled", lang), widget="check", default=False
    )
    hint = words("hint.password_new" if new else "hint.password_keep", lang)
    password = Field("password", words("field.password", lang), meaning=hint, widget="password", optional=not new)
    old = Field(
        "old_password",
        words("field.old_password", lang),
        meaning=words("hint.old_password", lang),
        widget="password",
        optional=True,
    )
    found = (role, operator, disabled, password)
    return (name, *found) if new else (*found, old) if oneself else found


async def get_users(request: Request, parts: Parts) -> Response:
    """All users."""
    async with reading(parts.engine) as connection:
        found = await list_users(connection)
    lang = lang_of(request)
    done = [(key, request.query_params.get(key, "")) for key in ("saved", "removed")]
    notice = next((words(_NOTICES[key], lang, name=name) for key, name in done if is_name(name)), "")
    return await show(request, "users.html", users=found, roles=dict(role_choices(lang)), notice=notice)


_NOTICES = {"saved": "user_saved", "removed": "removed"}


async def get_new_user(request: Request, parts: Parts) -> Response:
    """An empty form."""
    fields = _fields(parts.configuration(), lang_of(request), new=True, oneself=False)
    return await _show(request, "", Form(fields, {**typed.empty(fields), "role": Role.SUPERVISOR.value}, 0))


async def get_user_page(request: Request, name: Name, parts: Parts, who: Who) -> Response:
    """One user's form."""
    async with reading(parts.engine) as connection:
        user = await the_user(connection, name)
    fields = _fields(parts.configuration(), lang_of(request), new=False, oneself=who.name == name)
    return await _show(request, name, Form(fields, {**typed.empty(fields), **_shown(user)}, 0))


def _shown(user: StoredUser) -> dict[str, Any]:
    return {"role": user.role, "operator": user.operator or "", "disabled": user.disabled}


async def post_new_user(request: Request, parts: Parts, who: Who) -> Response:
    """Add a user."""
    return await _post(request, parts, who, "")


async def post_user(request: Request, name: Name, parts: Parts, who: Who) -> Response:
    """Change a user."""
    return await _post(request, parts, who, name)


async def _post(request: Request, parts: Parts, who: Identity, known: str) -> Response:
    data, lang = await sent(request), lang_of(request)
    fields = _fields(parts.configuration(), lang, new=not known, oneself=who.name == known)
    form = Form(fields, typed.typed(data, fields), 0)
    for secret in ("password", "old_password"):
        form.values[secret] = str(data.get(secret, ""))  # a password may begin or end with a space
    name = known or str(form.values["name"])
    await _look(request, form, name, new=not known)
    if not form.wrong:
        try:
            await _save(parts, form, name, who)
        except (BadInput, LastAdmin) as error:
            form.wrong.add("", problem(error, lang))
    if form.wrong:
        form.mend(form.wrong)
        form.values |= {"password": "", "old_password": ""}
        return await _show(request, known, form)
    await refreshed(parts)
    return go(f"/admin/users?saved={name}")


async def _look(request: Request, form: Form, name: str, *, new: bool) -> None:
    """What can be said of the fields before anything is done."""
    lang, values, wrong = lang_of(request), form.values, form.wrong
    if not is_name(name):
        wrong.add("name" if new else "", words("bad.user_name", lang))
    if values["role"] not in set(Role):
        wrong.add("role", words("cannot_read.enum", lang))
    if values["role"] == Role.OPERATOR and not values["operator"]:
        wrong.add("operator", words("bad.operator", lang))
    password = str(values["password"])
    if (new or password) and not _is_password(password):
        wrong.add("password", words("bad.password", lang))
    if new and not wrong and await _exists(request, name):
        wrong.add("name", words("name_taken", lang, name=name))
    if password and "old_password" in {field.name for field in form.fields}:
        try:
            # By the way of signing in: whoever found a session must not guess the password quickly.
            await sign_in_of(request).check(name, str(values["old_password"]), source=source_of(request))
        except NotAuthenticated:
            wrong.add("old_password", words("bad.old_password", lang))


def _is_password(text: str) -> bool:
    try:
        return PASSWORD_LENGTHS[0] <= len(text) <= PASSWORD_LENGTHS[1] and storable(text) is not None
    except ValueError:
        return False


async def _exists(request: Request, name: str) -> bool:
    async with reading(request.app.state.parts.engine) as connection:
        return await get_user(connection, name) is not None


async def _save(parts: Parts, form: Form, name: str, who: Identity) -> None:
    values = form.values
    async with transaction(parts.engine) as connection:
        await save_user(
            connection,
            name,
            role=Role(values["role"]),
            operator=values["operator"] or None,
            disabled=bool(values["disabled"]),
            password=str(values["password"]) or None,
            who=who.name,
        )


async def _show(request: Request, name: str, form: Form) -> Response:
    summary = form.wrong.summary(lang_of(request))
    return await show(request, "user.html", name=name, form=form, summary=summary, status=form.status)


async def get_remove_user(request: Request, name: Name, parts: Parts) -> Response:
    """Asks whether a user shall be removed."""
    async with reading(parts.engine) as connection:
        await the_user(connection, name)
    return await show(request, "user_remove.html", name=name, told="")


async def post_remove_user(request: Request, name: Name, parts: Parts, who: Who) -> Response:
    """Removes him."""
    try:
        async with transaction(parts.engine) as connection:
            await remove_user(connection, name, who=who.name)
    except LastAdmin as error:
        return await show(request, "user_remove.html", name=name, told=problem(error, lang_of(request)))
    await refreshed(parts)
    return go(f"/admin/users?removed={name}")
