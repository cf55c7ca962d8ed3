"""What the service imports before it takes calls in: every library there is time in which callers miss it."""

import subprocess
import sys

SLOW = {"sqlalchemy", "asyncpg", "alembic", "fastapi", "uvicorn", "httpx", "typer", "jwt", "argon2", "jinja2"}


def imported_with(modules: str) -> set[str]:
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    return set(ran.stdout.split())


def test_given_a_start_of_the_service_when_calls_are_taken_in_then_nothing_slow_was_imported() -> None:
    assert not SLOW & imported_with("pbx112.cli, pbx112.bootstrap.serve")


def test_given_a_start_of_the_service_when_all_doors_are_there_then_nothing_was_imported_for_what_is_seldom() -> None:
    assert not {"alembic", "typer"} & imported_with("pbx112.cli, pbx112.bootstrap.doors")
