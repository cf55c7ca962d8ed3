"""The command `pbx112`: one sentence for each error, exit code 0 only on success, `--json` for programs."""

# ruff: noqa: PLC0415  # the service must not pay for the commands' libraries when it starts under callers

import os
import re
import sys

from pydantic import ValidationError
from pydantic_settings import SettingsError

from pbx112.domain.errors import Pbx112Error


def main() -> None:
    """Run the command line; every failure is one sentence on stderr and an exit code of its own."""
    try:
        if sys.argv[1:] == ["serve"]:
            from pbx112.bootstrap.serve import serve_until_told

            serve_until_told()
        else:
            from pbx112.cli_app import app

            app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has had enough (`pbx112 calls | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        from pbx112.cli_show import note

        note(f"pbx112: {_sentence(error)}")
        sys.exit(1)


def _sentence(error: BaseException) -> str:
    if os.environ.get("PBX112_TRACE"):
        raise error
    if isinstance(error, BaseExceptionGroup):
        return _sentence(error.exceptions[0])
    if isinstance(error, Pbx112Error):
        return str(error) or (type(error).__doc__ or error.slug)
    if isinstance(error, ValidationError):
        faults = [f"PBX112_{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        return f"The environment cannot be used: {'; '.join(faults)}."
    if isinstance(error, SettingsError):
        field = re.search(r'field "(\w+)"', str(error))
        name = f"PBX112_{field[1].upper()}" if field else str(error)
        return f"The environment cannot be used: the value of {name} cannot be read."
    if isinstance(error, OSError):
        return f"{error}."
    return f"pbx112 made a mistake ({type(error).__name__}: {error}). Set PBX112_TRACE=1 to see where."
