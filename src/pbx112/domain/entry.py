"""Where the admin's entry rules send a call. Pure; the classic script runs it too, cold, for every call."""

from dataclasses import dataclass

from pbx112.domain.configuration import Configuration, EntryRule, Queue

_MOST_READ = 64


@dataclass(frozen=True, slots=True)
class Entrant:
    """What the rules look at. `language` is the first tag of the caller's Accept-Language, "" without one."""

    trunk: str
    dialled: str
    service: str
    language: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The rule that counts, its number (from 1), and the queue it leads to."""

    number: int
    rule: EntryRule
    queue: Queue


def entry_of(entrant: Entrant, configuration: Configuration) -> Entry | None:
    """The first rule that matches; one whose queue does not exist is passed over. None: the default queue."""
    for number, rule in enumerate(configuration.entry_rules, start=1):
        if _matches(rule, entrant):
            queue = configuration.queue(rule.queue)
            if queue is not None:
                return Entry(number, rule, queue)
    return None


def first_language(accept_language: str) -> str:
    """The first tag of an Accept-Language header in lower case: `id-id` of `id-ID, en;q=0.8`."""
    return accept_language[:_MOST_READ].partition(",")[0].partition(";")[0].strip().lower()


def _matches(rule: EntryRule, entrant: Entrant) -> bool:
    return (
        (rule.trunk is None or rule.trunk == entrant.trunk)
        and (rule.dialled is None or rule.dialled == entrant.dialled)
        and (rule.service is None or _is_at_or_below(entrant.service, rule.service.lower(), "."))
        and (rule.language is None or _is_at_or_below(entrant.language, rule.language.lower(), "-"))
    )


def _is_at_or_below(name: str, root: str, between: str) -> bool:
    """`sos.fire` and `sos.fire.x` are at or below `sos.fire`, `id-ID` is below `id`; `sos.firework` is not."""
    return name == root or name.startswith(root + between)
