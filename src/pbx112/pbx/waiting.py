"""What a queue's part of the dialplan says about waiting: overflow chain, widening, what callers hear."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pbx112.domain.configuration import Configuration, Queue
from pbx112.domain.skills import Width, widths
from pbx112.pbx.prompt_files import heard_folder

RULE_SECONDS = 5
"""app_queue counts a rule's time from when the caller joined. He leaves and joins again, so there is a rule for each
offset of so many seconds; he gets that of his time rounded up, and is never late."""


@dataclass(frozen=True, slots=True)
class PromptClass:
    """The music class of a centre's own prompt, and the folder with its one file."""

    name: str
    folder: Path


Prompts = Mapping[str, Mapping[str, PromptClass]]
"""A centre's own prompts by name and language."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of queuerules.conf for who has waited so long already: seconds and highest penalty of each step."""

    name: str
    changes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue as its waiting callers meet it."""

    queue: Queue
    prompts: Prompts
    surge: bool

    @property
    def widths(self) -> tuple[Width, ...]:
        """How it widens; a single step for a queue without a skill."""
        return widths(self.queue)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, one for each offset from which something is still to come."""
        last = self.widths[-1].after_seconds
        return tuple(self._rule(offset) for offset in range(0, last, RULE_SECONDS))

    def _rule(self, offset: int) -> Rule:
        # app_queue raises only after *more* than the rule's time, so a second less than it is the time itself.
        changes = ((w.after_seconds - offset - 1, w.penalty) for w in self.widths if w.after_seconds > offset)
        return Rule(f"{self.queue.name}-{offset}", tuple(changes))

    @property
    def penalty_by_time(self) -> str:
        """The highest penalty that may be rung, a dialplan expression of OFFSET."""
        return _nested(
            [(f"${{OFFSET}} >= {w.after_seconds}", str(w.penalty)) for w in reversed(self.widths[1:])],
            str(self.widths[0].penalty),
        )

    @property
    def next_step(self) -> str:
        """The seconds of the next step, an expression of QUEUE_MAX_PENALTY; empty when everybody may be rung."""
        return _nested([(f"${{QUEUE_MAX_PENALTY}} < {w.penalty}", str(w.after_seconds)) for w in self.widths], "")

    @property
    def tiers(self) -> str:
        """The overflow chain as one word: `seconds:kind:target:trunk&..`; names and numbers hold neither mark."""
        return "&".join(f"{t.after_seconds}:{t.kind.value}:{t.target}:{t.trunk}" for t in self.queue.tiers)

    @property
    def comfort(self) -> str:
        """The music class that a caller hears, an expression of LANG: the built-in one where his own is not there."""
        if self.surge:
            return "surge-${LANG}"
        own = self.prompts.get(self.queue.comfort, {})
        cases = [(f'"${{LANG}}" = "{language}"', prompt.name) for language, prompt in own.items()]
        return _nested(cases, "comfort-${LANG}")


def _nested(cases: Sequence[tuple[str, str]], otherwise: str) -> str:
    """A choice of the first case that holds."""
    text = otherwise
    for condition, value in reversed(cases):
        text = f"${{IF($[{condition}]?{value}:{text})}}"
    return text


def own_prompts(configuration: Configuration, folder: Path, languages: Iterable[str]) -> Prompts:
    """The own prompts that queues name and that have a file now: a class without a file would be silence."""
    names = sorted({queue.comfort for queue in configuration.queues if queue.comfort})
    found: dict[str, dict[str, PromptClass]] = {}
    for name in names:
        found[name] = {}
        for language in languages:
            heard = heard_folder(folder, name, language)
            if heard is not None:
                found[name][language] = PromptClass(f"prompt-{name}-{language}", heard)
    return found
