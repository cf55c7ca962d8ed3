"""When the unpacked tools count as there, and what is said while they are fetched."""

import json
from pathlib import Path

import pytest

from pbx112.host import debian
from pbx112.host.debian import PACKAGES, ToolsMissing, ensure_tools


def stamp(runtime_dir: Path, text: str, *, with_root: bool = True) -> None:
    home = runtime_dir / "asterisk"
    (home / "root" / "usr" if with_root else home).mkdir(parents=True)
    (home / "complete.json").write_text(text)


@pytest.fixture
def no_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without apt: fetching fails at once, so it shows whether fetching was tried."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.mark.usefixtures("no_apt")
def test_given_a_whole_stamp_when_ensured_then_nothing_is_done(tmp_path: Path) -> None:
    stamp(tmp_path, json.dumps({"packages": list(PACKAGES), "asterisk": "Asterisk 22.10.1"}))
    said: list[str] = []
    ensure_tools(tmp_path, said.append)
    assert said == []


@pytest.mark.usefixtures("no_apt")
@pytest.mark.parametrize(
    ("text", "with_root"),
    [
        ("", True),
        ("[]", True),
        ('{"packages": ["asterisk"]}', True),
        (json.dumps({"packages": list(PACKAGES)}), False),
    ],
)
def test_given_a_torn_or_older_stamp_when_ensured_then_it_is_fetched_again(
    tmp_path: Path, text: str, with_root: bool
) -> None:
    stamp(tmp_path, text, with_root=with_root)
    with pytest.raises(ToolsMissing, match=r"has no apt-get.*PBX112_ASTERISK"):
        ensure_tools(tmp_path, lambda _: None)


def test_given_a_full_disk_when_ensured_then_the_error_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_NEEDED_BYTES", 2**60)
    with pytest.raises(ToolsMissing, match=r"needs \d+ MB.*Make room"):
        ensure_tools(tmp_path, lambda _: None)


def test_given_apts_lines_when_read_then_people_get_a_few_sentences() -> None:
    said: list[str] = []
    progress = debian._DownloadProgress(said.append, debian.RELEASE)
    progress.line("0 upgraded, 41 newly installed, 0 to remove and 0 not upgraded.")
    progress.line("Need to get 95.1 MB/137 MB of archives.")
    for number in range(1, 42):
        progress.line(f"Get:{number} http://deb.debian.org/debian forky/main amd64 package{number} [1 kB]")
    assert said == [
        f"Fetching 41 packages of Debian {debian.RELEASE}: 95.1 MB to go ...",
        "  20 packages fetched",
        "  40 packages fetched",
    ]
