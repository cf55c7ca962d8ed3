"""The folder Asterisk runs in: directories, links to the installed data, the classic intake's wrapper, files."""

import shlex
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pbx112.pbx.render import Place

CERTIFICATE_DAYS = 3650
_SOCKET_PATH_LIMIT = 90  # a Unix socket's path holds 107 bytes; "asterisk.ctl" and a margin go off


@dataclass(frozen=True, slots=True)
class Installed:
    """The installed Asterisk's data and English sounds, and the sounds and music made for this centre."""

    data_dir: Path
    sounds_dir: Path
    prompts_dir: Path


def write_file(path: Path, text: str, mode: int = 0o600) -> bool:
    """Write a file whole or not at all; True when its content changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=mode)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return True


def write_files(etc_dir: Path, files: Mapping[str, str]) -> list[str]:
    """Write the rendered files; the names of those that changed."""
    return [name for name, text in sorted(files.items()) if write_file(etc_dir / name, text)]


def run_dir(base_dir: Path) -> Path:
    """Where Asterisk's control socket stands: below `base_dir`, or a short folder when that path is too long."""
    path = base_dir / "run"
    if len(str(path)) <= _SOCKET_PATH_LIMIT:
        return path
    digest = sha256(str(base_dir).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pbx112-{digest}"


def prepare_folders(place: Place, installed: Installed, intake_argv: list[str]) -> None:
    """Make every folder Asterisk needs (without `log/cel-custom` it would lose every journal line)."""
    # Secrets, and callers' numbers in the logs: for the owner only.
    place.base_dir.mkdir(parents=True, exist_ok=True)
    place.base_dir.chmod(0o700)
    for folder in ("etc", "lib/keys", "log/cel-custom", "log/cdr-csv", "spool/outgoing", "agi-bin", "data/sounds"):
        (place.base_dir / folder).mkdir(parents=True, exist_ok=True, mode=0o750)
    place.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.run_dir.chmod(0o700)
    _link_data(place.base_dir / "data", installed)
    write_intake(place.base_dir, intake_argv)
    _ensure_certificate(place)


def write_intake(base_dir: Path, argv: Sequence[str]) -> None:
    """What Asterisk starts as the classic script: a wrapper with its arguments."""
    wrapper = base_dir / "agi-bin" / "pbx112-intake"
    write_file(wrapper, f"#!/bin/sh\nexec {shlex.join(argv)}\n", 0o750)
    wrapper.chmod(0o750)


def _link_data(data: Path, installed: Installed) -> None:
    for entry in installed.data_dir.iterdir():
        if entry.name not in {"sounds", "moh"}:
            _link(data / entry.name, entry)
    for language in ("id", "en"):
        folder = data / "sounds" / language
        folder.mkdir(exist_ok=True)
        own = installed.sounds_dir / language
        for entry in own.iterdir() if own.is_dir() else ():
            _link(folder / entry.name, entry)
        _link(folder / "pbx112", installed.prompts_dir / "sounds" / language / "pbx112")


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _ensure_certificate(place: Place) -> None:
    """A self-signed certificate for a first start; the centre replaces both files with its own."""
    if place.cert_file.exists() and place.key_file.exists():
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(place.cert_file, place.key_file)
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pbx112 {place.node}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place.cert_file.parent.mkdir(parents=True, exist_ok=True)
    write_file(place.key_file, private.decode(), 0o600)
    write_file(place.cert_file, certificate.public_bytes(serialization.Encoding.PEM).decode())
