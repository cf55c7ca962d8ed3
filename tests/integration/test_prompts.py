"""A centre's own prompts with a real database, the real SoX and real files: upload, use, and what keeps a node true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.guard import largest
from pbx112.domain.configuration import Queue
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import AsteriskUnavailable, NoSuchPrompt, Overloaded, Pbx112Error, PromptUnfit
from pbx112.domain.prompts import MOST_BYTES, PromptUse, SoundKind
from pbx112.host.recordings import Recordings
from pbx112.pbx.prompt_files import PromptFiles
from pbx112.pbx.waiting import own_prompts
from pbx112.services import prompts as service
from pbx112.services.audit import verify
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.prompts import OwnPrompts, PromptDesk, bring
from pbx112.storage.audit import list_audit
from pbx112.storage.configuration import save_configuration
from pbx112.storage.engine import reading, transaction
from pbx112.storage.prompts import prompts_in_use
from tests.integration.test_prompt_recordings import RUNTIME, tone
from tests.support.web import FakeApplier, FakePromptMaker, FakeRunning, bearer, client_of, make_parts

KOTA = replace(DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], comfort="kota"),))
WAV = b"RIFF\0\0\0\0WAVE"


@dataclass
class Node:
    """A node's prompts, its folder, and how often Asterisk was asked to read; `error` is why it does not."""

    engine: AsyncEngine
    folder: Path
    refreshed: int = 0
    error: Pbx112Error | None = None
    files: PromptFiles = field(init=False)
    desk: PromptDesk = field(init=False)

    def __post_init__(self) -> None:
        self.files = PromptFiles(self.folder)
        self.desk = PromptDesk(self.engine, self.files, FakePromptMaker(), self._refresh, node="node1", lang="en")

    async def _refresh(self) -> None:
        self.refreshed += 1
        if self.error is not None:
            raise self.error

    async def upload(self, what: bytes, *, use: bool = False) -> service.Uploaded:
        return await self.desk.upload("kota", "id", WAV + what, file_name="kota.wav", use=use, who="admin")

    def heard(self) -> bytes | None:
        """The sound that Asterisk is pointed to."""
        found = own_prompts(KOTA, self.folder, ("id", "en"))["kota"].get("id")
        if found is None:
            return None
        (file,) = found.folder.glob("*.wav")
        return file.read_bytes().removeprefix(WAV)


@pytest.fixture
def node(engine: AsyncEngine, tmp_path: Path) -> Node:
    return Node(engine, tmp_path / "prompts")


async def test_given_uploads_when_used_and_used_again_then_each_is_a_version_and_callers_hear_the_one_in_use(
    node: Node,
) -> None:
    first, second = await node.upload(b"one"), await node.upload(b"two")
    assert [(one.version.version, one.in_use) for one in (first, second)] == [(1, True), (2, False)]
    assert (node.heard(), node.refreshed) == (b"one", 1)
    assert await node.desk.use(PromptUse("kota", "id", 2), who="sari") == ()
    assert (node.heard(), node.refreshed) == (b"two", 2)
    third = await node.upload(b"three", use=True)
    assert (third.in_use, node.heard()) == (True, b"three")
    await node.desk.use(PromptUse("kota", "id", 1), who="sari")
    assert node.heard() == b"one"
    (prompt,) = await node.desk.prompts(KOTA)
    assert (prompt.in_use, prompt.queues) == (1, ("112",))
    assert [(v.version, v.file_name, v.who) for v in prompt.versions] == [(n, "kota.wav", "admin") for n in (3, 2, 1)]
    assert await node.desk.wav(PromptUse("kota", "id", 3)) == WAV + b"three"
    async with reading(node.engine) as connection:
        acts = [(act["who"], act["action"], act["subject"], act["after"]) for act in await list_audit(connection)]
    assert acts[0] == ("sari", "prompt.use", "kota/id", {"version": 1})
    assert [act[1] for act in acts].count("prompt.upload") == 3
    assert (await verify(node.engine)).whole


async def test_given_a_version_that_is_not_there_when_used_then_it_is_refused_and_nothing_changes(node: Node) -> None:
    await node.upload(b"one")
    for use in (PromptUse("kota", "id", 2), PromptUse("kota", "en", 1), PromptUse("desa", "id", 1)):
        with pytest.raises(NoSuchPrompt):
            await node.desk.use(use, who="admin")
        with pytest.raises(NoSuchPrompt):
            await node.desk.wav(use)
    assert (node.heard(), node.refreshed) == (b"one", 1)


@pytest.mark.parametrize(
    ("name", "language", "recording", "file_name", "words"),
    [
        ("moh", "id", WAV, "", "is taken"),
        ("../x", "id", WAV, "", "letters, digits"),
        ("kota", "fr", WAV, "", "one of id, en"),
        ("kota", "id", b"", "", "empty"),
        ("kota", "id", b"#EXTM3U\n/etc/passwd", "x.wav", "WAV, MP3 or Ogg"),
        ("kota", "id", WAV + bytes(MOST_BYTES), "", "20 MB"),
        ("kota", "id", WAV, "x" * 121, "120"),
        ("kota", "id", WAV, "x\n.wav", "120"),
    ],
)
async def test_given_what_cannot_be_a_prompt_when_uploaded_then_it_is_refused_in_words(
    node: Node, name: str, language: str, recording: bytes, file_name: str, words: str
) -> None:
    with pytest.raises(PromptUnfit, match=words):
        await node.desk.upload(name, language, recording, file_name=file_name, use=True, who="admin")
    assert await node.desk.prompts(DEMO_CENTRE) == []


async def test_given_admins_who_upload_at_once_when_all_are_in_then_each_has_its_own_version(node: Node) -> None:
    others = [Node(node.engine, node.folder.with_name(f"node{n}")) for n in range(5)]
    done = await asyncio.gather(*(one.upload(b"x", use=True) for one in others))
    assert sorted(one.version.version for one in done) == [1, 2, 3, 4, 5]
    for one in others:
        await bring(node.engine, one.files)
    assert len({one.heard() for one in others}) == 1


async def test_given_a_conversion_under_way_when_another_is_wanted_then_it_may_be_tried_again(node: Node) -> None:
    ends = asyncio.Event()

    class Slow(FakePromptMaker):
        async def make(self, recording: bytes, kind: SoundKind) -> bytes:
            await ends.wait()
            return recording

    desk = PromptDesk(node.engine, node.files, Slow(), node._refresh, node="node1", lang="en")
    first = asyncio.create_task(desk.upload("kota", "id", WAV, file_name="", use=False, who="admin"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await desk.upload("kota", "en", WAV, file_name="", use=False, who="admin")
    ends.set()
    assert (await first).in_use


async def test_given_another_node_and_a_full_disk_and_a_dead_asterisk_then_it_is_told_and_done_later(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.02)
    other = Node(node.engine, tmp_path / "other")
    other.error = AsteriskUnavailable("Asterisk is away.")
    node.error = AsteriskUnavailable("Asterisk is away.")
    done = await node.upload(b"one")
    assert "not play it yet: Asterisk is away." in done.told[0]
    keeping = [asyncio.create_task(one.desk.keep()) for one in (node, other)]
    try:
        async with asyncio.timeout(5):
            while other.refreshed < 2:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            assert other.heard() == b"one"
            node.error = other.error = None
            seen = -1
            while seen != other.refreshed:  # once it has succeeded Asterisk is left alone
                seen = other.refreshed
                await asyncio.sleep(0.1)
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
    (tmp_path / "full").write_text("no folder")
    full = OwnPrompts(node.engine, PromptFiles(tmp_path / "full"), node="node1", lang="en")
    (told,) = await full.bring()
    assert "could not be written on node1" in told


async def test_given_files_that_were_lost_or_cut_short_when_brought_then_they_are_there_again(node: Node) -> None:
    await node.upload(b"one")
    (file,) = node.folder.rglob("*.wav")
    for spoil in (lambda: file.write_bytes(b""), file.unlink, (file.parent.parent / "in-use").unlink):
        spoil()
        assert node.heard() is None
        assert await bring(node.engine, node.files)
        assert node.heard() == b"one"
    assert not await bring(node.engine, node.files)


async def test_given_a_file_of_ones_own_when_nothing_is_uploaded_then_callers_hear_it(node: Node) -> None:
    home = node.folder / "kota" / "id"
    home.mkdir(parents=True)
    (home / "mine.wav").write_bytes(b"mine")
    assert node.heard() == b"mine"
    await node.upload(b"one")
    assert node.heard() == b"one"


async def test_given_a_queue_that_names_a_prompt_that_is_not_there_when_applied_then_it_is_told_and_applied(
    node: Node,
) -> None:
    async with transaction(node.engine) as connection:
        await save_configuration(connection, DEMO_CENTRE, who="first start")
    running = FakeRunning()
    own = OwnPrompts(node.engine, node.files, node="node1", lang="en")
    desk = ConfigurationDesk(node.engine, FakeApplier(), running, own, node="node1", lang="en")
    await desk.edit(lambda old: replace(old, queues=KOTA.queues), expected_version=1, who="admin")
    draft = await desk.draft()
    assert draft.faults == ()
    assert [(fault.where, fault.problem) for fault in draft.warnings] == [("queues.112.comfort", "no_prompt")]
    done = await desk.apply(expected_version=2, who="admin")
    assert done.told == (
        "Queue 112, Comfort prompt: There is no prompt kota in the language id: callers hear the built-in one. "
        "Upload it.",
    )
    async with transaction(node.engine) as connection:  # another node's admin
        await Node(node.engine, node.folder.with_name("other")).upload(b"one")
        assert len(await prompts_in_use(connection)) == 1
    assert (await desk.apply(expected_version=2, who="admin")).told == ()
    assert node.heard() == b"one"


@pytest.fixture
async def web(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    maker = Recordings(RUNTIME, "en")
    desk = PromptDesk(node.engine, node.files, maker, node._refresh, node="node1", lang="en")
    async with client_of(make_parts(node.engine, prompts=desk, configuration=lambda: KOTA, lang="en")) as client:
        client.headers.update(bearer())
        yield client


async def test_given_the_web_door_when_a_recording_is_sent_then_it_is_listed_played_and_used(
    web: httpx.AsyncClient, node: Node, tmp_path: Path
) -> None:
    before = (await web.get("/v1/prompts")).json()
    assert (before["items"], len(before["missing"])) == ([], 1)
    recording = tone(tmp_path, "mp3")
    added = await web.put("/v1/prompts/kota/id", content=recording, params={"file_name": "Kota Darurat.mp3"})
    assert added.status_code == 200, added.text
    assert added.json() | {"at": "", "sha256": ""} == {
        "name": "kota",
        "language": "id",
        "version": 1,
        "who": "admin",
        "at": "",
        "sha256": "",
        "duration_ms": added.json()["duration_ms"],
        "file_name": "Kota Darurat.mp3",
        "in_use": True,
        "told": [],
    }
    sound = await web.get("/v1/prompts/kota/id/1.wav")
    assert (sound.headers["content-type"], sound.content[:4]) == ("audio/wav", b"RIFF")
    assert node.heard() == sound.content
    used = await web.post("/v1/prompts/kota/id/use", json={"version": 1})
    assert used.json() == {"name": "kota", "language": "id", "version": 1, "told": []}
    found = (await web.get("/v1/prompts")).json()
    assert (found["missing"], found["items"][0]["in_use"], found["items"][0]["queues"]) == ([], 1, ["112"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "/v1/prompts/kota/id", b"%PDF-1.7", 422, "WAV, MP3 or Ogg"),
        ("PUT", "/v1/prompts/kota/id", bytes(MOST_BYTES + 1), 413, "at most"),
        ("PUT", "/v1/prompts/kota/id?file_name=%00", WAV, 422, "no text"),
        ("PUT", "/v1/prompts/kota/id?use=maybe", WAV, 422, "use"),
        ("PUT", "/v1/prompts/kota/id?colour=red", WAV, 422, "colour"),
        ("PUT", "/v1/prompts/kota/fr", WAV, 422, "language"),
        ("PUT", "/v1/prompts/a%2Fb/id", WAV, 404, ""),
        ("PUT", "/v1/prompts/..%5C/id", WAV, 422, "name"),
        ("POST", "/v1/prompts/kota/id/use", b'{"version": 1}', 404, "no prompt kota/id version 1"),
        ("POST", "/v1/prompts/kota/id/use", b"[" * 70_000, 413, "at most"),
        ("GET", "/v1/prompts/kota/id/1.wav", b"", 404, "no prompt kota/id version 1"),
        ("GET", "/v1/prompts/kota/id/99999999999.wav", b"", 422, "version"),
    ],
)
async def test_given_what_makes_no_sense_when_sent_then_it_is_refused_in_words(
    web: httpx.AsyncClient, method: str, path: str, body: bytes, status: int, words: str
) -> None:
    answer = await web.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_given_paths_then_only_a_recording_may_be_large() -> None:
    assert largest("/v1/prompts/kota/id") == MOST_BYTES
    assert {largest(path) for path in ("/v1/prompts", "/v1/prompts/kota/id/use", "/v1/queues/x", "/")} == {64 * 1024}


async def test_given_a_changed_sound_when_stored_then_the_database_refuses_it(node: Node) -> None:
    await node.upload(b"one")
    with pytest.raises(Pbx112Error, match="ck_prompts_sha256"):
        async with transaction(node.engine) as connection:
            await connection.execute(
                text(
                    "INSERT INTO prompts (name, language, version, who, sha256, duration_ms, file_name, wav) "
                    "SELECT name, language, 2, who, sha256, duration_ms, file_name, 'other' FROM prompts"
                )
            )


def test_given_a_queue_without_a_prompt_then_nothing_is_missing(tmp_path: Path) -> None:
    files = PromptFiles(tmp_path)
    queues = (Queue("112", "x"), Queue("113", "y", comfort="kota", language="en"))
    (fault,) = service.missing(replace(DEMO_CENTRE, queues=queues), files)
    assert fault.told == {"prompt": "kota", "language": "en"}


async def test_given_a_player_that_asks_for_parts_when_answered_then_it_gets_them(
    web: httpx.AsyncClient, node: Node
) -> None:
    await node.upload(b"0123456789")
    whole = WAV + b"0123456789"
    for asked, status, part, told in (
        ("bytes=0-", 206, whole, "bytes 0-21/22"),
        ("bytes=12-13", 206, b"01", "bytes 12-13/22"),
        ("bytes=-3", 206, b"789", "bytes 19-21/22"),
        ("bytes=20-99", 206, b"89", "bytes 20-21/22"),
        ("bytes=22-", 416, b"", "bytes */22"),
        ("bytes=9-3", 416, b"", "bytes */22"),
        ("bytes=0-1,4-5", 200, whole, None),
        ("lines=1-2", 200, whole, None),
    ):
        answer = await web.get("/v1/prompts/kota/id/1.wav", headers={"Range": asked})
        assert (answer.status_code, answer.content) == (status, part), asked
        assert answer.headers.get("content-range") == told
