"""Before every page: the request comes from a page of ours, and from somebody whom the table of routes lets in."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from pbx112.api import errors
from pbx112.api.admin.page import go, lang_of, show
from pbx112.api.admin.sessions import SESSION_COOKIE, forget
from pbx112.api.admin.words import ForeignForm, problem
from pbx112.api.admission import admit_page
from pbx112.api.routes import access_of
from pbx112.domain.errors import BadInput, NotAuthenticated, NotFound, Pbx112Error

_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class PageRoute(APIRoute):
    """A page behind its rule in the table of routes; what is refused is told on a page too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the gate."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                check_origin(request)
                admit_page(request, access_of(request.method, self.path))
                return await handle(request)
            except NotAuthenticated:
                return _to_sign_in(request)
            except (Pbx112Error, RequestValidationError, HTTPException) as error:
                return await refused(request, error)

        return guarded


async def no_such_page(request: Request, error: Exception) -> Response:
    """The answer to an address that is none: among the pages a page."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the app registers it for nothing else
    if request.url.path.startswith("/admin/"):
        return await refused(request, NotFound("There is no such page."))
    return errors.of_http(error)


def check_origin(request: Request) -> None:
    """Raises NotAllowed for a form that a page of another site sends: the cookie's SameSite is the first wall."""
    if request.method not in _UNSAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or site not in {None, "same-origin"} or (site is None and origin is None):
        raise ForeignForm("This form was not sent by a page of this service.")


def _to_sign_in(request: Request) -> Response:
    """To the page for signing in, and from there back to where it was."""
    back = request.url.path
    if request.method == "GET" and request.url.query:
        back += f"?{request.url.query}"
    url = f"/admin/sign-in?next={quote(back)}"
    if SESSION_COOKIE in request.cookies:
        url += "&ended=1"
    if "hx-request" in request.headers:
        # A fragment cannot hold the page for signing in: htmx goes there.
        return Response(status_code=204, headers={"HX-Redirect": url})
    return forget(request, go(url))


async def refused(request: Request, error: Exception) -> Response:
    """Why a page cannot be had, in words."""
    if isinstance(error, RequestValidationError):
        error = BadInput("The address of this page is wrong.")
    if isinstance(error, HTTPException):
        return await show(request, "error.html", status=error.status_code, told=str(error.detail))
    assert isinstance(error, Pbx112Error)  # noqa: S101 - the only kind that is left
    told = problem(error, lang_of(request))
    return await show(request, "error.html", status=errors.status_of(error), told=told)
