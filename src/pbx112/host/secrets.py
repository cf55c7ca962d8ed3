"""The secrets of a first start: made once, kept in one file that only its owner can read."""

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbx112.domain.errors import Pbx112Error
from pbx112.host.folders import write_whole

_WORD_BYTES = 12


class SecretsBroken(Pbx112Error):
    """The secrets file cannot be read; the message says what to do."""

    slug = "secrets-broken"


@dataclass(frozen=True, slots=True)
class Secrets:
    """AMI users' secrets, the key of bearer tokens, SIP accounts' and first web users' passwords by name."""

    ami: str
    ami_apply: str
    token: str
    phones: Mapping[str, str]
    users: Mapping[str, str]


def ensure_secrets(file: Path, *, phones: Iterable[str], users: Iterable[str], demo_secret: str | None) -> Secrets:
    """Read the file, make what it lacks, and write it back. `demo_secret`, when given, is every password."""
    known = _read(file)
    secret: dict[str, Any] = {
        "ami": known.get("ami") or secrets.token_urlsafe(24),
        "ami_apply": known.get("ami_apply") or secrets.token_urlsafe(24),
        "token": known.get("token") or secrets.token_urlsafe(48),
        "phones": _fill(known.get("phones"), phones, demo_secret),
        "users": _fill(known.get("users"), users, demo_secret),
    }
    if secret != known:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(secret, indent=1).encode(), 0o600)
    return Secrets(**secret)


def read_secrets(file: Path) -> Secrets:
    """What a start has made; raises SecretsBroken when there was none."""
    known = _read(file)
    if not known:
        raise SecretsBroken(f"There are no secrets at {file} yet: start the system once (make run, or pbx112 prepare).")
    return Secrets(**known)


def _fill(known: Mapping[str, str] | None, names: Iterable[str], demo_secret: str | None) -> dict[str, str]:
    filled = dict(known or {})
    for name in names:
        filled[name] = demo_secret or filled.get(name) or secrets.token_urlsafe(_WORD_BYTES)
    return filled


def _read(file: Path) -> dict[str, Any]:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SecretsBroken(
            f"The secrets file {file} cannot be read ({error}). Restore it from a backup, or move it away to have "
            "new secrets made (softphones and users then need the new ones)."
        ) from error
    if not isinstance(known, dict):
        raise SecretsBroken(f"The secrets file {file} holds something else; restore it from a backup.")
    return known
