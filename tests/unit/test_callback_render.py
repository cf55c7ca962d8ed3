"""What is rendered for calls back: the carrier's address stands there, and nowhere can a name or number choose it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx112.domain.configuration import NumberFormat, Trunk
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import ConfigurationInvalid
from tests.unit.test_pbx_render import rendered, section

CARRIER = DEMO_CENTRE.trunks[0]


def with_trunk(trunk: Trunk) -> dict[str, str]:
    return rendered(replace(DEMO_CENTRE, trunks=(trunk, *DEMO_CENTRE.trunks[1:])))


def test_given_the_demo_centre_when_rendered_then_only_carriers_with_an_address_are_called() -> None:
    extensions = rendered()["extensions.conf"]
    context = section(extensions, "callback-carrier-a")
    assert "Dial(PJSIP/carrier-a/sip:${NUMBER}@127.0.0.2:5060,45,iIb(callback-carrier-a^asserted^1))" in context
    assert "P-Asserted-Identity)=<sip:112@127.0.0.2>" in context
    assert "callback-carrier-b" not in extensions
    assert "callback-drill" not in extensions
    assert "from_user = 112\n" in section(rendered()["pjsip.conf"], "carrier-a")
    assert "from_user" not in section(rendered()["pjsip.conf"], "carrier-b")


def test_given_a_carrier_that_is_not_trusted_when_rendered_then_it_gets_no_asserted_identity() -> None:
    context = section(with_trunk(replace(CARRIER, trusted=False))["extensions.conf"], "callback-carrier-a")
    assert "P-Asserted-Identity" not in context
    assert "@127.0.0.2:5060,45,iI)" in context


@pytest.mark.parametrize("form", list(NumberFormat))
def test_given_a_number_format_when_rendered_then_only_the_national_one_is_rewritten(form: NumberFormat) -> None:
    context = section(with_trunk(replace(CARRIER, number_format=form))["extensions.conf"], "callback-carrier-a")
    assert ("0${NUMBER:3}" in context) == (form is NumberFormat.NATIONAL)


def test_given_a_callback_when_read_then_no_phone_and_no_carrier_can_dial_into_it() -> None:
    files = rendered()
    for name in ("trunk.conf", "operator.conf", "intake.conf", "queue.conf"):
        assert "callback" not in files[name]
    assert "load = pbx_spool.so\n" in files["modules.conf"]


@pytest.mark.parametrize("good", ["10.1.2.3:5060", "sbc-1.carrier.co.id:5070", "[2001:db8::1]:5060", "localhost:5060"])
def test_given_an_address_when_rendered_then_it_stands_in_the_dialplan(good: str) -> None:
    context = section(with_trunk(replace(CARRIER, outbound=good))["extensions.conf"], "callback-carrier-a")
    assert f"sip:${{NUMBER}}@{good},45," in context


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "10.1.2.3",
        "10.1.2.3:",
        ":5060",
        "10.1.2.3:0",
        "10.1.2.3:65536",
        "10.1.2.3:٥٠٦٠",
        "10.1.2.3:5060\n",
        "10.1.2.300:5060",
        "2001:db8::1:5060",
        "[fe80::1%eth0]:5060",
        "[]:5060",
        "-x.id:5060",
        "a..id:5060",
        "evil,45,g)\nexten => x:5060",
        "a@b:5060",
        "a;transport=tcp:5060",
        "${SHELL(id)}:5060",
        "a&PJSIP/x:5060",
        "x" * 64 + ".id:5060",
    ],
)
def test_given_an_address_that_is_none_when_rendered_then_refused_in_words(bad: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="Trunk carrier-a, Address for calls back"):
        with_trunk(replace(CARRIER, outbound=bad))
