"""Secrets are made once, kept for their owner only, and never guessed from a broken file."""

from pathlib import Path

import pytest

from pbx112.host.secrets import SecretsBroken, ensure_secrets, read_secrets


def test_given_a_first_start_when_made_then_each_has_its_own_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    made = ensure_secrets(file, phones=["op1", "op2"], users=["admin"], demo_secret=None)
    everything = [made.ami, made.ami_apply, made.token, *made.phones.values(), *made.users.values()]
    assert len(set(everything)) == 6
    assert min(map(len, everything)) >= 16
    assert file.stat().st_mode & 0o777 == 0o600


def test_given_a_later_start_when_an_operator_is_new_then_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = ensure_secrets(file, phones=["op1"], users=["admin"], demo_secret=None)
    second = ensure_secrets(file, phones=["op1", "op2"], users=["admin"], demo_secret=None)
    assert second.phones["op1"] == first.phones["op1"]
    assert second.token == first.token == read_secrets(file).token


def test_given_a_demo_secret_when_made_then_people_and_phones_have_it_and_machines_do_not(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path / "s.json", phones=["op1"], users=["admin"], demo_secret="demo-secret")
    assert set(made.phones.values()) | set(made.users.values()) == {"demo-secret"}
    assert "demo-secret" not in {made.ami, made.ami_apply, made.token}


@pytest.mark.parametrize("content", ["{", "[]", '"x"'])
def test_given_a_broken_file_when_read_then_nothing_is_made_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(SecretsBroken):
        ensure_secrets(file, phones=["op1"], users=["admin"], demo_secret=None)
    assert file.read_text() == content


def test_given_no_start_yet_when_read_then_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SecretsBroken, match="start the system"):
        read_secrets(tmp_path / "secrets.json")
