"""What clients may send, bounded and checked before anything is done with it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Body, Header, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pbx112.domain.caller import CallerClass
from pbx112.domain.dialled import normalise
from pbx112.domain.errors import BadInput, EditConflict, NoSuchCall, NoSuchTransfer, VersionRequired
from pbx112.domain.record import CallState, Outcome
from pbx112.domain.rules import Rules
from pbx112.domain.transfer import TransferMode
from pbx112.services.abandoned import AbandonedResult
from pbx112.services.annotation import Disposition
from pbx112.storage.call_list import CallFilter

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_ETAG = re.compile(r'"(\d{1,9})"')
_NUMBER = re.compile(r"\+?[0-9]{3,15}")


def _time(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("not an RFC 3339 time with its offset, such as 2025-01-31T17:00:00Z (in a URL write + as %2B)")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("no such time exists") from error


def storable(value: str | None) -> str | None:
    """The text, when it is one. Raises ValueError."""
    # PostgreSQL stores no NUL, and half a surrogate pair is no text.
    if value is not None and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise ValueError("contains a character that is no text")
    return value


Time = Annotated[datetime, BeforeValidator(_time)]
Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(storable)]
Words = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(storable)]


class CallQuery(BaseModel):
    """The filters of `GET /v1/calls`; all that are given must fit a call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Time | None, Field(description="received at or after this time")] = None
    until: Annotated[Time | None, Field(description="received before this time")] = None
    state: CallState | None = None
    outcome: Outcome | None = None
    queue: Name | None = None
    operator: Name | None = None
    caller_class: CallerClass | None = None
    number: Annotated[Name | None, Field(description="the caller's number")] = None
    q: Annotated[Words | None, Field(description="words to look for in the record")] = None
    drill: Annotated[bool | None, Field(description="true: drills only; false: no drills")] = None
    cursor: Annotated[str | None, Field(max_length=256, description="`next_cursor` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def filter(self) -> CallFilter:
        """The same for the storage."""
        return CallFilter(**self.model_dump(exclude={"cursor", "limit"}))


class CallEdit(BaseModel):
    """What `PATCH /v1/calls/{id}` changes; a field that is not sent stays, `null` empties it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Annotated[str | None, Field(max_length=64), AfterValidator(storable)] = None
    notes: Annotated[str | None, Field(max_length=4000), AfterValidator(storable)] = None
    disposition: Disposition | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one of category, notes, disposition")
        return self

    def changes(self) -> dict[str, str | None]:
        """The fields that were sent; an empty text is an absent fact."""
        return {name: value or None for name, value in self.model_dump(mode="json", exclude_unset=True).items()}


class Pause(BaseModel):
    """Why an operator pauses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class CallbackWish(BaseModel):
    """Who is to call back; an operator may leave it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Annotated[Name | None, Field(description="the operator whose phone is rung")] = None


class TransferWish(BaseModel):
    """Which agency is to be called for the caller, and how he is handed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agency: Name
    mode: Annotated[
        TransferMode,
        Field(
            description="warm: the caller on hold while the operator briefs the agency; conference: all together; "
            "blind: the operator leaves at once"
        ),
    ]


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="a word of the client's own: the same again, and the answer is the same, and nothing is done",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
    ),
]


class AbandonedQuery(BaseModel):
    """How much of the list of abandoned callers to give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[
        int, Field(ge=1, le=500, description="callers at most, of those to call back and of each group")
    ] = 100


class AbandonedCalls(BaseModel):
    """Abandoned calls by their ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class AbandonedClosing(AbandonedCalls):
    """What became of abandoned callers."""

    result: AbandonedResult
    note: Annotated[str | None, Field(max_length=1000), AfterValidator(storable)] = None


RulesBody = Annotated[
    dict[str, Any],
    Body(
        description="All rules, whole. The `version` that GET gave may be left in; If-Match is what counts.",
        examples=[Rules().to_json()],
    ),
]
"""What `PUT /v1/rules` takes; `domain.rules` checks it, field by field."""


def refuse_repeats(request: Request) -> None:
    """Raises BadInput when a query parameter is given twice: one of them would be ignored unseen."""
    names = [name for name, _ in request.query_params.multi_items()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(f"Given more than once: {', '.join(twice)[:200]}.")


def call_id_in(text: str) -> UUID:
    """A call's id from a path. Raises NoSuchCall for what cannot be one."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NoSuchCall("No call has this id; ids are UUIDs, as GET /v1/calls lists them.") from error


def transfer_id_in(text: str) -> UUID:
    """A transfer's id from a path. Raises NoSuchTransfer for what cannot be one."""
    try:
        return UUID(text)
    except ValueError as error:
        raise NoSuchTransfer("No transfer has this id; ids are UUIDs, as the call's record lists them.") from error


def version_in(request: Request) -> int:
    """The version that an edit was made on, from If-Match. Raises VersionRequired, EditConflict."""
    given = request.headers.get("if-match")
    if given is None:
        raise VersionRequired("Send If-Match with the ETag that GET of this call gave.")
    found = _ETAG.fullmatch(given.strip())
    if found is None:
        raise EditConflict("If-Match is not the ETag of this call; read the call again and repeat the edit.")
    return int(found[1])


def config_version_in(request: Request) -> int:
    """The version of the configuration that an edit was made on. Raises VersionRequired, EditConflict."""
    try:
        return version_in(request)
    except (VersionRequired, EditConflict) as error:
        words = "Send If-Match with the ETag that GET /v1/config gave; read it and repeat the edit on it."
        raise type(error)(words) from error


def rules_version_in(request: Request) -> int:
    """The version of the rules that an edit was made on. Raises VersionRequired, EditConflict."""
    try:
        return version_in(request)
    except (VersionRequired, EditConflict) as error:
        words = "Send If-Match with the ETag that GET /v1/rules gave; read the rules and repeat the edit on them."
        raise type(error)(words) from error


def number_in(text: str) -> str:
    """A caller's number from a path, as E.164. Raises BadInput for what is no number."""
    number = normalise(text) if _NUMBER.fullmatch(text) else None
    if number is None:
        raise BadInput("This is no number: write +6281.. (in a URL also as %2B6281..) or 081.., digits only.")
    return number
