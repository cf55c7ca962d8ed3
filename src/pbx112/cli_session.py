"""What a command works with: settings, the database, the running service."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.tokens import make_token
from pbx112.bootstrap.applied import database_url
from pbx112.bootstrap.prepare import token_secret
from pbx112.domain.errors import Pbx112Error
from pbx112.services.users import Role
from pbx112.settings import Settings
from pbx112.storage.engine import make_engine

_TOKEN_LIFETIME = timedelta(minutes=1)
_HTTP_SECONDS = 15.0
_Result = TypeVar("_Result")


class ServiceAway(Pbx112Error):
    """The service does not answer on its HTTP address."""

    slug = "service-away"


class ServiceRefused(Pbx112Error):
    """The service answered with a problem; the text is its own."""

    slug = "service-refused"


def settings() -> Settings:
    """The environment's settings."""
    return Settings()


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run one command's work to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def database(of: Settings) -> AsyncIterator[AsyncEngine]:
    """A small pool for one command, gone with it."""
    engine = make_engine(database_url(of), pool_size=1)
    try:
        yield engine
    finally:
        await engine.dispose()


async def ask_service(
    of: Settings,
    method: str,
    path: str,
    body: Any = None,
    *,
    if_match: int | None = None,
    content: bytes | None = None,
    within_s: float = _HTTP_SECONDS,
) -> Any:
    """One request to the running service, in the name of the system's user; `if_match`: the version that is edited.

    The body is JSON, or the bytes of `content`.

    Raises ServiceAway when nobody answers, ServiceRefused with the service's own words otherwise.
    """
    host, port = of.http_bind
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    token = make_token(token_secret(of), who(), Role.ADMIN, lifetime=_TOKEN_LIFETIME)
    try:
        headers = {"Authorization": f"Bearer {token}"} | ({} if if_match is None else {"If-Match": f'"{if_match}"'})
        async with httpx.AsyncClient(timeout=within_s, trust_env=False) as client:
            sent: dict[str, Any] = {"json": body} if content is None else {"content": content}
            answer = await client.request(method, f"http://{host}:{port}/v1{path}", headers=headers, **sent)
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServiceAway(
            f"The service does not answer on http://{host}:{port}: start it (make run, or pbx112 serve), "
            "or look at `pbx112 doctor`."
        ) from error
    if answer.is_error:
        raise ServiceRefused(str(found.get("detail", answer.reason_phrase)))
    return found


def who() -> str:
    """Who runs the command, for the audit: `cli:<user id's name>`."""
    return f"cli:{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.getuid()}"
