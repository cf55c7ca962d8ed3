"""How a program of the unpacked Debian tree is started on a system that has another C library."""

import os
from dataclasses import dataclass
from pathlib import Path

_MACHINES = {
    "x86_64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "aarch64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}

MULTIARCH: str | None = _MACHINES.get(os.uname().machine, (None, ""))[0]
"""Debian's name of this machine's architecture in paths, or None when it is not one we fetch packages for."""


@dataclass(frozen=True)
class UnpackedRoot:
    """A folder with Debian packages unpacked into it; `path` plays the part of `/`."""

    path: Path

    @property
    def libraries(self) -> Path:
        """The folder of its libraries."""
        return self.path / "usr/lib" / (MULTIARCH or "")

    @property
    def loader(self) -> Path:
        """Its own dynamic loader, which belongs to its own C library."""
        return self.libraries / _MACHINES.get(os.uname().machine, ("", "none"))[1]

    def argv(self, program: str, *arguments: str) -> tuple[str, ...]:
        """Return how to start `program` (a path below the root, such as `usr/bin/sox`)."""
        return (str(self.loader), "--library-path", self._library_path(), str(self.path / program), *arguments)

    def _library_path(self) -> str:
        # Some libraries stand one folder deeper (jack, pulseaudio) and are found by ld.so.conf on an installed system.
        deeper = sorted({file.parent for file in self.libraries.glob("*/lib*.so*")})
        return ":".join(str(folder) for folder in (self.libraries, *deeper))


def root_of(binary: Path) -> UnpackedRoot | None:
    """Return the unpacked tree that a binary stands in, or None when it is a program of the system."""
    for parent in binary.resolve().parents:
        root = UnpackedRoot(parent)
        if parent != Path("/") and root.loader.exists() and not parent.samefile("/"):
            return root
    return None
