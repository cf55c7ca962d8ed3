"""One base for every error of the service; the message is for people and says what to do."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pbx112.domain.configuration_parts import Fault


class Pbx112Error(Exception):
    """Base of all errors raised on purpose. `slug` names the kind for programs (problem+json `type`)."""

    slug = "error"


class NotFound(Pbx112Error):
    """A thing that was asked for by name does not exist."""

    slug = "not-found"


class NoSuchCall(NotFound):
    """No call record has this id."""

    slug = "no-such-call"


class NoSuchOperator(NotFound):
    """No operator account has this name."""

    slug = "no-such-operator"


class NoSuchQueue(NotFound):
    """No queue has this name."""

    slug = "no-such-queue"


class NoSuchAgency(NotFound):
    """No agency has this name."""

    slug = "no-such-agency"


class NoSuchTrunk(NotFound):
    """No trunk has this name."""

    slug = "no-such-trunk"


class NoSuchUser(NotFound):
    """No user has this name."""

    slug = "no-such-user"


class NoSuchToken(NotFound):
    """No program's token has this id."""

    slug = "no-such-token"


class NoSuchPrompt(NotFound):
    """No sound prompt has this name, language and version."""

    slug = "no-such-prompt"


class BadInput(Pbx112Error):
    """The input cannot be accepted; nothing was changed."""

    slug = "bad-input"


class VersionRequired(BadInput):
    """An edit must name the version it was made on, so that nobody's work is overwritten unseen."""

    slug = "version-required"


class PromptUnfit(BadInput):
    """What was sent cannot be a sound prompt; nothing was changed."""

    slug = "prompt-unfit"

    def __init__(self, text: str, why: str = "", told: Mapping[str, object] | None = None) -> None:
        """`why` is the key of the sentence `text`, `told` what it speaks of: for a reader of another language."""
        super().__init__(text)
        self.why = why
        self.told = dict(told or {})


class CannotConvert(Pbx112Error):
    """This machine lacks what converts sounds; nothing was changed."""

    slug = "cannot-convert"


class EditConflict(Pbx112Error):
    """Somebody else changed the same thing first; read it again and repeat the edit."""

    slug = "edit-conflict"


class CallNotTalking(Pbx112Error):
    """The call is in no talk between its caller and an operator; nothing was done."""

    slug = "call-not-talking"


class CallOfAnotherNode(Pbx112Error):
    """The call is on another machine's Asterisk; nothing was done."""

    slug = "call-of-another-node"


class NotAllowed(Pbx112Error):
    """The user's role does not cover this."""

    slug = "not-allowed"


class LastAdmin(Pbx112Error):
    """Without this user nobody could administer the centre any more; nothing was changed."""

    slug = "last-admin"


class NotAuthenticated(Pbx112Error):
    """No valid credentials came with the request."""

    slug = "not-authenticated"


class Overloaded(Pbx112Error):
    """Too many of the same requests at once; try again in a moment."""

    slug = "overloaded"


class CannotCallBack(Pbx112Error):
    """The caller of this call cannot be called back."""

    slug = "cannot-call-back"


class CallbackTaken(Pbx112Error):
    """This caller is being called back already."""

    slug = "callback-taken"


class OperatorNotReady(Pbx112Error):
    """The operator's phone cannot take a call now."""

    slug = "operator-not-ready"


class AsteriskUnavailable(Pbx112Error):
    """The AMI link is down: the command was not sent. Calls go on by the dialplan alone."""

    slug = "asterisk-unavailable"


class NotCarriedOut(AsteriskUnavailable):
    """Asterisk gave no answer and did not carry the command out. It may be given again."""

    slug = "not-carried-out"


class AsteriskRefused(Pbx112Error):
    """Asterisk answered a command with an error; the text is Asterisk's own."""

    slug = "asterisk-refused"


class OutcomeUnknown(Pbx112Error):
    """The command was sent, and no answer came before its deadline or the link broke.

    It may or may not have been carried out. It is never sent again; look at the live state first.
    """

    slug = "outcome-unknown"


class DatabaseUnavailable(Pbx112Error):
    """PostgreSQL does not answer. Calls go on; records catch up when it is back."""

    slug = "database-unavailable"


class ConfigurationInvalid(Pbx112Error):
    """The configuration would not work; nothing was applied."""

    slug = "configuration-invalid"


class ConfigurationFaulty(ConfigurationInvalid):
    """The configuration has faults; nothing was changed."""

    slug = "configuration-faulty"

    def __init__(self, faults: Sequence[tuple[str, str]], found: Sequence["Fault"] = ()) -> None:
        """Each fault is its field (`queues.112.ring_seconds`) and a sentence; `found` are the same as values."""
        super().__init__(" ".join(sentence for _, sentence in faults)[:2000])
        self.faults = tuple(faults)
        self.found = tuple(found)


class ApplyFailed(Pbx112Error):
    """Asterisk did not take the configuration as it was rendered; the files of before are back."""

    slug = "apply-failed"

    def __init__(self, text: str, told: Sequence[str] = ()) -> None:
        """`told` says what differed, a sentence each."""
        super().__init__(text)
        self.told = tuple(told)


class MigrationFailed(Pbx112Error):
    """The database could not be brought to this version's tables."""

    slug = "migration-failed"


class NoSuchTransfer(NotFound):
    """The call has no transfer with this id."""

    slug = "no-such-transfer"


class TransferRefused(Pbx112Error):
    """The call is not where this could be done with it; nothing was done."""

    slug = "transfer-refused"


class TransferTaken(Pbx112Error):
    """Another request for this call is being carried out; nothing was done."""

    slug = "transfer-taken"
