"""A clock that was set back by an hour, and what of before then stands in the future: it must not hold anything up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.tokens import read_token
from pbx112.services.records import mark_lost
from pbx112.storage import callbacks
from pbx112.storage.engine import transaction
from tests.support.calls import NUMBER, asserted, left, stored
from tests.support.journal import BASE, Script, append
from tests.support.recorded import NODE, drained, rows

HOUR = timedelta(hours=1)
SECRET = "a secret of these tests, long enough for HS256"


async def test_given_a_clock_set_back_when_asterisk_dies_under_a_call_then_the_call_is_closed_as_lost(
    engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The call began at an hour that the clock has yet to reach again, and Asterisk started after it."""
    ahead = Script(1, start=(datetime.now(UTC) + HOUR).timestamp() - BASE)
    alive = Script(2, start=ahead.start)
    journal = tmp_path_factory.mktemp("clock") / "journal.csv"
    lines = [*ahead.arrives(), *ahead.queues(), *alive.arrives()]
    append(journal, lines)
    await drained(engine, journal)
    lost = await mark_lost(engine, NODE, booted_at=datetime.now(UTC), alive={alive.linked})
    assert len(lost) == 1
    found = await rows(engine, "SELECT linkedid, outcome, wait_ms, received_at <= ended_at FROM calls ORDER BY number")
    assert sorted(map(tuple, found)) == [(ahead.linked, "lost", 21, True), (alive.linked, None, None, None)]


async def test_given_a_lease_of_the_future_when_another_operator_calls_back_then_it_holds_nobody_up(
    engine: AsyncEngine,
) -> None:
    call = left(0, asserted())
    await stored(engine, call)
    attempt = uuid4()

    async def holder() -> object:
        async with transaction(engine) as conn:
            return await callbacks.holder(conn, call.id, NUMBER, "op2", rings=timedelta(seconds=30))

    async with transaction(engine) as conn:
        await callbacks.request(
            conn,
            attempt,
            call=call.id,
            operator="op1",
            number=NUMBER,
            trunk="carrier-a",
            who="op1",
            lease=timedelta(minutes=3),
        )
    assert await holder() is not None
    moved = "UPDATE callbacks SET requested_at = requested_at + :by, lease_until = lease_until + :by"
    async with transaction(engine) as conn:
        await conn.execute(text(moved), {"by": HOUR})
    assert await holder() is None


@pytest.mark.parametrize("issued", [HOUR, -HOUR], ids=["the clock was set back", "the clock was set forward"])
def test_given_a_clock_that_jumped_when_a_token_of_before_is_read_then_nobody_has_to_sign_in_anew(
    issued: timedelta,
) -> None:
    at = datetime.now(UTC) + issued
    claims = {"iss": "pbx112", "sub": "op1", "role": "operator", "iat": at, "exp": at + timedelta(hours=12)}
    assert read_token(SECRET, jwt.encode(claims, SECRET, algorithm="HS256")).name == "op1"
