"""Handing over from the desk on a real database and a scripted Asterisk: the intent first, once, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.ami.client import Client
from pbx112.ami.link import AmiLink
from pbx112.api.transfers import TransferCommand
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.record import CallRecord, CallState, call_id
from pbx112.domain.transfer import RequestedBy, Transfer, TransferMode, TransferState
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from tests.support.ami_peer import Action, AmiPeer, ami_peer, block, channel_row, running_link, until
from tests.support.web import bearer, client_of, make_parts

LINKEDID = "node1-1795288020.7"
CALLER, OPERATOR = "PJSIP/carrier-a-00000007", "PJSIP/op1-00000008"
START = datetime(2025, 1, 31, 10, tzinfo=UTC)
TALKING = CallRecord(
    id=call_id("node1", LINKEDID),
    node="node1",
    linkedid=LINKEDID,
    received_at=START,
    state=CallState.TALKING,
    caller=Caller(CallerClass.ASSERTED, "+6281234567890", None, "+6281234567890"),
    trunk="carrier-a",
    queue="112",
    operator="op1",
    queued_at=START,
    answered_at=START + timedelta(seconds=4),
)
WISH = {"agency": "ambulans", "mode": "warm"}


def row(name: str, number: int, context: str, exten: str, application: str) -> list[str]:
    """A channel of the call, as CoreShowChannels lists it."""
    changed = {"Context": context, "Exten": exten, "Application": application}
    lines = channel_row(name, number, state="Up", linkedid=7)
    return [f"{key}: {changed.get(key, line.partition(': ')[2])}" for line in lines for key in [line.split(":")[0]]]


def local(digits: str) -> list[str]:
    return row(f"Local/{digits}@transfer-lines-00000000;1", 20, "transfer-agency", "room", "ConfBridge")


def in_talk() -> list[list[str]]:
    return [row(CALLER, 7, "in-queue", "s", "Queue"), row(OPERATOR, 8, "from-operator", "s", "AppQueue")]


def in_rooms(caller: str = "hold") -> list[list[str]]:
    app = "BridgeWait" if caller == "hold" else "ConfBridge"
    return [row(CALLER, 7, "transfer-caller", caller, app), row(OPERATOR, 8, "transfer-op", "room", "ConfBridge")]


@dataclass
class Desk:
    """The web door on a link to a scripted Asterisk, and the database behind it."""

    client: httpx.AsyncClient
    engine: AsyncEngine
    peer: AmiPeer
    link: AmiLink

    async def post(self, path: str = "", *, user: str = "op1", key: str | None = None, **more: Any) -> httpx.Response:
        headers = bearer("operator", user, name=user) if user.startswith("op") else bearer(user)
        headers |= {"Idempotency-Key": key} if key else {}
        return await self.client.post(f"/v1/calls/{TALKING.id}/transfers{path}", headers=headers, **more)

    async def start(self, **more: Any) -> httpx.Response:
        return await self.post(json=WISH, **more)

    async def store(self, record: CallRecord) -> None:
        async with transaction(self.engine) as conn:
            await upsert_calls(conn, [record])

    async def shows(self, id_: str, state: TransferState = TransferState.BRIEFING) -> None:
        """The journal tells of the transfer."""
        one = Transfer(
            UUID(id_), START, "ambulans", mode=TransferMode.WARM, by=RequestedBy.DESK, operator="op1", state=state
        )
        await self.store(replace(TALKING, state=CallState.TRANSFERRING, transfers=(one,)))

    async def rows(self) -> list[tuple[str, str]]:
        async with reading(self.engine) as conn:
            found = await conn.execute(text("SELECT move, state FROM transfer_commands ORDER BY requested_at"))
            return [(one.move, one.state) for one in found]

    def sent(self, name: str = "Redirect") -> list[Action]:
        return [action for action in self.peer.heard if action["Action"] == name]


@asynccontextmanager
async def desk_on(engine: AsyncEngine, peer: AmiPeer) -> AsyncIterator[Desk]:
    async with ami_peer(peer), running_link(peer) as link:
        parts = make_parts(engine, switchboard=link)
        async with client_of(parts) as client:
            desk = Desk(client, engine, peer, link)
            await desk.store(TALKING)
            yield desk


@pytest.fixture
async def desk(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    defaults = Client.ask.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "deadline_s", 0.3)  # nobody waits two seconds for an answer that does not come
    async with desk_on(engine, AmiPeer(channel_rows=in_talk())) as made:
        yield made


def refused(answer: httpx.Response, status: int, slug: str) -> str:
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{slug}"), answer.text
    return str(answer.json()["detail"])


def lost(change: Callable[[Action], None] = lambda _: None) -> Callable[[Action], str]:
    """Asterisk does this, and its answer is lost."""

    def answer(action: Action) -> str:
        change(action)
        return ""

    return answer


def says(value: str) -> Callable[[Action], str]:
    def answer(action: Action) -> str:
        return block(
            "Response: Success", f"ActionID: {action['ActionID']}", f"Variable: {action['Variable']}", f"Value: {value}"
        )

    return answer


async def test_given_a_talk_when_an_agency_is_wanted_then_both_channels_are_sent_at_once_and_it_is_audited(
    desk: Desk,
) -> None:
    answer = await desk.start()
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    command = TransferCommand.model_validate_json(answer.content)
    assert (command.move, command.agency, command.operator, command.state) == ("start", "ambulans", "op1", "sent")
    (mark,) = desk.sent("Setvar")
    assert (mark["Channel"], mark["Variable"], mark["Value"]) == (OPERATOR, "TRANSFER_ID", str(command.id))
    (sent,) = desk.sent()
    assert (sent["Channel"], sent["Context"], sent["Exten"]) == (CALLER, "transfer-caller", "hold")
    assert (sent["ExtraChannel"], sent["ExtraContext"], sent["ExtraExten"]) == (
        OPERATOR,
        "transfer-op",
        "warm-ambulans",
    )
    assert await desk.rows() == [("start", "sent")]
    async with reading(desk.engine) as conn:
        (act,) = await list_audit(conn)
    assert (act["who"], act["action"], act["subject"]) == ("op1", "call.transfer.start", str(TALKING.id))
    assert act["after"] == {"transfer_id": str(command.id), "agency": "ambulans", "mode": "warm", "operator": "op1"}


async def test_given_both_in_the_rooms_when_another_agency_is_wanted_then_the_operator_alone_is_sent(
    desk: Desk,
) -> None:
    desk.peer.channel_rows = in_rooms("room")
    assert (await desk.post(json={"agency": "damkar", "mode": "conference"})).status_code == httpx.codes.ACCEPTED
    (sent,) = desk.sent()
    assert (sent["Channel"], sent["Exten"], "ExtraChannel" in sent) == (OPERATOR, "conference-damkar", False)


@pytest.mark.parametrize(
    ("move", "exten"), [("conference", "conference"), ("complete", "handover"), ("cancel", "cancel")]
)
async def test_given_a_briefing_when_moved_then_the_operator_goes_there_and_the_transfer_is_named(
    desk: Desk, move: str, exten: str
) -> None:
    id_ = (await desk.start()).json()["id"]
    await desk.shows(id_)
    desk.peer.channel_rows = in_rooms()
    desk.peer.answers["Getvar"] = lambda action: says(id_ if action["Variable"] == "TRANSFER_2" else "x.1")(action)
    answer = await desk.post(f"/{id_}/{move}")
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    assert (answer.json()["id"], answer.json()["move"]) == (id_, move)
    assert [(one["Channel"], one["Exten"]) for one in desk.sent()[1:]] == [(OPERATOR, exten)]
    assert [(one["Variable"], one["Value"]) for one in desk.sent("Setvar")[1:]] == [("WHICH", "2")]
    assert "tunggu" in refused(await desk.post(f"/{id_}/{move}", user="supervisor"), 409, "transfer-taken")
    assert await desk.rows() == [("start", "sent"), (move, "sent")]


async def test_given_the_same_key_when_sent_again_even_at_once_then_the_same_answer_and_one_action(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.start(key="k-1") for _ in range(4)))
    assert [one.status_code for one in answers] == [202] * 4
    assert len({one.content for one in answers}) == 1
    assert len(desk.sent()) == 1
    other = await desk.post(json={"agency": "damkar", "mode": "warm"}, key="k-1")
    assert "Idempotency-Key" in refused(other, 422, "bad-input")
    refused(await desk.start(key="k-1", user="supervisor"), 409, "transfer-taken")  # his own key, another request
    assert (await desk.start(key="with blank")).status_code == httpx.codes.UNPROCESSABLE_ENTITY


async def test_given_two_at_once_when_they_want_two_agencies_then_one_wins_and_the_other_is_told_by_whom(
    desk: Desk,
) -> None:
    wishes = [("op1", "ambulans"), ("supervisor", "damkar"), ("admin", "polisi")]
    answers = await asyncio.gather(
        *(desk.post(user=user, json={"agency": agency, "mode": "warm"}) for user, agency in wishes)
    )
    assert sorted(one.status_code for one in answers) == [202, 409, 409]
    assert len(desk.sent()) == 1
    assert await desk.rows() == [("start", "sent")]


async def test_given_an_asterisk_that_says_no_then_409_the_id_is_taken_back_and_the_key_remembers(desk: Desk) -> None:
    desk.peer.answers["Redirect"] = lambda action: block(
        "Response: Error", f"ActionID: {action['ActionID']}", "Message: Channel does not exist: x"
    )
    detail = refused(await desk.start(key="k"), 409, "asterisk-refused")
    assert [one["Value"] for one in desk.sent("Setvar")][1:] == [""]
    assert await desk.rows() == [("start", "refused")]
    del desk.peer.answers["Redirect"]
    assert refused(await desk.start(key="k"), 409, "asterisk-refused") == detail
    assert (await desk.start(key="k-2")).status_code == httpx.codes.ACCEPTED


async def test_given_a_half_done_start_when_the_operator_has_gone_then_the_caller_is_put_at_the_queues_head(
    desk: Desk,
) -> None:
    def half(action: Action) -> str:
        desk.peer.channel_rows = in_rooms()[:1]
        token = f"ActionID: {action['ActionID']}"
        if action["Exten"] == "requeue":
            return block("Response: Success", token, "Message: Redirect successful")
        return block("Response: Error", token, "Message: Secondary redirect failed, channel does not exist: x")

    desk.peer.answers["Redirect"] = half
    refused(await desk.start(), 409, "asterisk-refused")
    assert [(one["Channel"], one["Exten"]) for one in desk.sent()][1:] == [(CALLER, "requeue")]


async def test_given_a_lost_answer_when_the_channels_show_it_then_it_is_done(desk: Desk) -> None:
    def begin(action: Action) -> None:
        desk.peer.channel_rows = in_rooms()
        desk.peer.answers["Getvar"] = says(desk.sent("Setvar")[0]["Value"])

    desk.peer.answers["Redirect"] = lost(begin)
    assert (await desk.start()).json()["state"] == "sent"
    assert (len(desk.sent()), await desk.rows()) == (1, [("start", "sent")])


async def test_given_a_lost_answer_when_the_channels_do_not_show_it_then_it_was_not_done_and_may_be_tried_again(
    desk: Desk,
) -> None:
    desk.peer.answers["Redirect"] = lost()
    desk.peer.answers["Getvar"] = says("")
    assert "try again" in refused(await desk.start(), 503, "not-carried-out")
    assert (len(desk.sent()), await desk.rows()) == (1, [("start", "not_sent")])
    del desk.peer.answers["Redirect"]
    assert (await desk.start()).status_code == httpx.codes.ACCEPTED


async def test_given_a_link_that_breaks_under_it_when_the_new_list_shows_nothing_then_it_stays_unknown(
    desk: Desk,
) -> None:
    desk.peer.answers["Redirect"] = lost()
    desk.peer.answers["Getvar"] = says("")
    asked = asyncio.create_task(desk.start(key="k"))
    await until(lambda: len(desk.sent()) == 1)
    desk.peer.hang_up()
    refused(await asked, 504, "outcome-unknown")
    assert (len(desk.sent()), await desk.rows()) == (1, [("start", "unknown")])
    refused(await desk.start(user="supervisor"), 409, "transfer-taken")  # it may come yet
    refused(await desk.start(key="k"), 504, "outcome-unknown")


@pytest.mark.parametrize(
    ("move", "after"),
    [
        ("conference", in_rooms("room")),
        ("complete", in_rooms("room")[:1]),
        ("cancel", in_rooms("room")),
    ],
)
async def test_given_a_move_whose_answer_is_lost_when_the_channels_show_it_then_it_is_done(
    desk: Desk, move: str, after: list[list[str]]
) -> None:
    id_ = (await desk.start()).json()["id"]
    await desk.shows(id_)
    desk.peer.channel_rows = [*in_rooms(), local("1179528802081")]
    desk.peer.answers["Getvar"] = says(id_)
    desk.peer.answers["Redirect"] = lost(lambda _: setattr(desk.peer, "channel_rows", after))
    answer = await desk.post(f"/{id_}/{move}")
    assert (answer.status_code, answer.json().get("state")) == (202, "sent"), answer.text
    desk.peer.channel_rows = [*in_rooms(), local("1179528802081")]
    await desk.shows(id_, TransferState.CONFERENCE)
    desk.peer.answers["Redirect"] = lost()
    if move != "conference":
        refused(await desk.post(f"/{id_}/{move}"), 503, "not-carried-out")


async def test_given_no_link_when_asked_then_503_and_nothing_is_sent(desk: Desk) -> None:
    desk.peer.booted = False  # it comes back no more
    desk.peer.hang_up()
    await until(lambda: not desk.link.connected)
    refused(await desk.start(), 503, "asterisk-unavailable")
    assert (desk.sent(), await desk.rows()) == ([], [("start", "not_sent")])


async def test_given_a_list_that_cannot_be_believed_then_nothing_is_sent(desk: Desk) -> None:
    def forged(action: Action) -> str:
        token = f"ActionID: {action['ActionID']}"
        start = block("Response: Success", token, "EventList: start", "Message: Channels will follow")
        rows = "".join(block("Event: CoreShowChannel", token, *one) for one in in_talk())
        end = block("Event: CoreShowChannelsComplete", token, "EventList: Complete", "ListItems: 3")
        return start + rows + end

    desk.peer.answers["CoreShowChannels"] = forged
    assert "forged" in refused(await desk.start(), 503, "not-carried-out")
    assert desk.sent() == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        in_talk()[:1],
        [row(CALLER, 7, "silent", "s", "Read"), in_talk()[1]],
        [in_talk()[0], in_rooms()[1]],
        [*in_talk(), row("PJSIP/op1-00000009", 9, "from-operator", "s", "AppQueue")],
    ],
)
async def test_given_channels_that_are_not_together_when_asked_then_409_and_nothing_is_sent(
    desk: Desk, rows: list[list[str]]
) -> None:
    desk.peer.channel_rows = rows
    assert "op1" in refused(await desk.start(), 409, "call-not-talking")
    assert desk.sent() == []


@pytest.mark.parametrize(
    ("user", "path", "body", "status", "slug"),
    [
        ("op2", "", WISH, 403, "not-allowed"),
        ("auditor", "", WISH, 403, "not-allowed"),
        ("op1", "", {**WISH, "agency": "nobody"}, 404, "no-such-agency"),
        ("op1", "", {**WISH, "agency": "x,y\r\n"}, 404, "no-such-agency"),
        ("op1", "", {**WISH, "mode": "blind"}, 409, "transfer-refused"),
        ("op1", "", {**WISH, "mode": "soft"}, 422, "bad-input"),
        ("op1", f"/{UUID(int=5)}/complete", None, 404, "no-such-transfer"),
        ("op1", "/x/complete", None, 404, "no-such-transfer"),
        ("op2", f"/{UUID(int=5)}/cancel", None, 403, "not-allowed"),
    ],
)
async def test_given_what_may_not_be_then_it_is_refused_in_words_and_nothing_is_sent(
    desk: Desk, user: str, path: str, body: dict[str, str] | None, status: int, slug: str
) -> None:
    refused(await desk.post(path, user=user, json=body), status, slug)
    assert (desk.sent(), await desk.rows()) == ([], [])


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"state": CallState.QUEUED, "operator": None}, "call-not-talking"),
        ({"direction": "outbound"}, "call-not-talking"),
        ({"node": "node2"}, "call-of-another-node"),
    ],
)
async def test_given_no_talk_here_then_409_says_so(desk: Desk, change: dict[str, Any], slug: str) -> None:
    await desk.store(replace(TALKING, **change))
    refused(await desk.start(user="admin"), 409, slug)
    assert desk.sent() == []
