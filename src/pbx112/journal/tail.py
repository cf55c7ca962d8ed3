"""The journal's files on the disk: which there are, in which order, and one that is open."""

import contextlib
import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

IDENTITY_BYTES = 48
"""The first bytes of a file hold its first event's kind and microsecond: no two files of a node begin the same.

They alone are the file's identity, so that neither a new file on a reused inode is taken for the old one, nor a folder
that was moved or restored (other inodes) for a new journal that would count every line a second time.
"""

_WINDOW = 256 * 1024
_COMPRESSED = frozenset({".gz", ".xz", ".bz2", ".zst"})
_FIRST_TIME = re.compile(rb'^"[^"]*","([0-9]{1,12}\.[0-9]{1,6})"')


@dataclass(frozen=True, slots=True)
class JournalFile:
    """A file of the journal, as found; `live` is the one that Asterisk appends to.

    `size` is in bytes; `first_at` and `written_at`, of its first event and of the last write to it, are Unix times.
    """

    path: Path
    file_id: str
    inode: int
    size: int
    first_at: float
    written_at: float
    live: bool


def list_files(path: Path) -> list[JournalFile]:
    """The rotated files from the oldest on, then the live one.

    Rotated ones are ours (`journal.csv.<time>`) and those of other hands (`journal.csv.1`, `journal-<date>.csv`). Of
    two copies of one file the live one counts, else the longest. A file that has no identity yet is left out. Raises
    OSError when the folder, or one of the files, cannot be read.
    """
    live = _look(path, live=True)
    rotated: dict[str, JournalFile] = {}
    for other in rotated_paths(path):
        file = _look(other, live=False)
        if file is None or (live is not None and file.file_id == live.file_id):
            continue
        known = rotated.get(file.file_id)
        if known is None or file.size > known.size:
            rotated[file.file_id] = file
    ordered = sorted(rotated.values(), key=lambda file: (file.first_at, file.path.name))
    return ordered if live is None else [*ordered, live]


def is_boundary(path: Path, offset: int) -> bool:
    """True when a record ends right before `offset`: else the file was cut, and has grown again since."""
    if offset == 0:
        return True
    with path.open("rb", buffering=0) as file:
        file.seek(offset - 1)
        return file.read(1) == b"\n"


def first_after(path: Path, at: float) -> int:
    """Where the first record that is newer than `at` (Unix time) begins; the file's size when there is none. Blocking.

    For a file that lost its end, and to which new records were written since: what is newer was not read.
    """
    place = 0
    with path.open("rb") as file:
        for line in file:
            found = _FIRST_TIME.match(line)
            if found is not None and float(found[1]) > at:
                return place
            place += len(line)
    return place


def rotated_paths(path: Path) -> list[Path]:
    """The rotated files of the journal `path` as they stand beside it, compressed ones left out, in no order."""
    names = (f"{path.name}.", f"{path.name}-")
    return [
        other
        for other in (path.parent.iterdir() if path.parent.is_dir() else ())
        if (other.name.startswith(names) or (other.name.startswith(f"{path.stem}-") and other.suffix == path.suffix))
        and other.suffix not in _COMPRESSED
        and other.is_file()
    ]


def base_id(file_id: str | None) -> str | None:
    """The identity without the mark of `renewed`."""
    return None if file_id is None else file_id.partition("~")[0]


def renewed(file_id: str) -> str:
    """Another identity for a file that was cut: new lines stand at places where old ones stood."""
    base, _, times = file_id.partition("~")
    return f"{base}~{int(times or 0) + 1}"


def _look(path: Path, *, live: bool) -> JournalFile | None:
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(IDENTITY_BYTES)
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    if len(head) < IDENTITY_BYTES:
        return None
    found = _FIRST_TIME.match(head)
    first_at = float(found.group(1)) if found is not None else status.st_mtime
    return JournalFile(path, _identity(head), status.st_ino, status.st_size, first_at, status.st_mtime, live)


def _identity(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()[:24]


class OpenFile:
    """A journal file held open: it stays readable when it is renamed or deleted."""

    def __init__(self, found: JournalFile, file_id: str) -> None:
        """Open what was found. Raises OSError, FileNotFoundError too when another file has taken its name."""
        self.name = found.path.name
        self.file_id = file_id
        self._fd = os.open(found.path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._fd)
        self.inode = status.st_ino
        self._device = status.st_dev
        if self.inode != found.inode:
            self.close()
            raise FileNotFoundError(f"{found.path} was replaced just now")

    def size(self) -> int:
        """The present size in bytes."""
        return os.fstat(self._fd).st_size

    def quiet_seconds(self) -> float:
        """How long ago it was last written, so that files which waited for days are not waited for again."""
        return max(time.time() - os.fstat(self._fd).st_mtime, 0.0)

    def read(self, offset: int) -> bytes:
        """A window of bytes from `offset`: at most 256 KiB, so that reading never holds up the event loop."""
        return os.pread(self._fd, _WINDOW, offset)

    def is_itself(self) -> bool:
        """False when it was emptied (`copytruncate`) and holds other lines now, or none."""
        return _identity(os.pread(self._fd, IDENTITY_BYTES, 0)) == base_id(self.file_id)

    def is_at(self, path: Path) -> bool:
        """True when this very file is still found under `path`."""
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            return (status.st_ino, status.st_dev) == (self.inode, self._device)
        return False

    def close(self) -> None:
        """Give the file back."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
