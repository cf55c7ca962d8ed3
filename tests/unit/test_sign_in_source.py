"""Which address a sign-in counts for."""

from __future__ import annotations

import pytest
from fastapi import Request

from pbx112.api.sign_in import source_of


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (("10.0.0.7", 5), "10.0.0.7"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:0db8:0001:0002"),
        (("2001:db8:1:2::9", 5), "2001:0db8:0001:0002"),
        (("::ffff:10.0.0.7", 5), "::ffff:10.0.0.7"),
        (("testclient", 5), "testclient"),
        (None, ""),
    ],
)
def test_given_a_clients_address_when_he_signs_in_then_an_ipv6_network_is_one_source(
    client: tuple[str, int] | None, source: str
) -> None:
    assert source_of(Request({"type": "http", "client": client})) == source
