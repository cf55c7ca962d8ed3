"""What the rendered files say, read as Asterisk reads them: to be held against what Asterisk then reports."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Step = tuple[str, str, int]
"""A priority of the dialplan: context, extension, number."""

_SECTION = re.compile(r"\[([^\]]+)\](?:\(([^)]*)\))?\s*$")
_INCLUDE = re.compile(r'#include\s+"([^"]+)"\s*$')
_STEP = re.compile(r"(\w+)(?:\([\w-]+\))?,(\w+)\((.*)\)$|(\w+)(?:\([\w-]+\))?,(\w+)$", re.S)


@dataclass(slots=True)
class Section:
    """One section of a file; `values` holds each key's values in order, inherited ones first."""

    name: str
    template: bool = False
    values: dict[str, list[str]] = field(default_factory=dict)

    def last(self, key: str) -> str:
        """The value that counts; empty when there is none."""
        return self.values.get(key, [""])[-1]


def sections(text: str) -> list[Section]:
    """The sections of a file, templates resolved (Asterisk's config file syntax)."""
    found: list[Section] = []
    templates: dict[str, Section] = {}
    for line in _lines(text):
        head = _SECTION.match(line)
        if head is None:
            key, _, value = line.partition("=")
            if found:
                found[-1].values.setdefault(key.strip(), []).append(value.lstrip(">").strip())
            continue
        marks = [mark.strip() for mark in (head[2] or "").split(",") if mark.strip()]
        section = Section(head[1], template="!" in marks)
        for mark in marks:
            for key, values in templates[mark].values.items() if mark in templates else ():
                section.values.setdefault(key, []).extend(values)
        if section.template:
            templates[section.name] = section
        found.append(section)
    return found


def dialplan(files: Mapping[str, str]) -> dict[Step, tuple[str, str]]:
    """Every priority of extensions.conf and what it includes: application and data."""
    found: dict[Step, tuple[str, str]] = {}
    context, extension, number = "", "", 0
    for line in _included(files, "extensions.conf"):
        head = _SECTION.match(line)
        if head is not None:
            context = head[1]
            continue
        key, _, value = (part.strip() for part in line.partition("=>"))
        if key == "exten":
            extension, _, value = value.partition(",")
        elif key != "same":
            continue
        said = _STEP.match(value.strip())
        if said is None:
            continue
        priority, application, data = (said[1], said[2], said[3]) if said[1] else (said[4], said[5], "")
        number = int(priority) if priority.isdigit() else number + 1
        found[context, extension.strip(), number] = application, data
    return found


def included(files: Mapping[str, str]) -> set[str]:
    """The files that extensions.conf includes."""
    found = (_INCLUDE.match(line) for line in _lines(files.get("extensions.conf", "")))
    return {include[1] for include in found if include is not None}


def _included(files: Mapping[str, str], name: str) -> Iterator[str]:
    for line in _lines(files[name]):
        include = _INCLUDE.match(line)
        if include is not None:
            yield from _included(files, include[1])
        else:
            yield line


def _lines(text: str) -> Iterator[str]:
    """The lines without comments (`;`, but for an escaped one) and without empty ones."""
    for raw in text.splitlines():
        line = re.sub(r"(?<!\\);.*", "", raw).replace("\\;", ";").strip()
        if line:
            yield line
