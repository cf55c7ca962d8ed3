"""Why a move of a transfer is refused, for the operator who asked, in his centre's language."""

from collections.abc import Mapping

from pbx112.domain.transfer import MOVES, Move, TransferState

_REFUSALS: Mapping[TransferState, tuple[str, str]] = {
    TransferState.REQUESTED: (
        "Pengalihan baru saja diminta; instansi belum dipanggil. Coba lagi sebentar.",
        "The transfer has only just been requested; the agency is not called yet. Try again in a moment.",
    ),
    TransferState.CALLING: (
        "Instansi belum menjawab; penelepon belum dapat diserahkan. Tunggu, atau batalkan.",
        "The agency has not answered; the caller cannot be handed over yet. Wait, or cancel.",
    ),
    TransferState.BRIEFING: (
        "Instansi sedang diberi pengantar; ini tidak dapat dilakukan sekarang.",
        "The agency is being briefed; this cannot be done now.",
    ),
    TransferState.CONFERENCE: (
        "Penelepon, operator dan instansi sudah bersama.",
        "Caller, operator and agency are together already.",
    ),
    TransferState.HANDED_OVER: (
        "Penelepon sudah diserahkan kepada instansi; operator tidak lagi dalam panggilan ini.",
        "The caller has been handed over to the agency; the operator is not in this call any more.",
    ),
    TransferState.ENDED: (
        "Pengalihan ini sudah berakhir.",
        "This transfer is over.",
    ),
}


def refusal(state: TransferState, move: Move, lang: str) -> str | None:
    """Why this move is not possible in this state; None when it is."""
    if move in MOVES[state]:
        return None
    indonesian, english = _REFUSALS[state]
    return indonesian if lang == "id" else english
