"""The live feed over a real WebSocket: snapshot first, changes after, and slow clients cut off."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pbx112.api.tokens import make_token
from pbx112.domain.errors import Overloaded
from pbx112.services.feed import CallPublisher, Feed, LivePublisher, call_ids_of
from pbx112.services.metrics import Metrics
from pbx112.services.users import Role
from tests.support.web import SECRET, client_of, make_parts, nowhere, served, until

DEADLINE = 5.0
TOKEN = make_token(SECRET, "op1", Role.OPERATOR, "op1")


def events(address: str, token: str | None = None) -> str:
    return f"ws://{address}/v1/events" + (f"?token={token}" if token else "")


async def heard(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE):
        found: dict[str, Any] = json.loads(await client.recv())
    return found


async def closed_with(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as ended:
        async with asyncio.timeout(DEADLINE):
            while True:
                await client.recv()
    return ended.value.rcvd.code if ended.value.rcvd else None


async def test_given_a_token_in_the_address_when_a_client_listens_then_snapshot_and_then_changes() -> None:
    parts = make_parts()
    async with served(parts) as address, connect(events(address, TOKEN)) as client:
        first = await heard(client)
        parts.feed.publish({"type": "call", "call": {"id": "x"}})
        second = await heard(client)
    assert (first["type"], first["live"]["queues"][0]["name"]) == ("snapshot", "112")
    assert second == {"type": "call", "call": {"id": "x"}}


async def test_given_a_token_in_the_first_message_when_a_client_listens_then_it_is_served() -> None:
    async with served(make_parts()) as address, connect(events(address)) as client:
        await client.send(json.dumps({"token": TOKEN}))
        assert (await heard(client))["type"] == "snapshot"


@pytest.mark.parametrize("first", ["{}", "[]", "x", '{"token": 7}', '{"token": "a.b.c"}'])
async def test_given_no_valid_token_when_a_client_listens_then_it_is_turned_away(first: str) -> None:
    async with served(make_parts()) as address, connect(events(address)) as client:
        await client.send(first)
        assert await closed_with(client) == 1008


async def test_given_a_token_that_ends_when_it_ends_then_the_stream_ends_too() -> None:
    token = make_token(SECRET, "op1", Role.OPERATOR, "op1", lifetime=timedelta(seconds=1))
    parts = make_parts()
    async with served(parts) as address, connect(events(address, token)) as client:
        assert await closed_with(client) == 1008
    assert parts.feed.listeners == 0


async def test_given_a_client_that_does_not_read_when_its_queue_is_full_then_it_is_cut_off() -> None:
    parts = make_parts(feed=Feed(queue_size=4))
    async with served(parts) as address, connect(events(address, TOKEN)) as client:
        await heard(client)
        # More at once than the queue holds: the sender has no turn in between.
        for number in range(10):
            parts.feed.publish({"type": "call", "call": number})
        assert await closed_with(client) == 1013
    assert (parts.feed.listeners, parts.feed.cut_off) == (0, 1)


async def test_given_too_many_clients_when_one_more_listens_then_it_is_told_to_come_later() -> None:
    parts = make_parts(feed=Feed(most_listeners=1))
    async with served(parts) as address, connect(events(address, TOKEN)) as first:
        await heard(first)
        async with connect(events(address, TOKEN)) as second:
            assert await closed_with(second) == 1013


async def test_given_a_client_that_leaves_when_it_is_gone_then_its_place_is_free() -> None:
    parts = make_parts()
    async with served(parts) as address:
        async with connect(events(address, TOKEN)) as client:
            await heard(client)
            assert parts.feed.listeners == 1
        await until(lambda: parts.feed.listeners == 0)


async def test_given_a_websocket_door_when_it_is_asked_by_get_then_404() -> None:
    async with client_of(make_parts()) as client:
        assert (await client.get("/v1/events")).status_code == 404


async def test_given_a_storm_of_changes_when_it_is_published_then_at_most_one_event_an_interval() -> None:
    feed = Feed()
    publisher = LivePublisher(feed, lambda: {"channels": 1}, interval=0.1)
    running = asyncio.create_task(publisher.run())
    with feed.subscribe() as subscription:
        for _ in range(25):
            publisher.changed()
            await asyncio.sleep(0.01)
        events = 0
        while await subscription.next(0.15) is not None:
            events += 1
    running.cancel()
    assert 2 <= events <= 5


async def test_given_silence_when_a_listener_waits_then_none_comes_after_the_deadline() -> None:
    feed = Feed()
    with feed.subscribe() as subscription:
        assert await subscription.next(0.01) is None


def test_given_a_full_house_when_somebody_subscribes_then_overloaded() -> None:
    feed = Feed(most_listeners=0)
    with pytest.raises(Overloaded), feed.subscribe():
        pass


ONE = UUID("9f6f2a34-54a1-5a7b-8a2c-112112112112")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (json.dumps({"node": "node1", "ids": [str(ONE)]}), [ONE]),
        (json.dumps({"node": "node1", "ids": []}), []),
        (json.dumps({"node": "node1", "ids": None}), None),
        ("", None),
        ("[]", None),
        ('{"ids": "x"}', None),
        ('{"ids": [7]}', None),
    ],
)
def test_given_a_notification_then_the_calls_it_names_or_none(payload: str, expected: list[UUID] | None) -> None:
    assert call_ids_of(payload) == expected


@pytest.mark.parametrize("payload", ["", json.dumps({"node": "node1", "ids": [str(ONE)]})])
async def test_given_calls_that_cannot_be_read_when_notified_then_clients_are_told_to_ask_again(payload: str) -> None:
    feed = Feed()
    with feed.subscribe() as subscription:
        await CallPublisher(nowhere(), feed, Metrics()).notified(payload)
        assert await subscription.next(0.1) == {"type": "reload"}


async def test_given_a_fault_of_ours_when_the_board_is_made_then_the_client_is_told() -> None:
    def broken() -> Any:
        raise ZeroDivisionError("a secret of the inside")

    async with served(make_parts(configuration=broken)) as address, connect(events(address, TOKEN)) as client:
        assert await closed_with(client) == 1011
