"""Who may do what: the rule that each route names in the table of routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from pbx112.api.tokens import Identity
from pbx112.domain.errors import NotAllowed
from pbx112.services.users import Role


@dataclass(frozen=True, slots=True)
class Access:
    """A route's rule: everybody, or these roles, or (`own`) these roles where the path names their own operator.

    `oneself`: these roles too, where the path names the user himself.
    """

    roles: frozenset[Role] = frozenset()
    own: frozenset[Role] = frozenset()
    oneself: frozenset[Role] = frozenset()
    public: bool = False

    def check(self, identity: Identity, path: Mapping[str, str]) -> None:
        """Raises NotAllowed when the rule does not cover this."""
        if identity.role in self.roles:
            return
        if identity.role in self.own:
            if identity.operator is not None and path.get("name") == identity.operator:
                return
            raise NotAllowed("An operator may do this for himself only.")
        if identity.role in self.oneself:
            if path.get("name") == identity.name:
                return
            raise NotAllowed("A user may do this for himself only.")
        raise NotAllowed(f"The role {identity.role} may not do this.")


PUBLIC = Access(public=True)
NOBODY = Access()
STAFF = Access(frozenset(Role))
DESK = Access(frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}))
OVERSIGHT = Access(frozenset({Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR}))
AUDIT = Access(frozenset({Role.ADMIN, Role.AUDITOR}))
ADMIN_OR_ONESELF = Access(frozenset({Role.ADMIN}), oneself=frozenset(Role))
LEAD = Access(frozenset({Role.SUPERVISOR, Role.ADMIN}))
ADMIN_ONLY = Access(frozenset({Role.ADMIN}))
OWN_OR_LEAD = Access(frozenset({Role.SUPERVISOR, Role.ADMIN}), own=frozenset({Role.OPERATOR}))


def identity_of(connection: HTTPConnection) -> Identity:
    """The identity that the guard of the routes found."""
    return cast(Identity, connection.state.identity)


Who = Annotated[Identity, Depends(identity_of)]
