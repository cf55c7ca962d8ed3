"""What an earlier command left on disk: the applied configuration, and where the database is.

Whoever takes calls in reads it first, so it imports nothing that starts slowly.
"""

import json
from pathlib import Path

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import Pbx112Error
from pbx112.settings import Settings

AMI_USER = "pbx112"
AMI_APPLY_USER = "pbx112-apply"


class NotPrepared(Pbx112Error):
    """Something that a start makes is not there yet."""

    slug = "not-prepared"


def applied_configuration(settings: Settings) -> Configuration:
    """The configuration that Asterisk runs with, from disk: no database is needed. Raises NotPrepared."""
    try:
        return Configuration.from_json(json.loads(settings.applied_file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise NotPrepared(
            f"No configuration was applied yet ({settings.applied_file} is missing): run `pbx112 prepare`, "
            "or `make run`, which does it."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotPrepared(
            f"The applied configuration {settings.applied_file} cannot be read ({error}): run `pbx112 prepare`."
        ) from error


def database_url(settings: Settings) -> str:
    """The service's database: PBX112_DATABASE_URL, else the embedded server that runs for this state folder."""
    if settings.database_url:
        return settings.database_url
    return _embedded_urls(settings)["service"]


def migration_url(settings: Settings) -> str:
    """The owner's way to the same database: PBX112_MIGRATION_URL, else the service's, else the embedded one's."""
    if settings.migration_url or settings.database_url:
        return settings.migration_url or settings.database_url or ""
    return _embedded_urls(settings)["owner"]


def embedded_urls_file(settings: Settings) -> Path:
    """Where `make run` leaves the embedded server's addresses for the other commands."""
    return settings.state_dir / "database.json"


def _embedded_urls(settings: Settings) -> dict[str, str]:
    try:
        urls: dict[str, str] = json.loads(embedded_urls_file(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotPrepared(
            "No database is known: start the system (make run), or set PBX112_DATABASE_URL to a PostgreSQL server."
        ) from error
    return urls
