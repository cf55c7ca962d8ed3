"""`pbx112 doctor`: looks at every part, and says of each fault what to do about it."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography import x509

from pbx112.api.tokens import make_token
from pbx112.bootstrap.applied import applied_configuration, database_url, migration_url
from pbx112.bootstrap.doors import watched_places
from pbx112.domain.demo import is_demo
from pbx112.domain.errors import Pbx112Error
from pbx112.host.asterisk import find_asterisk
from pbx112.host.secrets import read_secrets
from pbx112.journal.tail import rotated_paths
from pbx112.services.credentials import COMMAND_LINE
from pbx112.services.disk import file_systems, readable, write_fault
from pbx112.services.users import Role
from pbx112.settings import Bind, Settings
from pbx112.storage.engine import check, make_engine
from pbx112.storage.migrate import check_migrations

_DEADLINE_SECONDS = 5.0
_CERTIFICATE_WARNING = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Check:
    """One part's health: `remedy` says what to do when it is not well, or what to know when it is."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


class _Ill(Exception):
    """A check found a fault."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


async def doctor(settings: Settings) -> list[Check]:
    """Every check, in the order in which a call needs the parts. Never raises."""
    checks: list[tuple[str, Callable[[Settings], Awaitable[str]]]] = [
        ("asterisk program", _program),
        ("applied configuration", _configuration),
        ("asterisk answers", _asterisk),
        ("intake (FastAGI)", _intake),
        ("database", _database),
        ("journal", _journal),
        ("service", _service),
        ("alarms", _alarms),
        ("disk", _disk),
        ("secrets", _secrets),
        ("TLS certificate", _certificate),
        ("addresses", _addresses),
    ]
    return [await _check(name, check, settings) for name, check in checks]


async def _check(name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings) -> Check:
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return Check(name, True, await check(settings))
    except _Ill as ill:
        return Check(name, False, str(ill), ill.remedy)
    except Pbx112Error as error:
        return Check(name, False, str(error), None)
    except TimeoutError:
        return Check(name, False, f"No answer within {_DEADLINE_SECONDS:.0f} s.", "Look at its log and restart it.")
    except Exception as error:
        # A fault in one check must not hide the others.
        return Check(name, False, f"{type(error).__name__}: {error}", "This is a fault of the check; please report it.")


async def _program(settings: Settings) -> str:
    install = await asyncio.to_thread(find_asterisk, settings.asterisk, settings.runtime_dir)
    return f"Asterisk {install.version} at {install.argv[-1]}."


async def _configuration(settings: Settings) -> str:
    configuration = applied_configuration(settings)
    counted = (
        f"{len(configuration.trunks)} trunks, {len(configuration.queues)} queues, "
        f"{len(configuration.operators)} operators, {len(configuration.agencies)} agencies"
    )
    if is_demo(configuration):
        return f"The DEMO centre: {counted}. Its carriers are loopback addresses; no real call can arrive."
    return f"{counted}."


async def _asterisk(settings: Settings) -> str:
    remedy = (
        "Start Asterisk (make run, or systemctl start pbx112-asterisk); its log is "
        f"{settings.asterisk_dir / 'log' / 'messages.log'}."
    )
    reader, writer = await _connect(settings.ami_bind, "Operators cannot be commanded.", remedy)
    greeting = (await reader.readline()).decode("ascii", "replace").strip()
    writer.close()
    at = str(settings.ami_bind)
    if "Asterisk Call Manager" not in greeting:
        raise _Ill(f"Something else answers at {at}: {greeting[:60]!r}.", "Set PBX112_AMI_BIND elsewhere.")
    return f"{greeting} at {at}."


async def _intake(settings: Settings) -> str:
    meanwhile = "Calls are taken by the classic script and the default queue."
    _, writer = await _connect(settings.agi_bind, meanwhile, "Start the service (make run, or systemctl start pbx112).")
    writer.close()
    return f"Listens at {settings.agi_bind}."


async def _connect(at: Bind, meanwhile: str, remedy: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(at.host, at.port)
    except OSError as error:
        raise _Ill(f"Nothing listens at {at} ({error.strerror}). {meanwhile}", remedy) from error


async def _database(settings: Settings) -> str:
    engine = make_engine(database_url(settings), pool_size=1)
    try:
        await check(engine)
        differences = await check_migrations(migration_url(settings), migrations=settings.home / "migrations")
    finally:
        await engine.dispose()
    if differences:
        raise _Ill(f"Its tables are not this version's: {differences[0]}", "Run `pbx112 migrate`.")
    return "Answers; its tables are this version's."


async def _journal(settings: Settings) -> str:
    folder = settings.journal_file.parent
    if not folder.is_dir():
        raise _Ill(f"{folder} is missing: Asterisk would lose every line.", "Run `pbx112 prepare`.")
    if not os.access(folder, os.W_OK):
        raise _Ill(f"{folder} cannot be written.", "Give it to the user that runs Asterisk.")
    fault = write_fault(folder)
    if fault is not None:
        raise _Ill(f"{folder} cannot be written: {fault}.", "Free some space there now: journal lines are being lost.")
    if not settings.journal_file.exists():
        return "No call yet."
    old = [path.stat().st_size for path in rotated_paths(settings.journal_file)]
    return (
        f"{readable(settings.journal_file.stat().st_size)}, and {len(old)} old files of {readable(sum(old))}, "
        f"kept for {settings.journal_keep_days:g} days."
    )


async def _service(settings: Settings) -> str:
    try:
        async with httpx.AsyncClient(timeout=3.0, trust_env=False) as client:
            answer = await client.get(f"http://{settings.http_bind}/v1/health/ready")
    except httpx.HTTPError as error:
        raise _Ill(
            f"Nothing answers at http://{settings.http_bind} ({type(error).__name__}).",
            "Start the service (make run, or systemctl start pbx112).",
        ) from error
    body: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK:
        raise _Ill(f"Not ready: {body.get('detail') or body}", "Mend the part it names; calls go on meanwhile.")
    return f"Ready at http://{settings.http_bind}."


async def _alarms(settings: Settings) -> str:
    """The alarms of the running service. A warning is told; a critical one is a fault."""
    token = make_token(read_secrets(settings.secrets_file).token, f"{COMMAND_LINE}doctor", Role.AUDITOR)
    try:
        async with httpx.AsyncClient(timeout=3.0, trust_env=False) as client:
            answer = await client.get(
                f"http://{settings.http_bind}/v1/alarms", headers={"Authorization": f"Bearer {token}"}
            )
            items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise _Ill(
            f"They cannot be asked for ({type(error).__name__}).", "Start the service; it keeps the alarms."
        ) from error
    texts = " ".join(f"[{item['level']}] {item['key']}: {item['text']}" for item in items)
    if any(item["level"] == "critical" for item in items):
        raise _Ill(texts, "Do what the alarm says.")
    return texts or "None is up."


async def _disk(settings: Settings) -> str:
    if not settings.state_dir.is_dir():
        raise _Ill(f"{settings.state_dir} is missing.", "Start the system once: make run, or pbx112 prepare.")
    found = await asyncio.to_thread(file_systems, watched_places(settings))
    low = [one for one in found if one.level is not None]
    if low:
        raise _Ill(
            " ".join(
                f"Only {readable(one.free)} ({one.free_inodes} inodes) free at {one.path} ({', '.join(one.names)})."
                for one in low
            ),
            "Free some space: a full disk loses journal lines and recordings.",
        )
    return "; ".join(f"{readable(one.free)} free for {', '.join(one.names)}" for one in found) + "."


async def _secrets(settings: Settings) -> str:
    if not settings.secrets_file.exists():
        raise _Ill(f"{settings.secrets_file} is missing.", "Start the system once: make run, or pbx112 prepare.")
    mode = settings.secrets_file.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _Ill(f"{settings.secrets_file} can be read by others.", f"chmod 600 {settings.secrets_file}")
    return "Readable by their owner only."


async def _certificate(settings: Settings) -> str:
    file = settings.state_dir / "tls" / "pbx112.crt"
    if not file.exists():
        raise _Ill(f"{file} is missing: operators cannot register by TLS.", "Run `pbx112 prepare`, or put yours there.")
    ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    if ends - datetime.now(UTC) < _CERTIFICATE_WARNING:
        raise _Ill(f"It ends {ends:%Y-%m-%d}.", f"Renew {file} and its key, and restart Asterisk at a quiet hour.")
    return f"Valid until {ends:%Y-%m-%d}."


async def _addresses(settings: Settings) -> str:
    host, port = settings.sip_bind
    if host.startswith("127."):
        return f"SIP listens on loopback only ({host}:{port}): right for a demo; set PBX112_SIP_BIND for a real trunk."
    return f"SIP listens at {host}:{port}, TLS at {port + 1}."
