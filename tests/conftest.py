"""The order of the tests: what takes long comes first, or it keeps one worker busy when the others have nothing left."""

import pytest

FIRST = ("acceptance", "faults")
LONG = ("test_clock.py", "test_schemathesis.py", "test_upgrade.py", "test_journal_rotation.py", "test_users_and_tokens.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole centres, then the other long files, then the rest as they stand; a file stays together."""
    items.sort(key=lambda item: 0 if item.path.parent.name in FIRST else 1 if item.path.name in LONG else 2)
