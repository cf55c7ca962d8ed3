"""What is wrong now."""

from fastapi import Response

from pbx112.api.answers import answer
from pbx112.api.parts import Parts
from pbx112.services.alarms import public_alarm


async def get_alarms(parts: Parts) -> Response:
    """The alarms that are up on this node: critical ones first, then the oldest first."""
    return answer({"node": parts.node, "items": [public_alarm(alarm) for alarm in parts.alarms()]})
