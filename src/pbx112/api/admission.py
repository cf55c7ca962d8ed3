"""Who a request comes from: by a user's bearer token or a program's, checked against what both may still do."""

from dataclasses import replace

from fastapi import Request

from pbx112.api.access import Access
from pbx112.api.parts import ApiParts
from pbx112.api.tokens import Identity, read_token
from pbx112.domain.errors import NotAuthenticated
from pbx112.services.api_tokens import PREFIX, user_of
from pbx112.services.users import Role

SESSION_COOKIE = "pbx112_session"
"""Holds the bearer token of whoever signed in on a page."""


def identify(parts: ApiParts, token: str) -> Identity:
    """Who a token stands for, with the role that he has now. Raises NotAuthenticated, DatabaseUnavailable."""
    if token.startswith(PREFIX):
        program = parts.credentials.program(token)
        return Identity(user_of(program), Role(program.role), None, program.expires_at)
    said = read_token(parts.token_secret, token)
    now = parts.credentials.standing(said.name, said.epoch, said.role, said.operator)
    return replace(said, role=now.role, operator=now.operator)


def admit(request: Request, access: Access) -> None:
    """Let a request through a route's rule. Raises NotAuthenticated, NotAllowed, DatabaseUnavailable."""
    if access.public:
        return
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("Send a bearer token; POST /v1/token gives one for a name and a password.")
    _let_in(request, access, token.strip())


def admit_page(request: Request, access: Access) -> None:
    """Let somebody with the cookie of a session through a page's rule; no other door takes it. Raises the same."""
    if access.public:
        return
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token or token.startswith(PREFIX):
        raise NotAuthenticated("Sign in first.")
    _let_in(request, access, token)


def _let_in(request: Request, access: Access, token: str) -> None:
    identity = identify(request.app.state.parts, token)
    request.state.identity = identity  # before the rule: a page that is refused still knows for whom
    access.check(identity, request.path_params)
