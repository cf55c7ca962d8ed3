"""Signing in to the pages and out again: the same check and the same token as the API's, kept in a cookie."""

from urllib.parse import urlsplit

from fastapi import Request, Response

from pbx112.api.admin.page import LANGUAGE_COOKIE, go, lang_of, show, static_bytes
from pbx112.api.admin.page import STATIC as TYPES
from pbx112.api.admin.words import LANGUAGES, problem, words
from pbx112.api.admission import SESSION_COOKIE
from pbx112.api.errors import status_of
from pbx112.api.parts import Parts
from pbx112.api.sign_in import sign_in_of, source_of
from pbx112.api.tokens import LIFETIME, make_token
from pbx112.domain.errors import NotAllowed, NotAuthenticated, Overloaded
from pbx112.services.users import PASSWORD_LENGTHS, Role
from pbx112.storage.users import StoredUser

__all__ = ["SESSION_COOKIE", "forget", "get_sign_in", "get_static", "post_language", "post_sign_in", "post_sign_out"]

_YEAR = 365 * 24 * 3600


async def get_sign_in(request: Request) -> Response:
    """Name and password."""
    ended = "ended" in request.query_params
    notice = words("session_ended", lang_of(request)) if ended else ""
    return await show(request, "sign_in.html", next=_inside(request.query_params.get("next")), notice=notice, name="")


async def post_sign_in(request: Request, parts: Parts) -> Response:
    """Sign in; then on to the page that was asked for."""
    form = await request.form()
    name, password = (str(form.get(field, "")) for field in ("name", "password"))
    following = _inside(str(form.get("next", "")))
    try:
        user = await _checked(request, name, password)
    except (NotAuthenticated, NotAllowed, Overloaded) as error:
        told = problem(error, lang_of(request), signing_in=True)
        return await show(request, "sign_in.html", status=status_of(error), next=following, notice=told, name=name[:64])
    parts.credentials.learn(user)
    token = make_token(parts.token_secret, user.name, Role(user.role), user.operator, epoch=user.token_epoch)
    answer = go(following)
    _keep(request, answer, SESSION_COOKIE, token, int(LIFETIME.total_seconds()))
    return answer


async def _checked(request: Request, name: str, password: str) -> StoredUser:
    if len(name) > 64 or len(password) > PASSWORD_LENGTHS[1]:
        raise NotAuthenticated("The name or the password is wrong.")
    user = await sign_in_of(request).check(name, password, source=source_of(request))
    if user.role == Role.OPERATOR:
        raise NotAllowed("These pages are for admins, supervisors and auditors.")
    return user


async def post_sign_out(request: Request) -> Response:
    """Let the browser forget who he is."""
    return forget(request, go("/admin/sign-in"))


async def post_language(request: Request) -> Response:
    """Remember the language, and show the same page in it."""
    form = await request.form()
    answer = go(_inside(str(form.get("back", ""))))
    chosen = str(form.get("lang", ""))
    if chosen in LANGUAGES:
        _keep(request, answer, LANGUAGE_COOKIE, chosen, _YEAR)
    return answer


async def get_static(name: str) -> Response:
    """Style, script and icon; their address changes with their content."""
    cached = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(static_bytes(name), headers=cached, media_type=TYPES[name])


def forget(request: Request, answer: Response) -> Response:
    """The answer, by which the browser drops the session's cookie."""
    _keep(request, answer, SESSION_COOKIE, "", 0)
    return answer


def _keep(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    """A cookie that no script reads, that no other site's page sends, and that goes to the pages only."""
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, max_age=seconds, path="/admin", httponly=True, samesite="strict", secure=secure)


def _inside(url: str | None) -> str:
    """The address when it is one of our pages, else the first page: nobody is sent elsewhere from here."""
    found = urlsplit(url or "")
    inside = not found.scheme and not found.netloc and (found.path == "/admin" or found.path.startswith("/admin/"))
    clean = url is not None and url.isprintable() and "\\" not in url and not found.path.startswith("/admin/sign-")
    return url if inside and clean and url is not None else "/admin"
