"""The order of the tests: long files come first, or the last one keeps one worker busy when the others are done."""

import pytest

CENTRES = ("acceptance", "faults")
LONG = (
    "test_clock.py",
    "test_journal_rotation.py",
    "test_schemathesis.py",
    "test_upgrade.py",
    "test_users_and_tokens.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole centres, then the other long files, then the rest as they stand; a file stays together."""
    items.sort(key=lambda item: 0 if item.path.parent.name in CENTRES else 1 if item.path.name in LONG else 2)
