"""What the environment says is read, and refused in words."""

import pytest
from pydantic import ValidationError

from pbx112.settings import Settings


def test_given_addresses_in_the_environment_when_read_then_they_are_host_and_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PBX112_SIP_BIND", "192.0.2.10:5070")
    monkeypatch.setenv("PBX112_AGI_ASK", "127.0.0.1:4999")
    monkeypatch.setenv("PBX112_RTP_RANGE", "30000-30999")
    settings = Settings()
    assert (settings.sip_bind.host, settings.sip_bind.port) == ("192.0.2.10", 5070)
    assert str(settings.intake_address) == "127.0.0.1:4999"
    assert settings.rtp_range == (30000, 30999)


def test_given_no_proxy_when_read_then_asterisk_asks_where_the_service_listens() -> None:
    assert Settings().intake_address == Settings().agi_bind


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PBX112_SIP_BIND", "nowhere"),
        ("PBX112_SIP_BIND", "127.0.0.1:99999"),
        ("PBX112_AGI_BIND", "0.0.0.0:4573"),
        ("PBX112_AGI_ASK", "192.0.2.1:4573"),
        ("PBX112_RTP_RANGE", "30000"),
        ("PBX112_RTP_RANGE", "300-200"),
        ("PBX112_TIMEZONE", "Jakarta"),
        ("PBX112_NODE", "Node 1"),
        ("PBX112_LANG", "fr"),
    ],
)
def test_given_a_value_that_cannot_be_when_read_then_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()
