"""Commands about the centre's own sound prompts: list, upload, use. They ask the running service."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from pbx112.cli_session import ask_service, run, settings
from pbx112.cli_show import local_time, note, show_json, show_line, show_table
from pbx112.domain.errors import BadInput
from pbx112.domain.prompts import MOST_BYTES, MOST_FILE_NAME, check_name, say

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Name = Annotated[str, typer.Argument(help="The prompt's name, as queues have it in `comfort`.")]
Language = Annotated[str, typer.Argument(help="id or en.")]

Version = Annotated[int, typer.Argument(min=1, max=2**31 - 1, help="The version, as list shows it.")]

prompts_app = typer.Typer(help="The centre's own sound prompts: list, upload, use.", no_args_is_help=True)

_UPLOAD_SECONDS = 120.0


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(prompts_app, name="prompts")


@prompts_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the prompts with every version; a * marks the one that callers hear."""
    of = settings()
    found = run(ask_service(of, "GET", "/prompts"))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            prompt["name"],
            prompt["language"],
            f"{version['version']}{' *' if version['version'] == prompt['in_use'] else ''}",
            f"{version['duration_ms'] / 1000:.1f} s",
            local_time(datetime.fromisoformat(version["at"]), of.timezone),
            version["who"],
            ", ".join(prompt["queues"]),
            version["file_name"],
        )
        for prompt in found["items"]
        for version in prompt["versions"]
    ]
    show_table(of.lang, ("name", "language", "version", "length", "at", "who", "queues", "file"), rows)
    for line in found["missing"]:
        note(line)


@prompts_app.command()
def upload(
    name: Name,
    language: Language,
    file: Annotated[Path, typer.Argument(help="A recording: WAV, MP3 or Ogg, at most 20 MB and five minutes.")],
    use: Annotated[
        bool, typer.Option("--use", help="Let callers hear it at once; the first version always is.")
    ] = False,
) -> None:
    """Upload a recording as a prompt's next version."""
    of = settings()
    check_name(name, language, of.lang)
    said = urlencode({"file_name": file.name[-MOST_FILE_NAME:], "use": str(use).lower()})
    path = f"/prompts/{name}/{language}?{said}"
    done = run(ask_service(of, "PUT", path, content=_read(file, of.lang), within_s=_UPLOAD_SECONDS))
    heard = "callers hear it" if done["in_use"] else "`pbx112 prompts use` lets callers hear it"
    show_line(f"Version {done['version']} of {name}/{language}, {done['duration_ms'] / 1000:.1f} s: {heard}.")
    _tell(done)


@prompts_app.command()
def use(name: Name, language: Language, version: Version) -> None:
    """Let callers hear this version, from the next one on."""
    of = settings()
    check_name(name, language, of.lang)
    path = f"/prompts/{name}/{language}/use"
    done = run(ask_service(of, "POST", path, {"version": version}, within_s=_UPLOAD_SECONDS))
    show_line(f"Callers hear version {done['version']} of {name}/{language}.")
    _tell(done)


def _read(file: Path, lang: str) -> bytes:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise BadInput(say("too_large", lang, most=MOST_BYTES // 2**20))
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error


def _tell(done: dict[str, Any]) -> None:
    for line in done["told"]:
        note(line)
