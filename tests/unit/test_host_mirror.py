"""The machine's own Debian mirror, read from apt's two formats."""

from pathlib import Path

import pytest

from pbx112.host.mirror import DEFAULT_MIRROR, debian_mirrors, network_settings

ONE_LINE = """
# deb http://old.example/debian buster main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian/ bookworm main
deb http://mirror.example/debian-security bookworm-security main
deb-src http://sources.example/debian bookworm main
deb https://packages.example/apt cloud-sdk main
"""

DEB822 = """
# the image's own comment
Types: deb deb-src
URIs: https://one.example/debian
 https://two.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example/debian
Suites: trixie-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
"""


def machine(tmp_path: Path, *, system: str = "debian", lines: str = "", stanzas: str = "") -> Path:
    folder = tmp_path / "apt" / "sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "os-release").write_text(f'NAME="Some Linux"\nID={system}\nVERSION_ID="12"\n')
    if lines:
        (tmp_path / "apt" / "sources.list").write_text(lines)
    if stanzas:
        (folder / "debian.sources").write_text(stanzas)
    return tmp_path


def test_given_one_line_sources_when_read_then_the_main_mirror_comes_before_the_public_one(tmp_path: Path) -> None:
    assert debian_mirrors(machine(tmp_path, lines=ONE_LINE)) == ["http://mirror.example/debian", DEFAULT_MIRROR]


def test_given_deb822_sources_when_read_then_continued_and_disabled_stanzas_are_understood(tmp_path: Path) -> None:
    found = debian_mirrors(machine(tmp_path, stanzas=DEB822))
    assert found == ["https://one.example/debian", "https://two.example/debian", DEFAULT_MIRROR]


def test_given_the_public_mirror_in_the_sources_when_read_then_it_is_named_once(tmp_path: Path) -> None:
    assert debian_mirrors(machine(tmp_path, lines=f"deb {DEFAULT_MIRROR} bookworm main\n")) == [DEFAULT_MIRROR]


@pytest.mark.parametrize(
    "line",
    [
        "deb http://snapshot.debian.org/archive/debian/20250520T000000Z bookworm main",
        "deb http://snapshot.debian.org/debian bookworm main",
        "deb file:/media/cdrom/debian bookworm main",
        "deb http://mirror.example/debian bookworm contrib",
        "deb",
    ],
)
def test_given_a_source_without_the_packages_when_read_then_only_the_public_one_is_left(
    tmp_path: Path, line: str
) -> None:
    assert debian_mirrors(machine(tmp_path, lines=line + "\n")) == [DEFAULT_MIRROR]


def test_given_ubuntu_when_read_then_its_own_mirror_is_not_debians(tmp_path: Path) -> None:
    etc = machine(tmp_path, system="ubuntu", lines="deb http://archive.example/debian noble main\n")
    assert debian_mirrors(etc) == [DEFAULT_MIRROR]


def test_given_a_machine_without_apt_when_read_then_the_public_mirror_is_left(tmp_path: Path) -> None:
    assert debian_mirrors(tmp_path) == [DEFAULT_MIRROR]


def test_given_an_apt_configuration_when_filtered_then_proxies_stay_and_hooks_and_pins_go() -> None:
    dump = "\n".join(
        [
            'APT::Default-Release "bookworm";',
            'Acquire::http::Proxy "http://proxy.example:3128";',
            'Acquire::https::Proxy::mirror.example "DIRECT";',
            'Acquire::ForceIPv4 "true";',
            'Acquire::Check-Valid-Until "false";',
            'Acquire::Languages:: "en";',
            'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";',
        ]
    )
    assert network_settings(dump).splitlines() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Proxy::mirror.example "DIRECT";',
        'Acquire::ForceIPv4 "true";',
        'Acquire::Check-Valid-Until "false";',
    ]
