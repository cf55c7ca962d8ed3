"""What is wrong with what was typed, in words and by field, so that each sentence stands where it can be mended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import RequestValidationError

from pbx112.api.admin.words import WORDS, words
from pbx112.domain.configuration_parts import Fault
from pbx112.domain.configuration_words import label, say, what


@dataclass(slots=True)
class Wrong:
    """Sentences by field (`tiers.0.target`), and those that belong to no field of this form."""

    at: dict[str, list[str]] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)

    def add(self, place: str, sentence: str) -> None:
        """Let this sentence stand at a field, once; `place` empty: at the form."""
        here = self.at.setdefault(place, []) if place else self.whole
        if sentence not in here:
            here.append(sentence)

    @property
    def first(self) -> str:
        """The field to mend first; empty when there is none."""
        return next(iter(self.at), "")

    def summary(self, lang: str) -> list[tuple[str, str]]:
        """Every sentence with the field it is about."""
        named = [(place, f"{path(place, lang)}: {one}") for place, found in self.at.items() for one in found]
        return [*(("", one) for one in self.whole), *named]

    def __bool__(self) -> bool:
        return bool(self.at or self.whole)


def path(place: str, lang: str) -> str:
    """A field of a form in words: `tiers.0.target` is `Overflow chain 1, target`."""
    said: list[str] = []
    for step in place.split("."):
        if step.isdigit() and said:
            said[-1] += f" {int(step) + 1}"
        else:
            said.append(label(step, lang) if f"field.{step}" not in WORDS else words(f"field.{step}", lang))
    return ", ".join(said)


def of_form(error: RequestValidationError, lang: str) -> Wrong:
    """What cannot be read at all, such as a word where a number belongs."""
    found = Wrong()
    for one in error.errors():
        steps = [str(step) for step in one["loc"] if step != "body"]
        key = f"cannot_read.{one.get('type', '')}"
        known = words(key, lang) if key in WORDS else str(one["msg"]).removeprefix("Value error, ")
        found.add(".".join(steps), known)
    return found


def of_part(faults: Iterable[Fault], kind: str, name: str, lang: str) -> Wrong:
    """The faults of a configuration, as the form of one of its parts shows them."""
    found = Wrong()
    elsewhere = []
    for fault in faults:
        place = _own_place(fault, kind, name)
        if place is None:
            elsewhere.append(fault)
        else:
            found.add(place, what(fault, lang))
    told = {sentence for sentences in found.at.values() for sentence in sentences}
    for fault in elsewhere:
        if what(fault, lang) not in told:
            found.add("", say(fault, lang))
    return found


def of_entry(faults: Iterable[Fault], lang: str) -> Wrong:
    """The same for the form of the entry rules and the main queue."""
    found = Wrong()
    for fault in faults:
        kind = fault.where.partition(".")[0]
        mine = kind in {"entry_rules", "default_queue"}
        found.add(fault.where if mine else "", what(fault, lang) if mine else say(fault, lang))
    return found


def _own_place(fault: Fault, kind: str, name: str) -> str | None:
    """Where on the form of this part; None when it is about another one."""
    if fault.where == f"{kind}.{name}":
        return _WHERE_OF.get(fault.problem, "")
    if fault.where.startswith(f"{kind}.{name}."):
        return fault.where.removeprefix(f"{kind}.{name}.")
    # What two parts have in common is told of the later one, and can be mended here as well.
    if fault.problem == "account_twice" and fault.told.get("name") == name:
        return "name"
    if fault.problem == "source_twice" and fault.told.get("trunk") == name and kind == "trunks":
        return "sources"
    return None


_WHERE_OF: Mapping[str, str] = {"account_twice": "name", "twice": "name", "nobody": "overflow"}


def of_whole(fault: Fault) -> str:
    """The page on which a fault of the configuration can be mended, with the field on it."""
    kind, _, rest = fault.where.partition(".")
    if kind in {"entry_rules", "default_queue"}:
        return f"/admin/entry#{anchor(fault.where)}"
    name, _, place = rest.partition(".")
    return f"/admin/{kind}" + (f"/{name}#{anchor(place or 'top')}" if name else "")


def anchor(place: str) -> str:
    """The id of a field in its form."""
    return "f-" + place.replace(".", "-")


def links(faults: Sequence[Fault], lang: str) -> list[dict[str, Any]]:
    """Faults as sentences that lead to where they are mended."""
    return [{"url": of_whole(fault), "text": say(fault, lang)} for fault in faults]
