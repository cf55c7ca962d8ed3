"""An alarm for an agency that could not be reached, or whose transfer brought a caller back to the queue."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pbx112.domain.transfer import TransferResult
from pbx112.services.ports import AlarmBoard

LASTS = timedelta(minutes=10)
"""An agency that nobody has called since is not known to be out of reach any more."""

_EVERY_SECONDS = 5.0
_REMEMBERED = 1000
_EXHAUSTED = (
    "Instansi {agency} tidak dapat dihubungi: {count} saluran dicoba, tidak ada yang menjawab. Periksa saluran dan "
    "teleponnya, dan hubungi instansi itu dengan cara lain.",
    "The agency {agency} could not be reached: {count} lines were tried, and nobody answered. See to its lines and "
    "phones, and reach it by other means.",
)
_RETURNED = (
    "Penelepon yang dialihkan ke {agency} kembali ke antrean. Dengarkan apakah ia sudah ditolong, dan periksa saluran "
    "instansi itu.",
    "A caller on his way to {agency} came back to the queue. See that he was helped, and see to the agency's lines.",
)


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class TransferAlarms:
    """Reads call records as they change. The alarm goes with the agency's next answer, or after ten minutes."""

    def __init__(self, board: AlarmBoard, lang: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._board = board
        self._lang = lang
        self._clock = clock
        self._up: dict[str, datetime] = {}
        self._told: OrderedDict[UUID, None] = OrderedDict()

    def see(self, call: Mapping[str, Any]) -> None:
        """A public call record that has changed; at once, and never raises for one that is as it should be."""
        for transfer in call["transfers"]:
            if transfer["agency"]:
                self._see(transfer["agency"], transfer)

    def _see(self, agency: str, transfer: Mapping[str, Any]) -> None:
        since, answered = self._up.get(agency), transfer["answered_at"]
        failed = transfer["returned"] is not None or transfer["result"] == TransferResult.EXHAUSTED
        if not failed and since is not None and answered is not None and answered > since:
            self._clear(agency)
        if not failed or transfer["id"] in self._told:
            return
        self._told[transfer["id"]] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        at = transfer["ended_at"] or self._clock()
        if self._clock() - at < LASTS:  # a record may change long after its end
            self._up[agency] = at
            self._board.set(f"transfer:{agency}", "warning", self._text(agency, transfer))

    def settle(self) -> None:
        """Clear what is old."""
        now = self._clock()
        for agency in [name for name, at in self._up.items() if abs(now - at) >= LASTS]:
            self._clear(agency)

    async def run(self) -> None:
        """Settle, for ever."""
        while True:
            self.settle()
            await asyncio.sleep(_EVERY_SECONDS)

    def _clear(self, agency: str) -> None:
        del self._up[agency]
        self._board.clear(f"transfer:{agency}")

    def _text(self, agency: str, transfer: Mapping[str, Any]) -> str:
        texts = _EXHAUSTED if transfer["result"] == TransferResult.EXHAUSTED else _RETURNED
        return texts[0 if self._lang == "id" else 1].format(agency=agency, count=len(transfer["attempts"]))
