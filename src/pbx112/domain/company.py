"""Who is with whom in a call: the bridges that its channels are in, and the agencies that joined them.

An agency's channels have a linked id of their own, so the call's journal has no bridge lines of them: our own steps
say when it comes and goes, and its place is that of who called it.
"""

from dataclasses import dataclass, field

_ROOM = "softmix"
_HOLD = "holding_bridge"


@dataclass(slots=True)
class Company:
    """The place of each channel (by its unique id) and of each agency (by its transfer's name in the journal)."""

    _where: dict[str, str] = field(default_factory=dict)  # in the order of entering: a set's order is by chance
    _technology: dict[str, str] = field(default_factory=dict)

    def enter(self, who: str, bridge: str, technology: str = "") -> None:
        """He is in this bridge now, and in no other."""
        self._where.pop(who, None)
        self._where[who] = bridge
        self._technology[bridge] = technology or self._technology.get(bridge, "")

    def leave(self, who: str, bridge: str) -> None:
        """He left this bridge, unless he is in another one already."""
        if self._where.get(who) == bridge:
            del self._where[who]

    def gone(self, who: str) -> None:
        """He is nowhere any more."""
        self._where.pop(who, None)

    def with_(self, who: str) -> tuple[str, ...]:
        """Who is with him, who came first standing first; nobody while he is on hold."""
        bridge = self._where.get(who)
        if bridge is None or self._technology.get(bridge) == _HOLD:
            return ()
        return tuple(other for other, place in self._where.items() if place == bridge and other != who)

    def is_anywhere(self, who: str) -> bool:
        """True when his place is known."""
        return who in self._where

    def room_of(self, who: str) -> str | None:
        """The conference room that he is in, or None."""
        bridge = self._where.get(who)
        return bridge if bridge is not None and self._technology.get(bridge) == _ROOM else None

    def move_all(self, of: str, bridge: str, among: frozenset[str]) -> None:
        """Move him, if his place is known, and who is with him of `among`, to this bridge."""
        if self.is_anywhere(of):
            for who in (of, *(other for other in self.with_(of) if other in among)):
                self.enter(who, bridge)
