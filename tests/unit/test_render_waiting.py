"""What a queue's callers meet, rendered: widening, the overflow chain, prompts, a surge; and what is refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pbx112.domain.configuration import (
    Configuration,
    Membership,
    Queue,
    Skill,
    Strategy,
    Tier,
    TierKind,
    Trunk,
    Widening,
)
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import ConfigurationInvalid
from pbx112.pbx.render import render
from pbx112.settings import HOME
from tests.unit.test_pbx_render import place, rendered, section

NUMBER = Tier(TierKind.NUMBER, 20, "+622155", "carrier-a")


def with_queues(*queues: Queue) -> Configuration:
    return replace(DEMO_CENTRE, queues=queues)


def test_given_a_queue_with_a_skill_when_rendered_then_there_is_a_rule_for_each_five_seconds_waited() -> None:
    queue = Queue("112", "Darurat", skill="english", widening=(Widening(0, 9), Widening(7, 5), Widening(12, 0)))
    files = rendered(with_queues(queue))
    rules = {name: section(files["queuerules.conf"], name).split() for name in ("112-0", "112-5", "112-10")}
    # A second less: app_queue acts when *more* than the time has passed.
    assert rules == {
        "112-0": ["penaltychange", "=>", "6,499", "penaltychange", "=>", "11,111999"],
        "112-5": ["penaltychange", "=>", "1,499", "penaltychange", "=>", "6,111999"],
        "112-10": ["penaltychange", "=>", "1,111999"],
    }
    assert "112-15" not in files["queuerules.conf"]
    assert "leavewhenempty = penalty," in section(files["queues.conf"], "112")


def test_given_skills_when_rendered_then_a_log_in_joins_with_the_penalty_of_the_level() -> None:
    operators = (replace(DEMO_CENTRE.operators[0], skills=(Skill("english", 7),), memberships=(Membership("112", 3),)),)
    queue = Queue("112", "Darurat", skill="english")
    files = rendered(replace(with_queues(queue), operators=operators))
    login = section(files["extensions.conf"], "member-op1")
    assert "AddQueueMember(112,PJSIP/op1,203,,op1,PJSIP/op1)" in login


def test_given_an_overflow_chain_when_rendered_then_the_dialplan_has_it_and_a_way_for_each_kind() -> None:
    chain = (Tier(TierKind.SUPERVISORS, 10), NUMBER, Tier(TierKind.ANNOUNCEMENT, 30), Tier(TierKind.QUEUE, 40, "113"))
    queue = Queue("112", "Darurat", tiers=chain, retry_seconds=5)
    files = rendered(with_queues(queue, Queue("113", "Kota", retry_seconds=5)))
    text = section(files["extensions.conf"], "queue-112")
    assert "Set(TIERS=10:supervisors::&20:number:+622155:carrier-a&30:announcement::&40:queue:113:)" in text
    ways = set(re.findall(r"^exten => (\w+),1,", section(files["overflow.conf"], "overflow"), re.M))
    assert set(TierKind) <= ways
    assert "retry = 1\n" in section(files["queues.conf"], "112")
    assert "retry = 5\n" in section(files["queues.conf"], "113")


def test_given_a_trunk_with_an_outbound_address_when_rendered_then_callers_go_out_by_it_under_their_own_number() -> (
    None
):
    files = rendered()
    out = section(files["extensions.conf"], "out-carrier-a")
    assert "Dial(PJSIP/carrier-a.out/sip:${NUMBER}@127.0.0.2:5060,30,i${ARG2})" in out
    assert "from_user" in section(files["pjsip.conf"], "carrier-a")
    assert "from_user" not in section(files["pjsip.conf"], "carrier-a.out")
    assert "out-carrier-b" not in files["extensions.conf"]


def test_given_a_comfort_prompt_of_ones_own_when_its_file_is_there_then_callers_hear_it(tmp_path: Path) -> None:
    wanted = with_queues(Queue("112", "Darurat", comfort="kota"), Queue("113", "Kota", comfort="gone"))
    (tmp_path / "prompts/kota/id").mkdir(parents=True)
    (tmp_path / "prompts/kota/id/kota.wav").write_bytes(b"RIFF")
    files = render(wanted, place(tmp_path / "asterisk"), HOME)
    assert f"directory = {tmp_path}/prompts/kota/id\n" in section(files["musiconhold.conf"], "prompt-kota-id")
    assert "prompt-kota-en" not in files["musiconhold.conf"]
    first, second = (section(files["extensions.conf"], f"queue-{name}") for name in ("112", "113"))
    assert 'Set(COMFORT=${IF($["${LANG}" = "id"]?prompt-kota-id:comfort-${LANG})})' in first
    assert "Set(COMFORT=comfort-${LANG})" in second


def test_given_a_surge_when_rendered_then_no_wrap_up_another_prompt_and_everybody_in_the_default_queue() -> None:
    queues = (Queue("112", "Darurat", wrapup_seconds=30, comfort="kota"), Queue("113", "Kota", wrapup_seconds=30))
    operators = tuple(replace(o, memberships=(Membership("113"),)) for o in DEMO_CENTRE.operators)
    usual = replace(DEMO_CENTRE, queues=queues, operators=operators)
    files = rendered(replace(usual, surge=True))
    assert files["queues.conf"].count("wrapuptime = 0\n") == 2
    assert files["extensions.conf"].count("Set(COMFORT=surge-${LANG})") == 2
    assert "AddQueueMember(112,PJSIP/op1" in section(files["extensions.conf"], "member-op1")
    before = rendered(usual)
    assert before["queues.conf"].count("wrapuptime = 30\n") == 2
    login, logout = section(before["extensions.conf"], "member-op1").split("exten => logout")
    assert "AddQueueMember(112" not in login
    # He may have come into it in a surge that is over.
    assert "Gosub(leave-all,s,1(op1))" in logout
    assert "RemoveQueueMember(112," in section(before["extensions.conf"], "leave-all")


def test_given_supervisors_when_rendered_then_only_they_are_rung_by_a_chain() -> None:
    operators = (replace(DEMO_CENTRE.operators[0], supervisor=True), *DEMO_CENTRE.operators[1:])
    text = section(rendered(replace(DEMO_CENTRE, operators=operators))["extensions.conf"], "supervisors")
    assert "PJSIP/op1" in text
    assert "op2" not in text


@pytest.mark.parametrize("strategy", Strategy)
def test_given_each_strategy_when_rendered_then_the_dialplans_time_stays_exact(strategy: Strategy) -> None:
    text = section(rendered(with_queues(Queue("112", "Darurat", strategy=strategy)))["queues.conf"], "112")
    assert f"strategy = {strategy.value}\n" in text
    assert "timeoutpriority = app\n" in text


CIRCLE = (
    Queue("112", "x", tiers=(Tier(TierKind.QUEUE, 5, "113"),)),
    Queue("113", "y", tiers=(Tier(TierKind.QUEUE, 5, "114"),)),
    Queue("114", "z", tiers=(Tier(TierKind.QUEUE, 5, "112"),)),
)


@pytest.mark.parametrize(
    ("queues", "words"),
    [
        ((Queue("112", "x", skill="a", widening=(Widening(5, 5), Widening(5, 3))),), "[Ww]iden"),
        ((Queue("112", "x", skill="a", widening=(Widening(0, 10),)),), "[Ww]iden"),
        ((Queue("112", "x", skill="a", widening=(Widening(3601, 1),)),), "[Ww]iden"),
        ((Queue("112", "x", tiers=(Tier(TierKind.SUPERVISORS, 0),)),), "0 is out of range: 1 to 3600"),
        ((Queue("112", "x", tiers=(Tier(TierKind.QUEUE, 5, "113"),)),), "no queue 113"),
        ((Queue("112", "x", tiers=(replace(NUMBER, target="112&PJSIP/op1"),)),), "no telephone number"),
        ((Queue("112", "x", tiers=(replace(NUMBER, target="555,,evil"),)),), "no telephone number"),
        ((Queue("112", "x", tiers=(replace(NUMBER, trunk="carrier-b"),)),), "no address for calls back"),
        ((Queue("112", "x", tiers=(replace(NUMBER, trunk="none"),)),), "no trunk"),
        ((Queue("112", "x", tiers=(NUMBER, replace(NUMBER, after_seconds=3))),), "times of the overflow chain"),
        ((Queue("112", "x", tiers=(Tier(TierKind.ANNOUNCEMENT, 5),) * 21),), "20 at most"),
        ((Queue("112", "x", tiers=(Tier(TierKind.QUEUE, 5, "112"),)),), "in a circle"),
        (CIRCLE, "in a circle"),
        ((Queue("112", "x", comfort="../../etc"),), "no account name"),
        ((Queue("112", "x", comfort="moh"),), "choose another"),
    ],
)
def test_given_a_wait_that_asterisk_could_not_carry_when_rendered_then_it_is_refused_in_words(
    queues: tuple[Queue, ...], words: str
) -> None:
    with pytest.raises(ConfigurationInvalid, match=words):
        rendered(with_queues(*queues))


@pytest.mark.parametrize("change", [{"memberships": (Membership("112", 100),)}, {"skills": (Skill("english", 10),)}])
def test_given_a_penalty_or_level_out_of_range_when_rendered_then_it_is_refused_in_words(
    change: dict[str, object],
) -> None:
    operator = replace(DEMO_CENTRE.operators[0], **change)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationInvalid, match=r"perator op1"):
        rendered(replace(DEMO_CENTRE, operators=(operator,)))


def test_given_a_trunk_of_drills_when_a_chain_calls_by_it_then_it_is_refused() -> None:
    drill = Trunk("drill", "Latihan", ("127.0.0.112",), drill=True, outbound="127.0.0.9:5060")
    queue = Queue("112", "x", tiers=(replace(NUMBER, trunk="drill"),))
    with pytest.raises(ConfigurationInvalid, match="no address for calls back"):
        rendered(replace(with_queues(queue), trunks=(drill,)))
