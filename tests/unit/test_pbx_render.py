"""Configuration -> Asterisk's files: what is written, and what is refused before anything is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pbx112.domain.configuration import AnswerMode, Configuration, Membership, Operator, Queue, Trunk
from pbx112.domain.demo import DEMO_CENTRE, DRILL_ACCOUNT
from pbx112.domain.errors import ConfigurationInvalid
from pbx112.pbx.layout import run_dir, write_files
from pbx112.pbx.render import Place, phones, render
from pbx112.settings import HOME

SECRETS = {
    name: f"secret-of-{name}"
    for name in [
        *(operator.name for operator in DEMO_CENTRE.operators),
        *(line for agency in DEMO_CENTRE.agencies for line in agency.lines),
        DRILL_ACCOUNT,
    ]
}


def place(folder: Path) -> Place:
    return Place(
        node="node1",
        lang="id",
        base_dir=folder,
        run_dir=folder / "run",
        modules_dir=Path("/modules"),
        moh_dir=Path("/moh"),
        sip=("127.0.0.1", 5060),
        agi=("127.0.0.1", 4573),
        copies=("127.0.0.1", 4573),
        ami=("127.0.0.1", 5038),
        rtp=(20000, 20999),
        cert_file=folder / "tls.crt",
        key_file=folder / "tls.key",
        ami_secret="ami-secret",
        ami_apply_secret="apply-secret",
        phone_secrets=SECRETS,
    )


def rendered(configuration: Configuration = DEMO_CENTRE) -> dict[str, str]:
    return render(configuration, place(Path("/state/asterisk")), HOME)


def section(text: str, name: str) -> str:
    """The text of a section, template marks and all, up to the next one."""
    found = re.search(rf"^\[{re.escape(name)}\](?:\([^)]*\))?\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
    assert found is not None, name
    return found[1]


def test_given_the_demo_centre_when_rendered_then_phones_have_no_way_to_the_trunk_context() -> None:
    pjsip = rendered()["pjsip.conf"]
    for phone in phones(DEMO_CENTRE, SECRETS):
        assert f"context = {phone.context}\n" in section(pjsip, phone.name)
        assert phone.context != "from-trunk"
    dialplan = rendered()["operator.conf"] + rendered()["extensions.conf"]
    assert "from-trunk" not in dialplan
    assert "intake" not in rendered()["operator.conf"]


def test_given_the_demo_centre_when_rendered_then_a_carrier_is_known_by_its_addresses_only() -> None:
    pjsip = rendered()["pjsip.conf"]
    assert "match = 127.0.0.2\n" in section(pjsip, "carrier-a-sources")
    assert "auth" not in section(pjsip, "carrier-a")
    assert "endpoint_identifier_order = ip,username" in pjsip
    assert "identifier_anonymous" not in rendered()["modules.conf"]


def test_given_the_demo_centre_when_rendered_then_ami_users_have_the_least_rights() -> None:
    manager = rendered()["manager.conf"]
    rights = re.findall(r"^write = (.*)$", manager, re.M)
    assert rights == ["call,agent,reporting", "system,reporting"]


def test_given_the_journal_when_rendered_then_no_text_of_a_caller_stands_in_it() -> None:
    fields = re.search(r"^fields = (.*)$", rendered()["cel_custom.conf"], re.M)
    assert fields is not None
    columns = fields[1].split(",")
    assert len(columns) == 18
    assert not {"Name", "Num", "ani", "dnid", "AppData"} & set(columns)


def test_given_trunk_extensions_when_read_then_none_is_a_pattern() -> None:
    assert not re.search(r"^exten => _", rendered()["trunk.conf"], re.M)


@pytest.mark.parametrize(
    ("mode", "seconds", "at_once"),
    [(AnswerMode.OPERATOR, "", False), (AnswerMode.AFTER, "7", False), (AnswerMode.IMMEDIATE, "", True)],
)
def test_given_an_answer_mode_when_rendered_then_the_dialplan_begins_at_its_stage(
    mode: AnswerMode, seconds: str, at_once: bool
) -> None:
    queue = Queue("112", "Darurat", answer_mode=mode, answer_after_seconds=7)
    text = section(rendered(replace(DEMO_CENTRE, queues=(queue,)))["extensions.conf"], "queue-112")
    assert f"Set(Q_RING_SECONDS={seconds})" in text
    assert ("Set(STAGE=comfort)" in text) is at_once


def test_given_queues_when_rendered_then_only_calls_of_those_that_record_are_recorded() -> None:
    queues = (Queue("112", "Darurat"), Queue("anak", "Anak", recording=True))
    text = rendered(replace(DEMO_CENTRE, queues=queues))["extensions.conf"]
    assert "Set(Q_RECORD=)" in section(text, "queue-112")
    assert "Set(Q_RECORD=yes)" in section(text, "queue-anak")
    assert re.search(r"^RECORD_CALLBACKS = $", text, re.M), "calls back follow the default queue"
    demo = rendered()["extensions.conf"]
    assert "Set(Q_RECORD=yes)" in section(demo, "queue-112")
    assert re.search(r"^RECORD_CALLBACKS = yes$", demo, re.M)


def test_given_the_dialplan_when_read_then_nothing_that_fails_to_record_can_end_a_call() -> None:
    lines = [line for text in rendered().values() for line in text.splitlines() if "MixMonitor(" in line]
    assert len(lines) == 3
    assert all(re.search(r"TryExec\((Stop)?MixMonitor\(", line) for line in lines), lines


def test_given_a_queues_silent_check_when_rendered_then_its_callers_have_it_and_no_caller_has_the_feature() -> None:
    queue = Queue("112", "Darurat", silent_wait_seconds=9, silent_repeats=3)
    files = rendered(replace(DEMO_CENTRE, queues=(queue,)))
    text = section(files["extensions.conf"], "queue-112")
    assert "Set(SILENT_WAIT=9)" in text
    assert "Set(SILENT_REPEATS=3)" in text
    # Whoever's channel has the variable may use the feature, so it is set on the operator's leg only.
    dialplan = "".join(file for name, file in files.items() if name != "features.conf")
    assert re.findall(r"^.*Set\(.*DYNAMIC_FEATURES=.*$", dialplan, re.M) == [
        "exten => s,1,Set(DYNAMIC_FEATURES=${OPERATOR_FEATURES})"
    ]
    assert "DYNAMIC_FEATURES" in section(files["queue.conf"], "operator-leg")
    rings = re.findall(r"^.*(?:Queue\(\$|Dial\(\$).*$", files["queue.conf"] + files["overflow.conf"], re.M)
    assert len(rings) == 3
    assert all("b(operator-leg^s^1)" in line for line in rings)


@pytest.mark.parametrize("change", [{"silent_wait_seconds": 0}, {"silent_wait_seconds": 31}, {"silent_repeats": 6}])
def test_given_a_silent_check_without_measure_when_rendered_then_it_is_refused_in_words(
    change: dict[str, int],
) -> None:
    queue = replace(DEMO_CENTRE.queues[0], **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationInvalid, match=r"Queue 112, (Wait for a key|Repeats of the question)"):
        rendered(replace(DEMO_CENTRE, queues=(queue,)))


def test_given_no_overflow_list_when_rendered_then_the_queue_keeps_its_callers() -> None:
    queue = replace(DEMO_CENTRE.queues[0], overflow=())
    text = section(rendered(replace(DEMO_CENTRE, queues=(queue,)))["queues.conf"], "112")
    assert "leavewhenempty = no" in text
    assert "joinempty = yes" in text


def test_given_a_hostile_display_name_when_rendered_then_it_is_only_text() -> None:
    evil = 'Budi"\n[evil]\ntype=endpoint;${SHELL(id)}'
    operator = replace(DEMO_CENTRE.operators[0], display_name=evil)
    pjsip = rendered(replace(DEMO_CENTRE, operators=(operator, *DEMO_CENTRE.operators[1:])))["pjsip.conf"]
    assert "[evil]" not in pjsip
    shown = re.search(r"^callerid = (.*) <1001>$", pjsip, re.M)
    assert shown is not None
    assert not set('"[];${}\\') & set(shown[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"default_queue": "113"}, "Default queue: There is no queue 113"),
        ({"trunks": (Trunk("op1", "x", ("127.0.0.9",)),)}, "used already"),
        ({"trunks": (Trunk("a\nb", "x", ("127.0.0.9",)),)}, "no account name"),
        ({"queues": (Queue("112", "x", overflow=("op1&SIP/evil",)),)}, "no operator op1&SIP/evil"),
        (
            {
                "operators": (
                    Operator("op1", "x", "1001", memberships=(Membership("112"),)),
                    Operator("op2", "x", "1001"),
                )
            },
            "used by two",
        ),
        ({"operators": (Operator("drill-operator", "x", "1001"),)}, "used already"),
    ],
)
def test_given_what_asterisk_could_not_carry_when_rendered_then_it_is_refused_in_words(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=words):
        rendered(replace(DEMO_CENTRE, **change))  # type: ignore[arg-type]


def test_given_files_when_written_twice_then_only_changes_are_told(tmp_path: Path) -> None:
    files = {"a.conf": "1\n", "b.conf": "2\n"}
    assert write_files(tmp_path, files) == ["a.conf", "b.conf"]
    assert write_files(tmp_path, files | {"b.conf": "3\n"}) == ["b.conf"]
    assert (tmp_path / "b.conf").read_text() == "3\n"
    assert (tmp_path / "a.conf").stat().st_mode & 0o007 == 0


def test_given_a_long_folder_when_asterisk_runs_there_then_its_socket_stands_in_a_short_one() -> None:
    long = Path("/state") / ("x" * 100) / "asterisk"
    assert len(str(run_dir(long) / "asterisk.ctl")) < 107
    assert run_dir(Path("/state/asterisk")) == Path("/state/asterisk/run")


def test_given_a_configuration_when_it_goes_through_the_applied_file_then_it_is_the_same() -> None:
    assert Configuration.from_json(DEMO_CENTRE.to_json()) == DEMO_CENTRE
