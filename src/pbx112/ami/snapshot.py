"""QueueStatus and CoreShowChannels as one snapshot of the board."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta

from pbx112.ami import translate
from pbx112.domain.live import LiveChannel, LiveMember, LiveQueue, LiveWaiting
from pbx112.services.board import RINGING, SnapshotTaken

Headers = Mapping[str, str]


def snapshot(
    rows: Iterable[Headers], channels: Sequence[LiveChannel], at: datetime, *, whole: bool = True
) -> SnapshotTaken:
    """Read the answer of QueueStatus. `whole` is False when items of it were quarantined.

    Raises KeyError or ValueError for rows that Asterisk would not write.
    """
    linkedids = {channel.unique_id: channel.linkedid for channel in channels}
    phones = {phone(channel): channel for channel in channels if channel.name.startswith(translate.INTERFACE)}
    members: dict[str, list[LiveMember]] = {}
    waiting: dict[str, list[LiveWaiting]] = {}
    for row in rows:
        match row["event"]:
            case "QueueParams":
                members.setdefault(row["queue"], [])
            case "QueueMember":
                members.setdefault(row["queue"], []).append(translate.member(row, row["location"]))
            case "QueueEntry":
                waiting.setdefault(row["queue"], []).append(_waiting(row, linkedids, at))
    talking = {member.operator for several in members.values() for member in several if member.in_call}
    queues = tuple(
        LiveQueue(
            name=name,
            members=tuple(_engaged(member, phones.get(member.operator), talking) for member in several),
            waiting=tuple(sorted(waiting.get(name, ()), key=lambda caller: caller.position)),
        )
        for name, several in members.items()
    )
    warnings = () if whole else ("A caller's identity holds forged text: part of the board was not believed.",)
    return SnapshotTaken(at=at, queues=queues, channels=len(channels), warnings=warnings)


def phone(channel: LiveChannel) -> str:
    """The account of a channel's phone: `op1` of `PJSIP/op1-0000002a`."""
    return channel.name.removeprefix(translate.INTERFACE).rpartition("-")[0]


def _engaged(member: LiveMember, channel: LiveChannel | None, talking: Set[str]) -> LiveMember:
    """The member with the call that his phone has. A queue's call shows in one queue's answer only, here in all."""
    if member.operator in talking:
        return replace(member, in_call=True, call=channel.linkedid if channel else None)
    if channel is None or channel.state != "Ringing":
        return member
    # `busy` is told for a ringing phone too (device_state_busy_at=1); its channel knows better.
    return replace(member, call=channel.linkedid, device=RINGING)


def _waiting(row: Headers, linkedids: Mapping[str, str], at: datetime) -> LiveWaiting:
    unique_id = row["uniqueid"]
    return LiveWaiting(
        # A caller's own channel started his call, so its unique id is the linkedid, until a transfer changes that.
        linkedid=linkedids.get(unique_id, unique_id),
        channel=row["channel"],
        position=int(row["position"]),
        since=at - timedelta(seconds=int(row["wait"])),
        unique_id=unique_id,
    )
