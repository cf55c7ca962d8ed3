"""The first page: what runs, what does not run yet, and where to go on."""

from fastapi import Request, Response

from pbx112.api.admin import faults
from pbx112.api.admin.page import lang_of, show
from pbx112.api.parts import Parts
from pbx112.domain.configuration_edit import KINDS


async def get_overview(request: Request, parts: Parts) -> Response:
    """What runs now."""
    draft, live = await parts.desk.draft(), parts.live.state
    logged_in = {member.operator for queue in live.queues for member in queue.members}
    return await show(
        request,
        "overview.html",
        draft=draft,
        blocked=faults.links(draft.faults, lang_of(request)),
        connected=live.connected,
        logged_in=len(logged_in),
        waiting=sum(len(queue.waiting) for queue in live.queues),
        sections=[(kind, len(getattr(draft.configuration, kind))) for kind in KINDS],
    )
