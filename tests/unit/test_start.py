"""What the service imports before it takes calls in: every library there is time in which callers miss it."""

import subprocess
import sys

SLOW = {"sqlalchemy", "asyncpg", "alembic", "fastapi", "uvicorn", "httpx", "typer", "jwt", "argon2", "jinja2"}


def test_given_a_start_of_the_service_when_calls_are_taken_in_then_nothing_slow_was_imported() -> None:
    code = "import pbx112.cli, pbx112.bootstrap.serve, sys; print(*{name.split('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert not SLOW & set(imported.stdout.split())
