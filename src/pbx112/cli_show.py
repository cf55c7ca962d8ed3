"""What commands print: tables for people, JSON for programs, and nothing a caller could steer a terminal with."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx112.api.json_text import json_bytes

_PIPE_WIDTH = 200
_INERT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_WORDS = {
    "id": {
        "received": "Diterima",
        "number": "Nomor",
        "class": "Jenis penelepon",
        "state": "Keadaan",
        "outcome": "Hasil",
        "queue": "Antrean",
        "operator": "Operator",
        "wait": "Tunggu",
        "talk": "Bicara",
        "id": "ID",
        "field": "Nama",
        "value": "Isi",
        "at": "Waktu",
        "event": "Peristiwa",
        "channel": "Kanal",
        "extra": "Keterangan",
        "name": "Nama",
        "display_name": "Nama tampil",
        "members": "Anggota",
        "waiting": "Menunggu",
        "strategy": "Strategi",
        "extension": "Ekstensi",
        "queues": "Antrean",
        "reason": "Alasan",
        "missed": "tidak menjawab panggilan",
        "lines": "Saluran",
        "sources": "Alamat",
        "trusted": "Dipercaya",
        "role": "Peran",
        "part": "Bagian",
        "detail": "Keterangan",
        "remedy": "Tindakan",
        "created": "Dibuat",
        "level": "Tingkat",
        "since": "Sejak",
        "text": "Keterangan",
        "disabled": "Dinonaktifkan",
        "token": "Token",
        "last_used": "Terakhir dipakai",
        "expires": "Berlaku sampai",
        "revoked": "Dicabut",
        "row": "Baris",
        "who": "Siapa",
        "version": "Versi",
        "language": "Bahasa",
        "length": "Lama",
        "file": "Berkas",
        "action": "Tindakan",
        "subject": "Mengenai",
        "yes": "ya",
        "no": "tidak",
        "none": "Tidak ada.",
        "drill": "latihan",
        "agency": "Instansi",
        "mode": "Cara",
        "dispatch": "Sampai instansi",
        "hold": "Ditahan",
        "conversations": "Percakapan",
        "calls": "Panggilan",
        "worked_by": "Ditelepon balik oleh",
        "cannot_call_back": "Tidak dapat ditelepon balik",
        "gap": "PERHATIAN, data mungkin tidak lengkap:",
        "no_live": "Layanan tidak menjawab; keadaan langsung tidak diketahui, hanya konfigurasi yang ditampilkan.",
        "done": "Selesai: {name} {state}.",
    },
    "en": {
        "received": "Received",
        "number": "Number",
        "class": "Caller class",
        "state": "State",
        "outcome": "Outcome",
        "queue": "Queue",
        "operator": "Operator",
        "wait": "Wait",
        "talk": "Talk",
        "id": "ID",
        "field": "Field",
        "value": "Value",
        "at": "Time",
        "event": "Event",
        "channel": "Channel",
        "extra": "Details",
        "name": "Name",
        "display_name": "Display name",
        "members": "Members",
        "waiting": "Waiting",
        "strategy": "Strategy",
        "extension": "Extension",
        "queues": "Queues",
        "reason": "Reason",
        "missed": "did not take calls",
        "lines": "Lines",
        "sources": "Addresses",
        "trusted": "Trusted",
        "role": "Role",
        "part": "Part",
        "detail": "Detail",
        "remedy": "What to do",
        "created": "Created",
        "level": "Level",
        "since": "Since",
        "text": "Text",
        "disabled": "Disabled",
        "token": "Token",
        "last_used": "Last used",
        "expires": "Expires",
        "revoked": "Revoked",
        "row": "Row",
        "who": "Who",
        "version": "Version",
        "language": "Language",
        "length": "Length",
        "file": "File",
        "action": "Action",
        "subject": "Subject",
        "yes": "yes",
        "no": "no",
        "none": "None.",
        "drill": "drill",
        "agency": "Agency",
        "mode": "Mode",
        "dispatch": "To agency",
        "hold": "On hold",
        "conversations": "Conversations",
        "calls": "Calls",
        "worked_by": "Called back by",
        "cannot_call_back": "Cannot be called back",
        "gap": "NOTE, data may be incomplete:",
        "no_live": "The service does not answer; the live state is unknown, only the configuration is shown.",
        "done": "Done: {name} is {state}.",
    },
}


def inert(value: object) -> str:
    """Text that cannot steer a terminal: control, format and direction characters stand as escapes."""
    if value is None:
        return "-"
    return "".join(
        letter if unicodedata.category(letter) not in _INERT else letter.encode("unicode_escape").decode()
        for letter in str(value)
    )


def word(lang: str, key: str) -> str:
    """A word of the command line in the centre's language."""
    return _WORDS[lang][key]


def show_json(value: Any) -> None:
    """Print JSON in pure ASCII: what callers sent can then do nothing to a terminal either."""
    plain = json.loads(json_bytes(value))
    print(json.dumps(plain, indent=2, ensure_ascii=True).replace("\x7f", "\\u007f"))


def show_table(lang: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: str = "") -> None:
    """Print a table with these words as headings; the column `whole` is never cut."""
    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(word(lang, column), no_wrap=column == whole, overflow="fold")
    for row in rows:
        table.add_row(*(Text(inert(cell)) for cell in row))
    if table.row_count == 0:
        print(word(lang, "none"))
        return
    _console().print(table)


def show_line(text: str) -> None:
    """Print one line for people."""
    print(inert(text), flush=True)


def note(text: str) -> None:
    """One line beside the output, on stderr."""
    print(inert(text), file=sys.stderr, flush=True)


def local_time(at: datetime | None, zone: str) -> str:
    """A time in the centre's zone with the zone's name: `2025-01-31 17:00:00 WIB`."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z") if at is not None else "-"


def duration(milliseconds: int | None) -> str:
    """A duration for people: `12.3 s`, `4:05`."""
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _console() -> Console:
    # A pipe has no width: nothing may be cut there, as programs and `grep` read it.
    return Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH, no_color=True)
