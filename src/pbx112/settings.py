"""What a machine's environment says (`PBX112_*`). Read by the roof only, once, and passed on as values."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

HOME = Path(__file__).resolve().parents[2]
"""The checkout: where `asterisk/`, `dialplan/` and `migrations/` stand (overridden by PBX112_HOME)."""


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"unknown time zone {value!r}; use Asia/Jakarta (WIB), Asia/Makassar (WITA) or Asia/Jayapura (WIT)"
        ) from error
    return value


class Bind(tuple[str, int]):
    """An address to listen on, `host:port`."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The address without its port."""
        return self[0]

    @property
    def port(self) -> int:
        """The port."""
        return self[1]

    def __str__(self) -> str:
        return f"{self[0]}:{self[1]}"


def _bind(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r} is not an address and port, such as 127.0.0.1:8112")
    return Bind((host, int(port)))


def _range(value: object) -> object:
    if not isinstance(value, str):
        return value
    low, _, high = value.partition("-")
    if not low.isdigit() or not high.isdigit() or not 1024 <= int(low) < int(high) < 65536:
        raise ValueError(f"{value!r} is not a port range, such as 20000-20999")
    return int(low), int(high)


def _local(value: Bind | None) -> Bind | None:
    if value is not None and not value.host.startswith("127."):
        raise ValueError(
            f"{value} is not an address of this machine's loopback (127.x.x.x): FastAGI has no password and AMI no "
            "encryption, and a connect that nobody answers would cost every caller two seconds"
        )
    return value


def _or_none(value: object) -> object:
    return None if value == "" else value


def _web_address(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        # It may hold a token, so it is never shown.
        try:
            found = urlsplit(value.get_secret_value())
            usable = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("this is not a web address, such as https://alarm.example.go.id/pbx112")
    return value


BindField = Annotated[Bind, NoDecode, BeforeValidator(_bind)]


class Settings(BaseSettings):
    """Frozen settings; every name is an environment variable with the prefix `PBX112_`."""

    model_config = SettingsConfigDict(env_prefix="PBX112_", frozen=True, arbitrary_types_allowed=True, extra="ignore")

    home: Path = HOME
    runtime_dir: Path = Path(".runtime")
    state_dir: Path = Path(".runtime/state")
    database_url: str | None = None
    migration_url: str | None = None
    http_bind: BindField = Bind(("127.0.0.1", 8112))
    agi_bind: Annotated[BindField, AfterValidator(_local)] = Bind(("127.0.0.1", 4573))
    agi_ask: Annotated[Bind | None, NoDecode, BeforeValidator(_bind), AfterValidator(_local)] = None
    ami_bind: BindField = Bind(("127.0.0.1", 5038))
    ami_ask: Annotated[Bind | None, NoDecode, BeforeValidator(_bind), AfterValidator(_local)] = None
    sip_bind: BindField = Bind(("127.0.0.1", 5060))
    rtp_range: Annotated[tuple[int, int], NoDecode, BeforeValidator(_range)] = (20000, 20999)
    asterisk: str | None = None
    node: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")] = "node1"
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Jakarta"
    lang: Literal["id", "en"] = "id"
    demo_secret: SecretStr | None = None
    journal_max_mb: Annotated[float, Field(gt=0)] = 64
    journal_keep_days: Annotated[float, Field(ge=0)] = 14
    canary_minutes: Annotated[float, Field(ge=0, le=1440)] = 15
    watch_free_seconds: Annotated[float, Field(ge=2, le=300)] = 5
    watch_wait_seconds: Annotated[float, Field(ge=5, le=3600)] = 60
    watch_empty_queue: bool = True
    watch_trunk_calls: Annotated[float, Field(ge=0, le=1000)] = 5
    alarm_webhook: Annotated[SecretStr | None, BeforeValidator(_or_none), AfterValidator(_web_address)] = None
    alarm_webhook_secret: Annotated[SecretStr | None, BeforeValidator(_or_none)] = None
    log_format: Literal["text", "json"] = "text"

    @model_validator(mode="after")
    def _paths(self) -> Self:
        for name in ("home", "runtime_dir", "state_dir"):
            path = getattr(self, name)
            if not path.is_absolute():
                base = Path.cwd() if name == "home" else self.home
                object.__setattr__(self, name, (base / path).resolve())
        return self

    @property
    def intake_address(self) -> Bind:
        """Where Asterisk asks for the intake: PBX112_AGI_ASK when something stands between, else PBX112_AGI_BIND."""
        return self.agi_ask or self.agi_bind

    @property
    def asterisk_dir(self) -> Path:
        """Everything Asterisk reads and writes: etc/, log/, lib/, spool/."""
        return self.state_dir / "asterisk"

    @property
    def journal_file(self) -> Path:
        """The journal: CEL as CSV, appended by Asterisk, read by `journal`."""
        return self.asterisk_dir / "log" / "cel-custom" / "journal.csv"

    @property
    def applied_file(self) -> Path:
        """The last applied configuration as JSON, for the intake without a database."""
        return self.state_dir / "applied.json"

    @property
    def secrets_file(self) -> Path:
        """Secrets made at first start; readable by the owner only."""
        return self.state_dir / "secrets.json"
