"""Which Asterisk is taken: the one named, the system's if new enough, else the unpacked one."""

from pathlib import Path

import pytest

from pbx112.host.asterisk import AsteriskMissing, find_asterisk, parse_version, tool_argv
from pbx112.host.unpacked import UnpackedRoot, root_of


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1", ("22.10.1", (22, 10, 1))),
        ("Asterisk 22.9.0\n", ("22.9.0", (22, 9, 0))),
        ("Asterisk certified/22.10-cert1", ("22.10", (22, 10))),
        ("Asterisk 23.0.0-rc1", ("23.0.0", (23, 0, 0))),
        ("Asterisk GIT-22-a1b2c3", None),
        ("", None),
    ],
)
def test_given_what_asterisk_says_when_parsed_then_the_version_is_comparable(
    said: str, version: tuple[str, tuple[int, ...]] | None
) -> None:
    assert parse_version(said) == version


def installed(prefix: Path, version: str) -> Path:
    """A folder that looks like an installed Asterisk; the binary only says its version."""
    binary = prefix / "sbin" / "asterisk"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho 'Asterisk {version}'\n")
    binary.chmod(0o755)
    (prefix / "lib/asterisk/modules").mkdir(parents=True)
    (prefix / "lib/asterisk/modules/app_queue.so").touch()
    (prefix / "share/asterisk/sounds").mkdir(parents=True)
    return binary


@pytest.fixture
def bare_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_given_a_named_binary_when_found_then_its_folders_are_those_beside_it(tmp_path: Path) -> None:
    binary = installed(tmp_path / "opt", "22.10.1")
    install = find_asterisk(str(binary), tmp_path)
    assert install.argv == (str(binary),)
    assert install.version == "22.10.1"
    assert install.modules_dir == tmp_path / "opt/lib/asterisk/modules"
    assert install.data_dir == tmp_path / "opt/share/asterisk"
    assert install.sounds_dir == install.data_dir / "sounds"
    assert install.moh_dir == install.data_dir / "moh"


def test_given_a_named_binary_that_is_too_old_when_looked_for_then_the_error_names_both_versions(
    tmp_path: Path,
) -> None:
    binary = installed(tmp_path / "opt", "20.11.0")
    with pytest.raises(AsteriskMissing, match=r"20\.11\.0.*22\.10 or newer"):
        find_asterisk(str(binary), tmp_path)


def test_given_a_name_of_nothing_when_looked_for_then_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(AsteriskMissing, match="PBX112_ASTERISK names /nowhere/asterisk"):
        find_asterisk("/nowhere/asterisk", tmp_path)


@pytest.mark.parametrize(("version", "taken"), [("22.10.0", True), ("23.1.0", True), ("22.9.9", False)])
def test_given_a_system_asterisk_when_found_then_it_is_taken_only_if_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    binary = installed(tmp_path / "system", version)
    monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
    if taken:
        assert find_asterisk(None, tmp_path).argv == (str(binary),)
    else:
        with pytest.raises(AsteriskMissing, match="pbx112 setup"):
            find_asterisk(None, tmp_path)


@pytest.mark.usefixtures("bare_path")
def test_given_no_tool_anywhere_when_looked_for_then_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(AsteriskMissing, match=r"sipp is missing.*pbx112 setup.*sip-tester"):
        tool_argv("sipp", tmp_path)


def unpacked(runtime_dir: Path, program: str) -> UnpackedRoot:
    root = UnpackedRoot(runtime_dir / "asterisk" / "root")
    for file in (root.loader, root.path / program, root.libraries / "pulseaudio" / "libpulsecommon-17.0.so"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


@pytest.mark.usefixtures("bare_path")
def test_given_an_unpacked_tool_when_found_then_it_is_started_by_its_own_loader(tmp_path: Path) -> None:
    root = unpacked(tmp_path, "usr/bin/espeak-ng")
    env, data, loader, flag, libraries, program = tool_argv("espeak-ng", tmp_path)
    assert Path(env).name == "env"
    assert data == f"ESPEAK_DATA_PATH={root.libraries}"
    assert (loader, flag, program) == (str(root.loader), "--library-path", str(root.path / "usr/bin/espeak-ng"))
    # Libraries one folder deeper are found by ld.so.conf on an installed system, and by this path here.
    assert libraries.split(":") == [str(root.libraries), str(root.libraries / "pulseaudio")]


def test_given_a_binary_in_an_unpacked_tree_when_asked_then_the_tree_is_known_by_its_loader(tmp_path: Path) -> None:
    root = unpacked(tmp_path, "usr/sbin/asterisk")
    assert root_of(root.path / "usr/sbin/asterisk") == root
    assert root_of(Path("/bin/sh")) is None
