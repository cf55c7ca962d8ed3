"""Which queue a caller comes to: the entry rules in their order, and the default queue for everybody else."""

from dataclasses import replace

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from pbx112.api.admin import faults, typed
from pbx112.api.admin.fields import Field, fields_of
from pbx112.api.admin.forms import Form, rows_changed, save, sent
from pbx112.api.admin.page import go, lang_of, number_in, show
from pbx112.api.admin.words import words
from pbx112.api.parts import Parts
from pbx112.api.parts_in import rules_in
from pbx112.domain.configuration import Configuration, EntryRule
from pbx112.domain.configuration_edit import with_rules
from pbx112.domain.configuration_words import FIELDS, KINDS, spoken
from pbx112.domain.errors import ConfigurationFaulty
from pbx112.services.configuring import Draft


def _fields(configuration: Configuration, lang: str) -> tuple[Field, ...]:
    columns = fields_of(EntryRule, configuration, lang)
    queues = next(column for column in columns if column.name == "queue").choices
    words_of = FIELDS["default_queue"]
    return (
        Field(
            "default_queue",
            spoken(KINDS["default_queue"], lang),
            meaning=spoken(words_of.meaning, lang),
            widget="choice",
            choices=queues,
        ),
        Field("entry_rules", words("entry", lang), widget="rows", columns=columns),
    )


async def get_entry(request: Request, parts: Parts) -> Response:
    """The rules."""
    draft = await parts.desk.draft()
    known = draft.configuration
    fields = _fields(known, lang_of(request))
    rules = [typed.shown(rule, fields[1].columns) for rule in known.entry_rules]
    form = Form(fields, {"default_queue": known.default_queue, "entry_rules": rules}, known.version)
    mine = [fault for fault in draft.faults if fault.where.startswith(("entry_rules", "default_queue"))]
    form.wrong = faults.of_entry(mine, lang_of(request))
    return await _show(request, draft, form)


async def post_entry(request: Request, parts: Parts) -> Response:
    """Save them in the draft."""
    draft, data = await parts.desk.draft(), await sent(request)
    fields = _fields(draft.configuration, lang_of(request))
    form = Form(fields, typed.typed(data, fields), number_in(data.get("version")))
    if rows_changed(form, str(data.get("do", ""))):
        return await _show(request, draft, form)
    form.values = typed.without_empty_rows(form.values, fields)
    try:
        saved = await _saved(request, form, draft)
    except RequestValidationError as error:
        read = faults.of_form(error, lang_of(request))
        form.mend(faults.Wrong({f"entry_rules.{place}": told for place, told in read.at.items()}, read.whole))
        saved = None
    except ConfigurationFaulty as error:
        form.mend(faults.of_entry(error.found, lang_of(request)))
        saved = None
    if saved is None:
        return await _show(request, draft, form)
    return go(f"/admin/entry?saved={'same' if saved.version == draft.configuration.version else saved.version}")


async def _saved(request: Request, form: Form, draft: Draft) -> Configuration | None:
    body = typed.body_of(form.values, form.fields)
    rules, first = rules_in(body["entry_rules"]), str(body["default_queue"])
    return await save(
        request,
        form,
        lambda old: replace(with_rules(old, rules), default_queue=first),
        draft.configuration.version,
    )


async def _show(request: Request, draft: Draft, form: Form) -> Response:
    lang = lang_of(request)
    version = request.query_params.get("saved", "")
    notice = words("unchanged", lang) if version == "same" else ""
    if version.isascii() and version.isdigit():
        notice = words("saved", lang, version=version)
    return await show(
        request,
        "entry.html",
        draft=draft,
        form=form,
        summary=form.wrong.summary(lang),
        notice=notice,
        status=form.status,
    )
