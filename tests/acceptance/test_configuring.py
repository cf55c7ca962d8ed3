"""An admin's work on a real Asterisk: edited, applied, read back, rolled back; it drops no call and no member."""

from __future__ import annotations

import asyncio
import io
import math
import random
import wave
from array import array
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from pbx112.host.softphone_client import Softphone
from tests.support.centre import Centre, until

# One event loop for all tests that share a centre.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

EDITS = 12
BREAKS: list[tuple[str, str, Any, str]] = [
    ("PUT", "/v1/queues/112", {"ring_seconds": 0}, "range"),
    ("PUT", "/v1/queues/112", {"overflow": ["nobody"]}, "no operator"),
    ("PUT", "/v1/queues/112", {"strategy": "guess"}, "strategy"),
    ("PUT", "/v1/queues/112", {"tiers": [{"kind": "queue", "after_seconds": 20, "target": "112"}]}, "circle"),
    ("PUT", "/v1/queues/112", {"rings": 3}, "no such field"),
    ("DELETE", "/v1/queues/112", None, "no queue 112"),
    ("PUT", "/v1/trunks/carrier-a", {"sources": []}, "no source"),
    ("PUT", "/v1/trunks/carrier-a", {"sources": ["127.0.0.3"]}, "could not tell"),
    ("PUT", "/v1/operators/op1", {"extension": "1002"}, "used by two"),
    ("PUT", "/v1/operators/op1", {"memberships": [{"queue": "x"}]}, "no queue x"),
    ("PUT", "/v1/operators/damkar1", {"display_name": "X", "extension": "1999"}, "used already"),
]


class Desk:
    """The admin at his desk: requests with the version that they were made on."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre

    async def draft(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.centre.get("/v1/config")
        return found

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"If-Match": f'"{(await self.draft())["version"]}"'}
        return await self.centre.api(method, path, headers=headers, json=body)

    async def done(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.ask(method, path, body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def part(self, kind: str, name: str) -> dict[str, Any]:
        configuration = (await self.draft())["configuration"]
        found: dict[str, Any] = next(part for part in configuration[kind] if part["name"] == name)
        return found

    async def put(self, kind: str, name: str, **changes: Any) -> dict[str, Any]:
        known = await self.part(kind, name)
        return await self.done("PUT", f"/v1/{kind}/{name}", {**known, **changes})

    async def apply(self) -> dict[str, Any]:
        return await self.done("POST", "/v1/config/apply")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(centre: Centre) -> AsyncIterator[Desk]:
    """The desk; afterwards the centre runs what it ran before."""
    at = Desk(centre)
    before = (await at.draft())["applied_version"]
    yield at
    await at.done("POST", "/v1/config/rollback", {"version": before})


async def test_given_a_new_queue_when_applied_then_the_next_call_rings_as_configured_and_the_first_after_a_rollback(
    desk: Desk, centre: Centre
) -> None:
    before = (await desk.draft())["applied_version"]
    queue = {"display_name": "Kebakaran", "strategy": "linear", "ring_seconds": 5, "overflow": ["op1"]}
    await desk.done("PUT", "/v1/queues/api", queue)
    await desk.put("operators", "op2", memberships=[{"queue": "api", "penalty": 0}])
    await desk.done("PUT", "/v1/entry-rules", [{"queue": "api", "trunk": "carrier-b"}])
    assert (await desk.draft())["faults"] == []
    done = await desk.apply()
    assert set(done["files"]) >= {"queues.conf", "extensions.conf"}
    assert done["told"] == []
    async with Softphone.start("127.0.0.1") as operator, Softphone.start("127.0.0.3", user="+62811") as caller:
        await centre.log_in(operator, "op2")
        assert (await centre.get("/v1/operators/op2"))["logged_in"] == ["api"]
        await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        await caller.hangup()
        await operator.wait_for("disconnected", 3)
        await desk.done("POST", "/v1/config/rollback", {"version": before})
        assert (await centre.get("/v1/operators/op2"))["logged_in"] == ["112"]
        placed = await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        await caller.hangup(placed.call)
        assert (await centre.record(placed.sip_call_id))["queue"] == "112"
    assert "api" not in await centre.cli("queue show")


async def test_given_a_configuration_when_broken_on_purpose_then_each_time_it_is_refused_in_words(desk: Desk) -> None:
    before = await desk.draft()
    for method, path, changes, words in BREAKS:
        body = changes
        if method == "PUT":
            kind, name = path.split("/")[2:]
            known: dict[str, Any] = next((part for part in before["configuration"][kind] if part["name"] == name), {})
            body = {**known, **changes, "name": name}
        refused = await desk.ask(method, path, body)
        assert refused.status_code == 422, (path, changes, refused.text)
        assert words in refused.text or "di luar batas" in refused.text or refused.json()["errors"], refused.text
        assert refused.json()["errors"][0]["field"]
    assert (await desk.draft())["version"] == before["version"]


async def test_given_callers_who_wait_and_talk_when_edits_are_applied_and_rolled_back_then_nobody_is_dropped(
    desk: Desk, centre: Centre
) -> None:
    first = (await desk.draft())["applied_version"]
    dice = random.Random(112)
    phones = [Softphone.start("127.0.0.1") for _ in range(2)]
    async with phones[0] as op1, phones[1] as op2, Softphone.start("127.0.0.2", user="+62812") as caller:
        await centre.log_in(op1, "op1")
        await centre.log_in(op2, "op2")
        await centre.api("POST", "/v1/operators/op2/pause", json={"reason": "makan"})
        talking = await caller.call(centre.invite_uri)
        await op1.wait_incoming(3)
        await op1.answer()
        await caller.wait_for("confirmed", 3)
        waiting = [await caller.call(centre.invite_uri) for _ in range(3)]
        await until_waiting(centre, 3)
        for _ in range(EDITS):
            await edited(desk, dice)
            await desk.apply()
            if dice.random() < 0.4:
                await desk.done("POST", "/v1/config/rollback", {"version": first})
            live = await centre.get("/v1/live")
            queue = next(queue for queue in live["queues"] if queue["name"] == "112")
            assert len(queue["waiting"]) == 3
            assert {member["operator"] for member in queue["members"]} == {"op1", "op2"}
            assert next(m for m in queue["members"] if m["operator"] == "op2")["paused_reason"] == "makan"
        assert await centre.channels() == 5
        for placed in (talking, *waiting):
            await caller.hangup(placed.call)
        records = [await centre.record(placed.sip_call_id) for placed in (talking, *waiting)]
        assert [record["outcome"] for record in records] == ["answered", *["abandoned"] * 3]
        assert records[0]["hangup_by"] == "caller"


async def until_waiting(centre: Centre, count: int, deadline_s: float = 5) -> None:
    """Wait until so many callers wait in the queue 112."""

    async def there() -> bool | None:
        queue = await centre.get("/v1/queues/112")
        return True if len(queue["waiting"]) == count else None

    await until(there, deadline_s, f"{count} callers wait")


async def edited(desk: Desk, dice: random.Random) -> None:
    """One random edit that leaves op1 and op2 in the queue 112."""
    number = dice.randrange(10**6)
    match dice.randrange(5):
        case 0:
            await desk.put("queues", "112", ring_seconds=dice.randint(5, 60), wrapup_seconds=dice.randint(0, 9))
        case 1:
            await desk.done("PUT", f"/v1/queues/q{number}", {"display_name": "Q", "overflow": ["op3"]})
        case 2:
            operator = {"display_name": f"Baru {number}", "extension": f"2{number}", "memberships": [{"queue": "112"}]}
            await desk.done("PUT", f"/v1/operators/baru{number}", operator)
        case 3:
            await desk.put("operators", "op1", display_name=f"Operator {number}")
        case _:
            source = f"127.9.{dice.randrange(250)}.{dice.randrange(250)}"
            await desk.done("PUT", f"/v1/trunks/t{number}", {"display_name": "T", "sources": [source]})


async def test_given_a_prompt_of_ones_own_when_its_version_changes_then_the_next_caller_hears_it_and_nobody_is_dropped(
    desk: Desk, centre: Centre
) -> None:
    async def upload(hz: int) -> dict[str, Any]:
        answer = await centre.api("PUT", "/v1/prompts/kota/id", content=sine(hz, 8), params={"file_name": f"{hz}.wav"})
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def heard(caller: Softphone) -> set[int]:
        return {hz for hz, tone in (await caller.hear(1, [700, 1100])).items() if tone.present}

    await desk.put("queues", "112", comfort="kota", answer_mode="immediate")
    assert "kota" in (await desk.done("POST", "/v1/config/validate"))["warnings"][0]["message"]
    first = await upload(700)
    done = await desk.apply()
    assert (done["told"], "musiconhold.conf" in done["files"]) == ([], True)
    async with (
        Softphone.start("127.0.0.1") as operator,
        Softphone.start("127.0.0.3", user="+62811") as one,
        Softphone.start("127.0.0.3", user="+62812") as two,
    ):
        await centre.log_in(operator, "op1")
        await one.call(centre.invite_uri)
        await one.wait_for("confirmed", 3)
        assert await heard(one) == {700}
        second = await upload(1100)
        assert (second["version"], second["in_use"]) == (first["version"] + 1, False)
        used = await centre.api("POST", "/v1/prompts/kota/id/use", json={"version": second["version"]})
        assert used.json()["told"] == []
        assert await heard(one) == {700}
        await two.call(centre.invite_uri)
        await two.wait_for("confirmed", 3)
        assert await heard(two) == {1100}
        await until_waiting(centre, 2)
        (prompt,) = (await centre.get("/v1/prompts"))["items"]
        assert (prompt["in_use"], prompt["queues"]) == (second["version"], ["112"])


def sine(hz: int, seconds: float) -> bytes:
    """A recording of a tone, at a rate that is not the telephone's."""
    file = io.BytesIO()
    samples = array("h", (round(9000 * math.sin(2 * math.pi * hz * n / 16000)) for n in range(round(16000 * seconds))))
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return file.getvalue()


async def test_given_a_draft_that_is_not_applied_when_the_system_starts_again_then_what_ran_runs(
    desk: Desk, centre: Centre
) -> None:
    await desk.put("queues", "112", ring_seconds=33)
    service = centre.child("pbx112", "serve")
    service.kill()
    await asyncio.to_thread(service.wait, 5)

    async def back() -> bool | None:
        try:
            return True if (await centre.api("GET", "/v1/config")).is_success else None
        except OSError:
            return None
        except Exception as error:
            if "connect" not in repr(error).lower():
                raise
            return None

    await until(back, 15, "the service answers again")
    draft = await desk.draft()
    assert [change["text"] for change in draft["changes"]]
    assert (await centre.get("/v1/queues/112"))["ring_seconds"] != 33
