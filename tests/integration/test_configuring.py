"""The admin's desk over a real database: drafts, conflicts, refusals, what is recorded; and the applier's way back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration, Membership, Queue
from pbx112.domain.configuration_edit import put, remove
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import (
    ApplyFailed,
    AsteriskRefused,
    ConfigurationFaulty,
    ConfigurationInvalid,
    EditConflict,
    NotFound,
    Pbx112Error,
)
from pbx112.domain.live import LiveMember, LiveQueue, LiveState
from pbx112.pbx.apply import Applier, kept_file
from pbx112.pbx.rendered import dialplan
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.member_moves import move
from pbx112.services.ports import EndpointReport
from pbx112.storage.audit import list_audit
from pbx112.storage.configuration import applied_version, save_configuration
from pbx112.storage.engine import reading, transaction
from tests.support.web import FakeApplier, FakeRunning, FakeTelephone

KEBAKARAN = Queue("api", "Kebakaran", overflow=("op1",))


@dataclass
class Desk:
    desk: ConfigurationDesk
    applier: FakeApplier
    running: FakeRunning


@pytest.fixture
async def at(engine: AsyncEngine) -> Desk:
    """The desk of the demo centre at version 1, which runs."""
    async with transaction(engine) as connection:
        await save_configuration(connection, DEMO_CENTRE, who="first start")
    applier, running = FakeApplier(), FakeRunning()
    return Desk(ConfigurationDesk(engine, applier, running, node="node1", lang="en"), applier, running)


def adding(queue: Queue) -> Callable[[Configuration], Configuration]:
    return lambda old: put(old, "queues", queue)


async def test_given_an_edit_when_saved_then_it_is_a_draft_until_it_is_applied(at: Desk, engine: AsyncEngine) -> None:
    saved = await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    draft = await at.desk.draft()
    assert (saved.version, draft.configuration, at.running.configuration.version) == (2, saved, 1)
    assert [change.say("en") for change in draft.changes] == ["Queue api added"]
    done = await at.desk.apply(expected_version=2, who="admin")
    assert (done.version, at.running.configuration, at.applier.applied) == (2, saved, [saved])
    assert at.desk.steps == ["write", "members", "applied"]
    async with reading(engine) as connection:
        assert await applied_version(connection, "node1") == 2
        acts = [(act["who"], act["action"], act["subject"]) for act in await list_audit(connection)]
    assert acts[:2] == [("admin", "configuration.apply", "version 2"), ("admin", "configuration.save", "version 2")]


async def test_given_two_admins_when_both_edit_then_the_second_sees_the_conflict(at: Desk) -> None:
    await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    with pytest.raises(EditConflict, match=r"version 2.*began from 1"):
        await at.desk.edit(lambda old: remove(old, "agencies", "damkar"), expected_version=1, who="other")
    with pytest.raises(EditConflict, match="look at it before"):
        await at.desk.apply(expected_version=1, who="other")


async def test_given_a_broken_edit_when_saved_then_every_fault_is_told_and_nothing_changes(at: Desk) -> None:
    bad = replace(KEBAKARAN, ring_seconds=0, overflow=("op9",))
    with pytest.raises(ConfigurationFaulty) as refused:
        await at.desk.edit(adding(bad), expected_version=1, who="admin")
    assert {field for field, _ in refused.value.faults} == {"queues.api.ring_seconds", "queues.api.overflow"}
    with pytest.raises(ConfigurationFaulty, match="no queue 112"):
        await at.desk.edit(lambda old: remove(old, "queues", "112"), expected_version=1, who="admin")
    with pytest.raises(NotFound):
        await at.desk.edit(lambda old: remove(old, "queues", "x"), expected_version=1, who="admin")
    assert (await at.desk.draft()).configuration.version == 1


async def test_given_a_draft_that_would_ring_nobody_when_applied_then_it_is_refused_in_words(at: Desk) -> None:
    def lonely(old: Configuration) -> Configuration:
        return replace(
            old,
            queues=(replace(old.queues[0], overflow=()),),
            operators=tuple(replace(operator, memberships=()) for operator in old.operators),
        )

    await at.desk.edit(lonely, expected_version=1, who="admin")
    with pytest.raises(ConfigurationFaulty, match="would ring nobody"):
        await at.desk.apply(expected_version=2, who="admin")
    assert at.applier.applied == []


async def test_given_asterisk_that_does_not_take_it_when_applied_then_it_is_recorded_as_failed(
    at: Desk, engine: AsyncEngine
) -> None:
    await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    at.applier.error = ApplyFailed("It differs.", ["queue api is missing"])
    with pytest.raises(ApplyFailed):
        await at.desk.apply(expected_version=2, who="admin")
    assert at.running.configuration.version == 1
    (version, _) = await at.desk.versions()
    (tried,) = version["applications"]
    assert (tried["state"], tried["told"]) == ("failed", ["queue api is missing"])
    async with reading(engine) as connection:
        assert await applied_version(connection, "node1") is None


async def test_given_an_earlier_version_when_rolled_back_to_then_it_is_a_new_version_and_runs(at: Desk) -> None:
    await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    await at.desk.apply(expected_version=2, who="admin")
    done = await at.desk.rollback(1, expected_version=2, who="admin")
    assert done.version == 3
    assert at.running.configuration == replace(DEMO_CENTRE, version=3)
    with pytest.raises(NotFound):
        await at.desk.rollback(99, expected_version=3, who="admin")


async def test_given_a_draft_when_surge_is_switched_then_only_the_surge_goes_live(at: Desk) -> None:
    await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    await at.desk.surge(on=True, who="supervisor")
    assert at.running.configuration == replace(DEMO_CENTRE, surge=True, version=3)
    draft = (await at.desk.draft()).configuration
    assert draft.surge
    assert draft.queue("api") == KEBAKARAN


async def test_given_two_nodes_when_one_applies_then_the_other_follows_and_tries_what_fails_there_once(
    at: Desk, engine: AsyncEngine
) -> None:
    applier, running = FakeApplier(), FakeRunning()
    other = ConfigurationDesk(engine, applier, running, node="node2", lang="en")
    assert await other.follow() is None
    await at.desk.edit(adding(KEBAKARAN), expected_version=1, who="admin")
    assert await other.follow() is None  # a draft is nobody's
    await at.desk.apply(expected_version=2, who="admin")
    applier.error = ApplyFailed("It differs.")
    with pytest.raises(ApplyFailed):
        await other.follow()
    applier.error = None
    assert await other.follow() is None
    await at.desk.rollback(1, expected_version=2, who="admin")
    followed = await other.follow()
    assert followed is not None
    assert (followed.version, running.configuration) == (3, replace(DEMO_CENTRE, version=3))
    assert await other.follow() is None


FILES = {"queues.conf": "[112]\nstrategy = ringall\n", "extensions.conf": "[from-trunk]\nexten => 112,1,Answer()\n"}


@dataclass
class FakeAsterisk:
    """What was reloaded, and an Asterisk that has what its files say, unless it is told to differ."""

    folder: Path
    reloaded: list[str] = field(default_factory=list)
    refuses: str = ""
    strategy: str | None = None

    async def reload(self, module: str) -> None:
        self.reloaded.append(module)
        if module == self.refuses:
            raise AsteriskRefused("No such module")

    async def dialplan(self) -> Mapping[tuple[str, str, int], tuple[str, str]]:
        return dialplan({name: (self.folder / name).read_text() for name in FILES})

    async def queues(self) -> Mapping[str, str]:
        return {"112": self.strategy or (self.folder / "queues.conf").read_text().split("= ")[1].strip()}

    async def endpoints(self) -> set[str]:
        return set()

    async def endpoint(self, name: str) -> EndpointReport:
        raise NotFound(name)

    async def passwords(self) -> Mapping[str, tuple[str, str]]:
        return {}


@dataclass
class Files:
    applier: Applier
    asterisk: FakeAsterisk
    text: dict[str, str]
    said: list[str] = field(default_factory=list)

    async def apply(self) -> Sequence[str]:
        return (await self.applier.apply(DEMO_CENTRE, self.said.append)).files

    def stands(self) -> dict[str, str]:
        return {name: (self.asterisk.folder / name).read_text() for name in self.text}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files that stand, an Asterisk that has them, and what is rendered next in `text`."""
    folder = tmp_path / "etc"
    folder.mkdir()
    for name, stands in FILES.items():
        (folder / name).write_text(stands)
    asterisk = FakeAsterisk(folder)
    text: dict[str, str] = dict(FILES)

    @asynccontextmanager
    async def session() -> AsyncIterator[FakeAsterisk]:
        yield asterisk

    return Files(Applier(folder, lambda _: text, session), asterisk, text)


async def test_given_nothing_new_when_applied_then_asterisk_is_not_asked_to_read(files: Files) -> None:
    assert await files.apply() == ()
    assert files.asterisk.reloaded == []


async def test_given_one_new_file_when_applied_then_only_its_module_reads(files: Files) -> None:
    files.text["queues.conf"] = "[112]\nstrategy = linear\n"
    assert await files.apply() == ("queues.conf",)
    assert files.asterisk.reloaded == ["app_queue.so"]
    assert files.said == ["write", "reload:app_queue.so", "read-back"]
    assert not kept_file(files.asterisk.folder).exists()


@pytest.mark.parametrize("fault", ["differs", "refuses"])
async def test_given_asterisk_that_has_it_otherwise_when_read_back_then_the_files_of_before_stand(
    files: Files, fault: str
) -> None:
    files.text |= {"queues.conf": "[112]\nstrategy = linear\n", "extensions.conf": "[x]\nexten => 1,1,Hangup()\n"}
    if fault == "differs":
        files.asterisk.strategy = "ringall"
    else:
        files.asterisk.refuses = "app_queue.so"
    expected: type[Pbx112Error] = ApplyFailed if fault == "differs" else AsteriskRefused
    with pytest.raises(expected) as failed:
        await files.apply()
    if isinstance(failed.value, ApplyFailed):
        assert failed.value.told == ("queue 112: 'ringall' instead of 'linear'",)
    assert {name: files.stands()[name] for name in FILES} == FILES
    assert files.said[-1] == "restore"


async def test_given_a_process_that_died_while_applying_when_it_starts_again_then_it_goes_back(files: Files) -> None:
    files.text["queues.conf"] = "[112]\nstrategy = linear\n"

    async def dies(module: str) -> None:
        raise SystemExit

    usual, files.asterisk.reload = files.asterisk.reload, dies  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        await files.apply()
    kept = kept_file(files.asterisk.folder)
    kept.parent.joinpath("etc", "queues.conf").write_text(files.text["queues.conf"])  # as if nothing had gone back
    assert kept.exists()
    files.asterisk.reload = usual  # type: ignore[method-assign]
    assert await files.applier.recover()
    assert files.stands() == FILES
    assert files.asterisk.reloaded == ["app_queue.so"]
    assert not await files.applier.recover()


async def test_given_a_file_that_only_a_start_reads_when_it_would_change_then_it_is_refused(files: Files) -> None:
    files.text["modules.conf"] = "[modules]\n"
    with pytest.raises(ConfigurationInvalid, match="at its start only"):
        await files.apply()
    assert not (files.asterisk.folder / "modules.conf").exists()


async def test_given_operators_who_are_logged_in_when_a_configuration_goes_live_then_they_are_moved() -> None:
    configuration = replace(
        DEMO_CENTRE,
        queues=(*DEMO_CENTRE.queues, KEBAKARAN),
        operators=(
            replace(DEMO_CENTRE.operators[0], memberships=(Membership("112", 5), Membership("api"))),
            replace(DEMO_CENTRE.operators[1], memberships=(Membership("api"),)),
            DEMO_CENTRE.operators[2],
        ),
    )
    here = (
        LiveMember("op1", "not_inuse", paused=True, paused_reason="makan"),
        *(LiveMember(name, "not_inuse") for name in ("op2", "op3", "op4", "drill-operator")),
    )
    telephone = FakeTelephone()
    assert await move(telephone, LiveState(queues=(LiveQueue("112", here),)), configuration) == []
    assert telephone.commands == [
        ("penalty", "112", "op1", 5),
        ("add", "api", "op1", 0),
        ("add", "api", "op2", 0),
        ("remove", "112", "op2"),
        ("remove", "112", "op4"),
    ]
