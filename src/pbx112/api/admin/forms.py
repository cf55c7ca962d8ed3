"""One form of the configuration: shown, sent back with what is wrong, saved as a draft, or met by another's edit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData

from pbx112.api.access import identity_of
from pbx112.api.admin import faults, typed
from pbx112.api.admin.faults import Wrong
from pbx112.api.admin.fields import Field
from pbx112.api.admin.page import lang_of
from pbx112.api.admin.typed import Values
from pbx112.api.errors import status_of
from pbx112.api.parts import parts_of
from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_diff import Change
from pbx112.domain.errors import BadInput, ConfigurationFaulty, EditConflict
from pbx112.services.configuring import ConfigurationDesk, Edit

MOST_FIELDS = 10_000


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What others did between the moment a form was opened and now: who saved, and what is different."""

    saved: list[dict[str, Any]]
    changes: Sequence[Change]


@dataclass(slots=True)
class Form:
    """A form as it is shown: `version` is what it was made on, `focus` where to begin."""

    fields: Sequence[Field]
    values: Values
    version: int
    wrong: Wrong = field(default_factory=Wrong)
    focus: str = ""
    meanwhile: Meanwhile | None = None
    refused: bool = False

    @property
    def status(self) -> int:
        """The HTTP code of a page that shows this form."""
        if self.meanwhile is not None:
            return status_of(EditConflict())
        return status_of(BadInput()) if self.refused else HTTPStatus.OK

    def mend(self, wrong: Wrong) -> None:
        """Show what is wrong, and begin at the first of it."""
        self.wrong = wrong
        self.refused = True
        self.focus = wrong.first


async def sent(request: Request) -> FormData:
    """What a form sent."""
    return await request.form(max_fields=MOST_FIELDS, max_files=0)


def rows_changed(form: Form, wish: str) -> bool:
    """Whether a row was to be added or removed, which is done; nothing is saved then."""
    if not wish.startswith(("add:", "drop:")):
        return False
    form.values, form.focus = typed.with_row(form.values, form.fields, wish)
    return True


async def save(request: Request, form: Form, edit: Edit, newest: int) -> Configuration | None:
    """Save an edit made on the form's version. None: another came first, and the form tells of it.

    Raises ConfigurationFaulty, RequestValidationError.
    """
    desk = parts_of(request).desk
    try:
        return await desk.edit(edit, expected_version=form.version, who=identity_of(request).name)
    except EditConflict:
        form.meanwhile = await meanwhile(desk, form.version, newest)
        form.version = newest
        return None


async def meanwhile(desk: ConfigurationDesk, since: int, newest: int) -> Meanwhile:
    """What was saved since a version."""
    saved = [one for one in await desk.versions() if since < one["id"] <= newest]
    return Meanwhile(saved, await desk.compared(since, newest))


def told_in_form(request: Request, error: RequestValidationError | ConfigurationFaulty, kind: str, name: str) -> Wrong:
    """What is wrong with one part, at its fields."""
    lang = lang_of(request)
    if isinstance(error, RequestValidationError):
        return faults.of_form(error, lang)
    return faults.of_part(error.found, kind, name, lang)
