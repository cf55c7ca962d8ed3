"""What the services need of Asterisk, as Protocols. The rooms `ami` and `agi` implement them."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pbx112.domain.configuration import Configuration
from pbx112.domain.live import LiveChannel, LiveState
from pbx112.domain.prompts import PromptUse, SoundKind

AlarmLevel = Literal["warning", "critical"]
"""`critical`: callers are not served, or nobody would notice if they were not. `warning`: somebody should look."""


class Telephone(Protocol):
    """Commands to Asterisk over AMI. Each has a deadline and is never sent twice.

    All raise AsteriskUnavailable (not sent), AsteriskRefused (Asterisk said no, nothing changed) or
    OutcomeUnknown (sent, no answer in time).
    """

    @property
    def connected(self) -> bool:
        """True between a completed login with snapshot and the loss of the link."""
        ...

    async def queue_add(self, queue: str, operator: str, penalty: int, *, paused: str | None = None) -> None:
        """Log the operator's phone in to the queue (an operator who is logged in already is no error).

        `paused` is the reason of a pause that he begins with.
        """
        ...

    async def queue_remove(self, queue: str, operator: str) -> None:
        """Log the operator's phone out of the queue (not being logged in is no error)."""
        ...

    async def queue_pause(self, operator: str, *, paused: bool, reason: str) -> None:
        """Pause or unpause the operator in every queue he is logged in to."""
        ...

    async def queue_penalty(self, queue: str, operator: str, penalty: int) -> None:
        """Change how early a member of the queue is rung."""
        ...

    async def look_again(self, within_s: float) -> bool:
        """Wait until the live state shows Asterisk's queues as listed after this moment, at most so long.

        To be called at once when a command ended by OutcomeUnknown. True: what the live state does not show then was
        not done. False: it may still be done. Raises OutcomeUnknown when no whole list came in time.
        """
        ...

    async def press(self, operator: str, linkedid: str, digits: str) -> None:
        """Do what these keys do on the operator's phone in his talk of that call. Raises CallNotTalking.

        Asterisk takes each as if the phone had sent it. A failure after the first leaves it pressed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Redirection:
    """A channel, and the place in the dialplan's transfer.conf that it is sent to."""

    channel: str
    context: str
    exten: str


class Switchboard(Protocol):
    """Sends a call's channels to the places of a transfer. Each command has a deadline and is never sent twice.

    All raise what Telephone raises, and BadInput for a channel, place or variable that is none of a transfer's.
    """

    async def channels(self) -> tuple[LiveChannel, ...]:
        """Every channel that exists now. Raises OutcomeUnknown when the list cannot be believed."""
        ...

    async def channels_again(self, within_s: float) -> tuple[tuple[LiveChannel, ...], bool]:
        """The channels, by whatever link there is within this time, after a command ended by OutcomeUnknown.

        With True, the list came by the link that had the command: what it does not show was not done, and will not be.
        Raises OutcomeUnknown when no whole list came in time.
        """
        ...

    async def redirect(self, move: Redirection, other: Redirection | None = None) -> None:
        """Send a channel, or two at once, to their places; they are on their way when this returns."""
        ...

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a variable of a transfer on a channel."""
        ...

    async def get_variable(self, channel: str, name: str) -> str:
        """A variable of a transfer on a channel; empty when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackOrder:
    """A call back to be placed: ring `operator` for `ring_seconds`, then call `number` by `trunk`.

    `reference` is the call's account code, `title` what the phone shows beside the number.
    """

    reference: str
    operator: str
    number: str
    trunk: str
    title: str
    ring_seconds: int


class CallPlacer(Protocol):
    """Starts calls of our own. Nobody may originate by AMI."""

    async def place(self, order: CallbackOrder) -> None:
        """Have Asterisk place the call; it has taken the order when this returns.

        Raises AsteriskUnavailable (it did not take it, and will not later) or BadInput (a value that no order may
        hold). Never tried twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """A SIP account as Asterisk has it: settings by AMI's names in lower case, and a trunk's source addresses."""

    settings: Mapping[str, str]
    addresses: Sequence[str]


class Reloader(Protocol):
    """Makes Asterisk read its files again and tells what it has then. Logged in only while a configuration is applied.

    All raise AsteriskUnavailable, AsteriskRefused (in Asterisk's words) or OutcomeUnknown.
    """

    async def reload(self, module: str) -> None:
        """Reload one module, such as `app_queue.so`; returns when Asterisk has done so."""
        ...

    async def dialplan(self) -> Mapping[tuple[str, str, int], tuple[str, str]]:
        """Every priority by context, extension and number: its application and data."""
        ...

    async def queues(self) -> Mapping[str, str]:
        """The queues and their strategies."""
        ...

    async def endpoints(self) -> Set[str]:
        """The names of the SIP accounts: trunks and phones."""
        ...

    async def endpoint(self, name: str) -> EndpointReport:
        """One SIP account."""
        ...

    async def passwords(self) -> Mapping[str, tuple[str, str]]:
        """User name and password of each SIP account that has one."""
        ...


@dataclass(frozen=True, slots=True)
class Rendering:
    """What applying a configuration changes on disk, and what Asterisk then reads again."""

    files: tuple[str, ...]
    modules: tuple[str, ...]


class Applier(Protocol):
    """Makes a configuration Asterisk's. One at a time."""

    async def plan(self, configuration: Configuration) -> Rendering:
        """What it would change. Raises ConfigurationInvalid."""
        ...

    async def apply(self, configuration: Configuration, tell: Callable[[str], None]) -> Rendering:
        """Write, reload, read back; `tell` is given each step in a word (`write`, `reload:..`, `read-back`, `restore`).

        Raises ConfigurationInvalid (nothing was written), ApplyFailed (the files of before are back), or what Reloader
        raises (likewise).
        """
        ...


class LiveSource(Protocol):
    """The live state as Asterisk tells it now."""

    @property
    def state(self) -> LiveState:
        """The present state; `state.at` is None until the first snapshot."""
        ...


class JournalLagView(Protocol):
    """How far the records are behind Asterisk's journal file."""

    @property
    def bytes_behind(self) -> int:
        """Bytes of the file that are not in the database yet."""
        ...

    @property
    def oldest_unread_ms(self) -> int | None:
        """Age of the oldest line that is not in the database yet; None when there is none."""
        ...

    @property
    def last_commit_at(self) -> datetime | None:
        """When the reader last committed; None before the first time."""
        ...

    @property
    def healthy(self) -> bool:
        """True while the reader keeps up."""
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong, in words; None when nothing is."""
        ...


class AlarmBoard(Protocol):
    """Where a part says that something is wrong, and that it is well again. Neither waits nor raises."""

    def set(self, key: str, level: AlarmLevel, text: str) -> None:
        """The alarm `key` is up. Said again and again it is one alarm; its level and text are those said last.

        Keys are few and stable (`disk:recordings`); `text` is in the centre's language and says what to do.
        """
        ...

    def clear(self, key: str) -> None:
        """The alarm `key` is over, or never was."""
        ...


class PromptFiles(Protocol):
    """This node's files of the prompts that callers hear. All methods block, and raise OSError."""

    def has(self, name: str, language: str) -> bool:
        """Whether callers of this language can hear this prompt here; else they hear the built-in one."""
        ...

    def lacking(self, wanted: Sequence[PromptUse]) -> list[PromptUse]:
        """Those which are not the version in use here."""
        ...

    def put(self, prompt: PromptUse, wav: bytes) -> None:
        """Have this version here, whole, and in use."""
        ...


class PromptMaker(Protocol):
    """Turns a recording into what waiting callers hear."""

    async def make(self, recording: bytes, kind: SoundKind) -> bytes:
        """The prompt as a WAV file in the telephone's form. Raises PromptUnfit, CannotConvert."""
        ...
