"""What a snapshot had to correct on the live board: events that were lost, or that AMI never told. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pbx112.domain.live import STATE_OF_DEVICE, LiveState


def differences(before: LiveState, after: LiveState) -> Mapping[str, int]:
    """What a snapshot had to correct, by kind; times do not count. (What happened while it was taken may be in it.)

    `member`: logged in or out; `phone`, `pause`, `talk`: of a member; `caller`: waits or not; `position`: of a caller.
    """
    old, new = dict(_essence(before)), dict(_essence(after))
    found = Counter[str]()
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            found[key[0]] += 1
        else:
            found.update(kind for kind in now if was[kind] != now[kind])
    return found


def _essence(state: LiveState) -> Iterable[tuple[tuple[str, str, str], Mapping[str, object]]]:
    for queue in state.queues:
        for member in queue.members:
            # A phone that is taken off stays `busy` for Asterisk, and is `inuse` on the board.
            phone = STATE_OF_DEVICE.get(member.device)
            facts = {"phone": phone, "pause": (member.paused, member.paused_reason), "talk": member.in_call}
            yield ("member", queue.name, member.operator), facts
        for caller in queue.waiting:
            yield ("caller", queue.name, caller.unique_id), {"position": caller.position}
