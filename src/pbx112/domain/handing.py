"""The transfers of a call that is folded: their steps, who talked with whom, how long nobody was with the caller."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pbx112.domain.company import Company
from pbx112.domain.events import JournalEvent
from pbx112.domain.readings import text_of, whole_ms
from pbx112.domain.transfer import (
    Conversation,
    Party,
    Transfer,
    TransferResult,
    TransferState,
    transfer_id,
)
from pbx112.domain.transfer_steps import apply, lost, without_caller

_ON_THE_WAY = timedelta(milliseconds=100)
"""Shorter conversations are somebody passing from one room to another, and shorter gaps are no end of one."""

_OF_CALLER = ".0"
"""Behind the caller's own id, in a step that he writes himself: it is of no transfer by name (transfer.conf)."""

_BRINGS_TOGETHER = frozenset({"conference", "handed"})


@dataclass(slots=True)
class _Hand:
    """A transfer so far; `leg` is the operator's channel, `here` is true while the agency is in a room.

    `private`: it is briefed in a room of its own, as another agency is with the caller.
    """

    transfer: Transfer
    leg: str = ""
    here: bool = False
    private: bool = False
    talks: list[Conversation] = field(default_factory=list)

    @property
    def watched(self) -> bool:
        return self.here or not self.transfer.ended


@dataclass(slots=True)
class Transfers:
    """All transfers of a call, by their names in the journal."""

    call: uuid.UUID
    linkedid: str
    _hands: dict[str, _Hand] = field(default_factory=dict)
    _alone: list[tuple[datetime, datetime]] = field(default_factory=list)
    _alone_since: datetime | None = None
    _caller_gone: bool = False

    @property
    def under_way(self) -> bool:
        """True while an agency is called or is with the operator, and until somebody is with the caller again."""
        if self._alone_since is not None and self._hands:
            return True
        over = {TransferState.HANDED_OVER, TransferState.ENDED}
        return any(hand.transfer.state not in over for hand in self._hands.values())

    def has(self, name: str) -> bool:
        """True for the name of a transfer of this call."""
        return name in self._hands

    def agency_hung_up(self, names: Sequence[str]) -> bool:
        """True when one of these transfers ended by its agency's own leaving."""
        own = {TransferResult.COMPLETED, TransferResult.AGENCY_LEFT}
        return any(self._hands[name].transfer.result in own for name in names if name in self._hands)

    def take(self, event: JournalEvent, company: Company, operator: str | None) -> None:
        """One PBX112_TRANSFER event; `operator` is the account of the channel that wrote it, if it is an operator's."""
        name, step = text_of(event.extra, "transfer"), text_of(event.extra, "step")
        if name == f"{self.linkedid}{_OF_CALLER}":
            self._apply_all(event)
            return
        hand = self._hands.get(name)
        if hand is None:
            if not name or step == "returned":
                return
            hand = self._hands[name] = _Hand(Transfer(transfer_id(self.call, name), event.at))
        if operator is not None and not hand.leg:
            hand.leg = event.unique_id
            hand.transfer = replace(hand.transfer, operator=operator)
        was_ended = hand.transfer.ended
        hand.transfer = apply(hand.transfer, event)
        if step == "left" and not was_ended and self._caller_gone:
            hand.transfer = without_caller(hand.transfer)
        self._after(hand, name, event, step, company)

    def _after(self, hand: _Hand, name: str, event: JournalEvent, step: str, company: Company) -> None:
        """What a step of one transfer means for the others, and for who is where."""
        if step == "begun":
            hand.private = company.room_of(self.linkedid) is not None and bool(company.with_(self.linkedid))
        elif step == "joined":
            hand.here = not hand.transfer.ended
            hand.private = hand.private and text_of(event.extra, "one") != "c"
            self.place(company)
        elif step in {"left", "cancelled", "exhausted"}:
            hand.here = False
            company.gone(name)
        elif step in _BRINGS_TOGETHER and (room := company.room_of(self.linkedid)) is not None:
            company.move_all(name, room, frozenset(self._hands))
        if step == "handed":  # he leaves every agency that he had brought together with the caller
            self._apply_where(event, TransferState.CONFERENCE)
        elif step == "returned":
            self._apply_where(event, *(state for state in TransferState if state is not TransferState.ENDED))

    def _apply_where(self, event: JournalEvent, *states: TransferState) -> None:
        for hand in self._hands.values():
            if hand.transfer.state in states:
                hand.transfer = apply(hand.transfer, event)

    def _apply_all(self, event: JournalEvent) -> None:
        """The caller says that he returns: of what is under way, or of what was last."""
        hands = [hand for hand in self._hands.values() if not hand.transfer.ended] or list(self._hands.values())[-1:]
        if text_of(event.extra, "step") == "returned":
            for hand in hands:
                hand.transfer = apply(hand.transfer, event)

    def place(self, company: Company) -> None:
        """Put agencies that have come, and whose room was not known, where their operator is, or else the caller."""
        for name, hand in self._hands.items():
            if not hand.here or company.is_anywhere(name):
                continue
            with_operator, with_caller = company.room_of(hand.leg), company.room_of(self.linkedid)
            room = with_operator or with_caller
            if room is not None and not (hand.private and room == with_caller):
                company.enter(name, room)

    def observe(self, at: datetime, company: Company) -> None:
        """Note who talks with whom from now on."""
        for name, hand in self._hands.items():
            parties = _parties(company, self.linkedid, hand.leg, name) if hand.watched else ()
            last = hand.talks[-1] if hand.talks and hand.talks[-1].until is None else None
            if last is not None and last.parties != parties:
                hand.talks[-1] = replace(last, until=max(at, last.since))
                last = None
            if last is None and parties:
                hand.talks.append(Conversation(parties, at))

    def alone(self, at: datetime) -> None:
        """Nobody is with the caller from now on."""
        self._alone_since = at

    def no_more_alone(self, at: datetime) -> None:
        """Somebody is, or he waits in a queue, or has gone."""
        if self._alone_since is not None:
            self._alone.append((self._alone_since, max(at, self._alone_since)))
            self._alone_since = None

    def caller_gone(self) -> None:
        """The call is over for the caller; an operator and an agency may talk on."""
        self._caller_gone = True

    def lost(self, at: datetime) -> None:
        """Asterisk died."""
        for hand in self._hands.values():
            hand.here = False
            hand.transfer = lost(hand.transfer, at)

    def folded(self, answered_at: datetime | None) -> tuple[Transfer, ...]:
        """The transfers as they stand, the earliest first."""
        held = self._held()
        return tuple(
            replace(
                hand.transfer,
                dispatch_ms=_between(answered_at, hand.transfer.answered_at),
                hold_ms=whole_ms(held[name]),
                conversations=_told(hand.talks),
            )
            for name, hand in sorted(self._hands.items(), key=lambda item: item[1].transfer.requested_at)
        )

    def _held(self) -> dict[str, timedelta]:
        """How long the caller was alone for each transfer: for the first that was under way when that began."""
        held = dict.fromkeys(self._hands, timedelta())
        for since, until in self._alone:
            for name, hand in self._hands.items():
                one = hand.transfer
                if one.requested_at <= until and (one.ended_at is None or since < one.ended_at):
                    held[name] += until - since
                    break
        return held


def _parties(company: Company, caller: str, operator: str, agency: str) -> tuple[Party, ...]:
    """Those of the three who are together; nobody when each is alone."""
    named = {caller: Party.CALLER, operator: Party.OPERATOR, agency: Party.AGENCY}
    for who in named:
        others = company.with_(who)
        if any(other in named for other in others):
            return tuple(party for name, party in named.items() if name == who or name in others)
    return ()


def _told(talks: Sequence[Conversation]) -> tuple[Conversation, ...]:
    """Conversations that people would call so: who passes through a room for a moment makes none, and ends none."""
    told: list[Conversation] = []
    for talk in talks:
        if talk.until is not None and talk.until - talk.since < _ON_THE_WAY:
            continue
        last = told[-1] if told else None
        if last is not None and last.parties == talk.parties and talk.since - (last.until or talk.since) < _ON_THE_WAY:
            told[-1] = replace(last, until=talk.until)
        else:
            told.append(talk)
    return tuple(told)


def _between(since: datetime | None, until: datetime | None) -> int | None:
    return whole_ms(until - since) if since is not None and until is not None else None
