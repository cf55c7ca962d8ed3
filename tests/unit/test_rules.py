"""The admin's rules: what is accepted, and every fault named by its field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx112.cli_rules import changed
from pbx112.domain.errors import BadInput
from pbx112.domain.rules import DISPOSITIONS, InvalidRules, NuisanceRules, Rules, Weights
from pbx112.services.annotation import Disposition


def faults(raw: object, *, whole: bool = False) -> dict[str, str]:
    with pytest.raises(InvalidRules) as found:
        Rules.from_json(raw, whole=whole)
    assert isinstance(found.value, BadInput)
    assert all(name in str(found.value) for name, _ in found.value.faults)
    return dict(found.value.faults)


def test_given_every_disposition_then_it_has_a_weight() -> None:
    assert set(DISPOSITIONS) == {one.value for one in Disposition}
    assert [Weights().weight_of(name) for name in ("prank", "real", "weight_of", "", "nothing")] == [3, -6, 0, 0, 0]


def test_given_the_defaults_then_nobody_is_reordered_and_they_can_be_written_and_read() -> None:
    assert Rules().nuisance.reorder is False
    assert Rules.from_json(json.loads(json.dumps(Rules().to_json())), whole=True) == Rules() == Rules.from_json({})


rules = st.builds(
    Rules,
    st.integers(1, 43_200),
    st.builds(
        NuisanceRules,
        weights=st.builds(Weights, *[st.floats(0, 100)] * 5, real=st.floats(-100, 0)),
        half_life_days=st.floats(1, 90),
        threshold=st.floats(0.1, 100),
        reorder=st.booleans(),
        step=st.integers(1, 9),
        floor=st.integers(-9, 9),
    ),
)


@given(rules)
def test_given_any_rules_when_written_and_read_then_the_same(made: Rules) -> None:
    assert Rules.from_json(json.loads(json.dumps(made.to_json())), whole=True) == made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("repeat_window_minutes", 0),
        ("repeat_window_minutes", 43_201),
        ("repeat_window_minutes", 60.0),
        ("repeat_window_minutes", True),
        ("repeat_window_minutes", "60"),
        ("repeat_window_minutes", None),
        ("nuisance.half_life_days", 0),
        ("nuisance.half_life_days", 90.5),
        ("nuisance.half_life_days", float("inf")),
        ("nuisance.half_life_days", 10**400),
        ("nuisance.threshold", 0),
        ("nuisance.threshold", -1),
        ("nuisance.threshold", float("nan")),
        ("nuisance.threshold", False),
        ("nuisance.reorder", 1),
        ("nuisance.reorder", "true"),
        ("nuisance.step", 0),
        ("nuisance.step", 10),
        ("nuisance.floor", -10),
        ("nuisance.floor", 10),
        ("nuisance.weights.prank", -1),
        ("nuisance.weights.prank", 101),
        ("nuisance.weights.real", 1),
        ("nuisance.weights.real", "many"),
        ("nuisance.weights", []),
        ("nuisance", "on"),
        ("nuisance", None),
    ],
)
def test_given_a_value_that_cannot_be_when_read_then_its_field_is_named(path: str, value: object) -> None:
    raw: Any = Rules().to_json()
    *groups, last = path.split(".")
    group = raw
    for name in groups:
        group = group[name]
    group[last] = value
    assert list(faults(raw)) == [path]


def test_given_many_faults_when_read_then_every_one_is_told() -> None:
    raw = {"nuisance": {"threshold": 0, "half_life_days": "x", "weights": {"prank": "x"}}, "colour": 1}
    assert faults(raw) == {
        "colour": "is not known",
        "nuisance.weights.prank": "must be a number from 0 to 100",
        "nuisance.half_life_days": "must be a number from 1 to 90",
        "nuisance.threshold": "must be a number from 0.1 to 100",
    }


@pytest.mark.parametrize("raw", [None, [], "rules", 7])
def test_given_no_object_when_read_then_refused(raw: object) -> None:
    assert faults(raw) == {"": "must be an object"}


def test_given_a_hostile_name_when_read_then_it_is_refused_short_and_inert() -> None:
    (name,) = faults({"nuisance": {"\ud800\x1b[2J" + "x" * 1000: 1}})
    assert name.startswith("nuisance.\\xd800\\x1b[2Jxx") and len(name) < 60


def test_given_a_part_when_read_then_the_rest_are_defaults_and_faults_where_all_must_be_there() -> None:
    part = {"nuisance": {"reorder": True}}
    assert Rules.from_json(part) == Rules(nuisance=NuisanceRules(reorder=True))
    missing = faults(part, whole=True)
    assert set(missing.values()) == {"is missing"}
    assert {"repeat_window_minutes", "nuisance.weights", "nuisance.threshold"} <= missing.keys()


def test_given_changes_as_people_write_them_then_the_rules_follow() -> None:
    found = changed(Rules(), ["nuisance.reorder=true", "nuisance.weights.prank = 4", "repeat_window_minutes=60"])
    assert (found.nuisance.reorder, found.nuisance.weights.prank, found.repeat_window_minutes) == (True, 4.0, 60)
    assert found.nuisance.threshold == Rules().nuisance.threshold


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nuisance.reorder", "RULE=VALUE"),
        ("nuisance=7", "RULE=VALUE"),
        ("nuisance.weights={}", "RULE=VALUE"),
        ("=7", "RULE=VALUE"),
        ("nuisance.colour=red", "RULE=VALUE"),
        ("colour.red.dark=7", "RULE=VALUE"),
        ("repeat_window_minutes.x=7", "RULE=VALUE"),
        ("nuisance.reorder=yes", "nuisance.reorder: must be true or false"),
        ("nuisance.threshold=", "nuisance.threshold: must be a number"),
        ("nuisance.threshold=NaN", "nuisance.threshold: must be a number"),
        ("nuisance.threshold={}", "nuisance.threshold: must be a number"),
    ],
)
def test_given_a_change_that_cannot_be_then_words_say_why(change: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        changed(Rules(), [change])
