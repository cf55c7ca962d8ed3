"""Other calls of the same caller. Worked out when a record is read, so both ends always say the same."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST = 20
"""Related calls shown of each kind, the nearest in time first: a prank caller has hundreds."""

_DEFAULT_WINDOW_MINUTES = 1440


def _near(key: str, why: str, rank: int) -> str:
    """The calls with the same key next to a call in time: two walks along the index, however many calls there are."""
    calls = f"""
        SELECT o.id, {why} AS why, {rank} AS rank, o.received_at FROM calls o
        WHERE o.{key} = wanted.{key} AND o.id <> wanted.id AND o.drill = wanted.drill
        AND o.received_at BETWEEN {{since}} AND {{until}} ORDER BY o.received_at {{order}} LIMIT {MOST}
    """  # noqa: S608 - constants of this file
    before = calls.format(since="wanted.received_at - wanted.around", until="wanted.received_at", order="DESC")
    after = calls.format(since="wanted.received_at", until="wanted.received_at + wanted.around", order="ASC")
    return f"""(
        SELECT DISTINCT ON (far, near.id) near.id, near.why, near.rank,
            greatest(near.received_at, wanted.received_at) - least(near.received_at, wanted.received_at) AS far
        FROM (({before}) UNION ALL ({after})) AS near ORDER BY far, near.id LIMIT {MOST}
    )"""  # noqa: S608


# Index look-ups for each call and key. A drill is related to drills only.
_RELATED = text(f"""
WITH wanted AS (
    SELECT id, number_key, imei_key, received_at, drill, callback_of,
           make_interval(mins => coalesce((
               SELECT round((body -> 'repeat_window_minutes')::numeric)::int FROM rules
               WHERE jsonb_typeof(body -> 'repeat_window_minutes') = 'number'), {_DEFAULT_WINDOW_MINUTES})) AS around
    FROM calls WHERE id = ANY(:ids)
)
SELECT wanted.id, other.call_id, other.why
FROM wanted CROSS JOIN LATERAL (
    SELECT wanted.callback_of AS call_id, 'callback_of' AS why, 0 AS rank, NULL::interval AS far
    WHERE wanted.callback_of IS NOT NULL
    UNION ALL
    (SELECT o.id, 'called_back_by', 0, NULL FROM calls o WHERE o.callback_of = wanted.id
     ORDER BY o.received_at DESC LIMIT {MOST})
    UNION ALL
    {
    _near(
        "number_key",
        '''CASE split_part(o.number_key, ':', 1) WHEN 'pseudo' THEN 'same_pseudo_number'
        WHEN 'claim' THEN 'same_claimed_number' WHEN 'code' THEN 'same_short_number' ELSE 'same_number' END''',
        1,
    )
}
    UNION ALL
    {_near("imei_key", "'same_imei'", 2)}
) AS other
ORDER BY wanted.id, other.rank, other.far, other.call_id
""")  # noqa: S608 - whole numbers of this file


async def relate(conn: AsyncConnection, records: Sequence[dict[str, Any]]) -> None:
    """Fill `related` of these public records: `{call_id, why}`, calls back first, then the nearest in time.

    A call that is related in two ways stands once, by the stronger one.
    """
    by_id = {record["id"]: record for record in records}
    if not by_id:
        return
    for row in await conn.execute(_RELATED, {"ids": list(by_id)}):
        related = by_id[row.id]["related"]
        if all(known["call_id"] != row.call_id for known in related):
            related.append({"call_id": row.call_id, "why": row.why})
