"""Signing in: a name and a password for a bearer token."""

from ipaddress import IPv6Address, ip_address
from typing import Annotated, cast

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from pbx112.api.answers import answer
from pbx112.api.parts import Parts
from pbx112.api.tokens import LIFETIME, make_token
from pbx112.domain.errors import NotAuthenticated
from pbx112.services.sign_in import SignIn
from pbx112.services.users import PASSWORD_LENGTHS, Role


async def post_token(request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()], parts: Parts) -> Response:
    """Sign in with the OAuth2 password form; the token is good for 12 hours."""
    if len(form.username) > 64 or len(form.password) > PASSWORD_LENGTHS[1]:
        raise NotAuthenticated("The name or the password is wrong.")
    user = await sign_in_of(request).check(form.username, form.password, source=source_of(request))
    parts.credentials.learn(user)
    token = make_token(parts.token_secret, user.name, Role(user.role), user.operator, epoch=user.token_epoch)
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


def sign_in_of(request: Request) -> SignIn:
    """What checks passwords in this app."""
    return cast(SignIn, request.app.state.sign_in)


def source_of(request: Request) -> str:
    """The address that a request comes from; of IPv6 the network, for one machine has many addresses there."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.exploded[:19]
    return host
