"""What of the AMI stream is believed.

A caller can write line breaks into his caller id, and so blocks of his own into the stream: his event is torn, his
forged ones follow, then the torn one's rest. He cannot know the ActionIDs of our actions (a random id), nor write
into another read. So a burst, which is what was read at once, is believed whole when nothing in it is wrong; when
something is, it is not believed at all, but for the blocks whose borders an ActionID seals. What is lost by this is
mended by a new snapshot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pbx112.ami.blocks import Block

BURST_LIMIT = 2000
"""Blocks held back at most while a block's end has not come yet."""


@dataclass(slots=True)
class Quarantine:
    """Holds each burst until it is whole, then releases what is believed. `is_ours` knows our own ActionIDs."""

    is_ours: Callable[[str], bool]
    tainted: int = 0
    last_fault: str | None = None
    _held: list[Block] = field(default_factory=list)
    _faults: list[bool] = field(default_factory=list)
    _list_token: str | None = None

    def hold(self, block: Block) -> None:
        """Add a block to the burst, and judge it by itself and by its place in an answer that is a list."""
        fault = block.fault or self._place_fault(block)
        if fault is not None:
            self.last_fault = fault
        self._held.append(block)
        self._faults.append(fault is not None)

    @property
    def full(self) -> bool:
        """True when the burst must be released although the next block has begun."""
        return len(self._held) >= BURST_LIMIT

    def release(self) -> Sequence[Block]:
        """End the burst: its believed blocks in order. `tainted` grows by the others."""
        held, faults = self._held, self._faults
        self._held, self._faults = [], []
        if not any(faults):
            return held
        believed = [block for place, block in enumerate(held) if not faults[place] and self._sealed(held, place)]
        self.tainted += len(held) - len(believed)
        return believed

    def _place_fault(self, block: Block) -> str | None:
        ours = block.token is not None and self.is_ours(block.token)
        if block.token is not None and not ours:
            return "an ActionID that is not ours"
        if block.is_response and not ours:
            return "a response to nothing"
        # Asterisk writes a list in one go: between its items stands nothing else.
        if self._list_token is not None and block.token != self._list_token:
            return "something else inside a list"
        listing = block.headers.get("eventlist", "").lower()
        if listing == "start":
            self._list_token = block.token
        elif listing in ("complete", "cancelled"):
            self._list_token = None
        return None

    def _sealed(self, held: Sequence[Block], place: int) -> bool:
        """True when no foreign text can stand between this block's header lines, in a burst that has a fault."""
        block = held[place]
        if block.token is None:
            return False
        if block.is_response or "eventlist" in block.headers:
            return True
        if block.token_first:
            after = held[place + 1] if place + 1 < len(held) else None
            return after is not None and after.token_first
        before = held[place - 1] if place else None
        return block.token_last and before is not None and (before.token_last or before.is_response)
