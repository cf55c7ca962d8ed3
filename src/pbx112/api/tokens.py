"""Bearer tokens: JWT, HS256, signed with this service's own secret. Nothing else is accepted."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from jwt.types import Options

from pbx112.domain.errors import NotAuthenticated
from pbx112.services.users import Role

LIFETIME = timedelta(hours=12)
_ALGORITHM = "HS256"
_ISSUER = "pbx112"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks; `operator` is the operator account the user works with. Without `expires_at` it does not end by itself.

    A token of an `epoch` that is over is void.
    """

    name: str
    role: Role
    operator: str | None
    expires_at: datetime | None
    epoch: int = 0


def make_token(
    secret: str, name: str, role: Role, operator: str | None = None, *, lifetime: timedelta = LIFETIME, epoch: int = 0
) -> str:
    """A token for a user, valid from now for `lifetime`; `epoch` is the user's `token_epoch`."""
    now = datetime.now(UTC)
    about = {"sub": name, "role": role.value, "operator": operator, "epoch": epoch}
    claims = {"iss": _ISSUER, **about, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read_token(secret: str, token: str) -> Identity:
    """The identity a token stands for. Raises NotAuthenticated when it is not ours, changed or expired."""
    required = ["iss", "sub", "role", "iat", "exp"]
    # Not `iat`: a clock that is set back must not sign every operator out.
    options: Options = {"require": required, "verify_sub": True, "verify_iat": False}
    try:
        claims = jwt.decode(token, secret, algorithms=[_ALGORITHM], issuer=_ISSUER, options=options)
        operator, epoch = claims.get("operator"), claims.get("epoch")
        return Identity(
            name=claims["sub"],
            role=Role(claims["role"]),
            operator=operator if isinstance(operator, str) else None,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            # Code of before gave none.
            epoch=epoch if isinstance(epoch, int) else 0,
        )
    except jwt.ExpiredSignatureError as error:
        raise NotAuthenticated("The token has expired; sign in again.") from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise NotAuthenticated("The token is not valid; sign in again.") from error
