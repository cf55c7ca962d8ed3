"""The admin's rules, and what they make of one caller."""

from datetime import UTC, datetime

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import RulesBody, number_in, rules_version_in
from pbx112.api.parts import Parts
from pbx112.domain.errors import EditConflict
from pbx112.domain.rules import InvalidRules, Rules
from pbx112.services.nuisance import caller_score
from pbx112.services.rules import change_rules
from pbx112.storage.engine import reading, transaction
from pbx112.storage.rules import StoredRules, load


async def get_rules(parts: Parts) -> Response:
    """The rules; their ETag is the version that an edit must name."""
    async with reading(parts.engine) as connection:
        stored = await load(connection)
    return _with_etag(stored)


async def put_rules(request: Request, body: RulesBody, parts: Parts, who: Who) -> Response:
    """Replace the rules by these, whole. Needs If-Match with the rules' ETag. Calls follow them within seconds."""
    version = rules_version_in(request)
    if body.pop("version", version) != version:
        raise EditConflict("The body's version is not the one that If-Match names; read the rules again.")
    rules = _read(body)
    async with transaction(parts.engine) as connection:
        stored = await change_rules(connection, rules, expected_version=version, who=who.name)
    parts.nuisance_changed()
    return _with_etag(stored)


async def get_caller_score(number: str, parts: Parts) -> Response:
    """A number's nuisance score and what it is made of. A number that nobody called from has the score 0."""
    key = number_in(number)
    async with reading(parts.engine) as connection:
        return answer(await caller_score(connection, key, datetime.now(UTC)))


def _read(body: object) -> Rules:
    try:
        return Rules.from_json(body, whole=True)
    except InvalidRules as error:
        # As every body that does not fit its description: each fault by its field.
        faults = [{"loc": ("body", *field.split(".")), "msg": words} for field, words in error.faults]
        raise RequestValidationError(faults) from error


def _with_etag(stored: StoredRules) -> Response:
    return answer(stored.to_json(), headers={"ETag": f'"{stored.version}"'})
