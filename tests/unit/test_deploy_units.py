"""The units of a production host: whatever dies is started again, soon and for ever."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
BACK_SECONDS = 30
"""So soon after Asterisk's own death a call gets through: its stop, the pause, its start."""


def unit(name: str) -> dict[str, dict[str, str]]:
    """The settings of a unit by section; of a setting that stands twice, the last."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    section = ""
    for line in (UNITS / f"{name}.service").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[section][key] = value
    return found


def seconds(value: str) -> float:
    return float(value.removesuffix("ms")) / 1000 if value.endswith("ms") else float(value.removesuffix("s"))


@pytest.mark.parametrize("name", ["pbx112-asterisk", "pbx112"])
def test_given_a_unit_when_its_program_dies_again_and_again_then_it_is_started_again_soon_and_for_ever(
    name: str,
) -> None:
    settings = unit(name)
    assert settings["Service"]["Restart"] == "always"
    assert settings["Unit"]["StartLimitIntervalSec"] == "0"
    assert seconds(settings["Service"]["RestartSec"]) <= 1
    assert (
        seconds(settings["Service"]["TimeoutStopSec"]) + seconds(settings["Service"]["RestartSec"]) < BACK_SECONDS / 2
    )


def test_given_asterisk_and_the_service_when_the_others_are_away_then_neither_waits_for_them() -> None:
    for name in ("pbx112-asterisk", "pbx112"):
        needs = unit(name)["Unit"]
        assert not {"Requires", "BindsTo", "PartOf", "Requisite"} & needs.keys()
        assert "postgresql" not in needs["After"]
        assert "pbx112-prepare" not in needs["After"]
