"""Signing in: a name and a password for a bearer token."""

from typing import Annotated, cast

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from pbx112.api.answers import answer
from pbx112.api.parts import Parts
from pbx112.api.tokens import LIFETIME, make_token
from pbx112.domain.errors import NotAuthenticated
from pbx112.services.users import PASSWORD_LENGTHS, Role, SignIn


async def post_token(request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()], parts: Parts) -> Response:
    """Sign in with the OAuth2 password form; the token is good for 12 hours."""
    if len(form.username) > 64 or len(form.password) > PASSWORD_LENGTHS[1]:
        raise NotAuthenticated("The name or the password is wrong.")
    sign_in = cast(SignIn, request.app.state.sign_in)
    user = await sign_in.check(form.username, form.password)
    token = make_token(parts.token_secret, user.name, Role(user.role), user.operator)
    return answer(
        {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "name": user.name,
            "role": user.role,
            "operator": user.operator,
        }
    )
