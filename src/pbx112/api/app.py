"""Builds the web door from its parts."""

import functools
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from pbx112.api import errors
from pbx112.api.admin.gate import PageRoute, no_such_page
from pbx112.api.admission import admit
from pbx112.api.guard import Guard
from pbx112.api.models import Problem
from pbx112.api.parts import ApiParts
from pbx112.api.routes import PAGES, ROUTES, Route, access_of
from pbx112.services.health import Readiness
from pbx112.services.sign_in import SignIn


class GuardedRoute(APIRoute):
    """A route that looks itself up in the table of routes, before it reads anything of a request's body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the rule of the table."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            admit(request, access_of(request.method, self.path))
            return await handle(request)

        return guarded


def make_app(parts: ApiParts) -> FastAPI:
    """The web door over these parts; start it from the event loop that its parts live in."""
    app = FastAPI(
        title="pbx112",
        version=parts.version,
        description="The telephony service of the emergency number 112, beside Asterisk.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.router.redirect_slashes = False
    app.state.parts = parts
    app.state.sign_in = SignIn(parts.engine)
    app.state.readiness = Readiness(
        parts.engine, parts.telephone, parts.live, parts.journal, parts.agi, more=parts.more_health
    )
    app.add_middleware(Guard, metrics=parts.metrics)
    errors.install(app)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, no_such_page)
    app.router.routes.extend(_doors())
    return app


@functools.cache
def _doors() -> tuple[BaseRoute, ...]:
    """The table's routes. They hold nothing of an app, and cost fifty milliseconds: the tests make hundreds of apps."""
    router = APIRouter(route_class=GuardedRoute)
    for route in ROUTES:
        _add(router, route)
    return tuple(router.routes)


def _add(router: APIRouter, route: Route) -> None:
    if route.method == "WEBSOCKET":
        router.add_api_websocket_route(route.path, route.endpoint)
        return
    if route.group == PAGES:
        _add_page(router, route)
        return
    for path in (route.path, *route.also):
        router.add_api_route(
            path,
            route.endpoint,
            methods=[route.method],
            tags=[route.group],
            response_model=None,
            responses=_responses(route),
            response_class=route.answers,
            include_in_schema=path == route.path,
            operation_id=f"{route.method.lower()}_{route.endpoint.__name__}",
            openapi_extra=_more(route),
        )


def _add_page(router: APIRouter, route: Route) -> None:
    router.add_api_route(
        route.path,
        route.endpoint,
        methods=[route.method],
        response_model=None,
        include_in_schema=False,
        route_class_override=PageRoute,
    )


def _more(route: Route) -> dict[str, Any]:
    """What the documentation cannot see: who may ask, and a body that the endpoint reads by itself."""
    found: dict[str, Any] = {} if route.access.public else {"security": [{"password": []}]}
    if route.takes:
        schema = {"type": "string", "format": "binary"}
        found["requestBody"] = {"required": True, "content": {route.takes: {"schema": schema}}}
    return found


def _responses(route: Route) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {
        "default": {"description": "A problem document (RFC 9457).", "model": Problem}
    }
    if route.model is not None:
        found[200] = {"model": route.model, "description": "As asked."}
    return found
