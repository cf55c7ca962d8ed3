"""The table of routes: every door of the service, and who may use it. What is not listed here is denied."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel

from pbx112.api import (
    abandoned,
    alarms,
    api_tokens,
    audit,
    callbacks,
    calls,
    centre,
    configuring,
    gaps,
    health,
    live,
    models,
    pages,
    prompts,
    rules,
    sign_in,
    silent,
    transfers,
    users,
)
from pbx112.api.access import (
    ADMIN_ONLY,
    ADMIN_OR_ONESELF,
    AUDIT,
    DESK,
    LEAD,
    NOBODY,
    OVERSIGHT,
    OWN_OR_LEAD,
    PUBLIC,
    STAFF,
    Access,
)
from pbx112.api.admin import acts, applying, entry, home, parts, people, programs, sessions, sounds
from pbx112.domain.configuration_edit import KINDS
from pbx112.domain.transfer import Move


@dataclass(frozen=True, slots=True)
class Route:
    """One door. `also` are further paths to it; `model` and `answers` describe its answer in the documentation.

    `takes` is the media type of a body that is no JSON.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    access: Access
    group: str
    model: type[BaseModel] | None = None
    also: tuple[str, ...] = field(default=())
    answers: type[Response] = JSONResponse
    takes: str = ""


PAGES = "pages"
"""The group of the pages for people: a cookie lets in there, and nowhere else."""

ROUTES = (
    Route("POST", "/v1/token", sign_in.post_token, PUBLIC, "sign in", models.Token),
    Route("GET", "/v1/calls", calls.get_calls, STAFF, "calls", models.CallPage),
    Route("GET", "/v1/calls/{id}", calls.get_one_call, STAFF, "calls", models.Call),
    Route("PATCH", "/v1/calls/{id}", calls.patch_call, DESK, "calls", models.Call),
    Route("GET", "/v1/calls/{id}/events", calls.get_call_events, OVERSIGHT, "calls"),
    Route("POST", "/v1/calls/{id}/callback", callbacks.post_callback, DESK, "calls", models.Callback),
    Route("POST", "/v1/calls/{id}/silent-check", silent.post_silent_check, DESK, "calls", silent.SilentAsked),
    Route("POST", "/v1/calls/{id}/transfers", transfers.post_transfer, DESK, "transfers", transfers.TransferCommand),
    *(
        Route(
            "POST",
            f"/v1/calls/{{id}}/transfers/{{tid}}/{move}",
            transfers.post_move(move),
            DESK,
            "transfers",
            transfers.TransferCommand,
        )
        for move in Move
    ),
    Route("GET", "/v1/abandoned", abandoned.get_abandoned, STAFF, "calls", models.AbandonedList),
    Route("GET", "/v1/abandoned/closed", abandoned.get_closed, STAFF, "calls", models.ClosedCalls),
    Route("POST", "/v1/abandoned/close", abandoned.close_abandoned, DESK, "calls", models.Closed),
    Route("POST", "/v1/abandoned/reopen", abandoned.reopen_abandoned, DESK, "calls", models.Reopened),
    Route("GET", "/v1/gaps", gaps.get_gaps, STAFF, "calls", gaps.GapList),
    Route("GET", "/v1/queues", centre.get_queues, STAFF, "centre", models.QueueList),
    Route("GET", "/v1/queues/{name}", centre.get_queue, STAFF, "centre", models.Queue),
    Route("GET", "/v1/operators", centre.get_operators, STAFF, "centre", models.OperatorList),
    Route("GET", "/v1/operators/{name}", centre.get_operator, STAFF, "centre", models.Operator),
    Route("POST", "/v1/operators/{name}/login", centre.login, OWN_OR_LEAD, "operators", models.Operator),
    Route("POST", "/v1/operators/{name}/logout", centre.logout, OWN_OR_LEAD, "operators", models.Operator),
    Route("POST", "/v1/operators/{name}/pause", centre.pause, OWN_OR_LEAD, "operators", models.Operator),
    Route("POST", "/v1/operators/{name}/unpause", centre.unpause, OWN_OR_LEAD, "operators", models.Operator),
    Route("GET", "/v1/agencies", centre.get_agencies, STAFF, "centre", models.AgencyList),
    Route("GET", "/v1/agencies/{name}", centre.get_agency, STAFF, "centre", models.Agency),
    Route("GET", "/v1/trunks", centre.get_trunks, OVERSIGHT, "centre", models.TrunkList),
    Route("GET", "/v1/trunks/{name}", centre.get_trunk, OVERSIGHT, "centre", models.Trunk),
    Route("GET", "/v1/calendars", configuring.get_calendars, STAFF, "centre"),
    Route("GET", "/v1/entry-rules", configuring.get_entry_rules, OVERSIGHT, "centre"),
    Route("PUT", "/v1/entry-rules", configuring.put_entry_rules, ADMIN_ONLY, "configuration"),
    Route("GET", "/v1/phones/{name}", configuring.get_phone, ADMIN_ONLY, "configuration"),
    Route("GET", "/v1/config", configuring.get_config, OVERSIGHT, "configuration"),
    Route("PUT", "/v1/config", configuring.put_config, ADMIN_ONLY, "configuration"),
    Route("GET", "/v1/config/plan", configuring.get_plan, OVERSIGHT, "configuration"),
    Route("GET", "/v1/config/versions", configuring.get_versions, OVERSIGHT, "configuration"),
    Route("GET", "/v1/config/diff/{before}/{after}", configuring.get_difference, OVERSIGHT, "configuration"),
    Route("GET", "/v1/config/progress", configuring.get_progress, OVERSIGHT, "configuration"),
    Route("POST", "/v1/config/validate", configuring.validate, OVERSIGHT, "configuration"),
    Route("POST", "/v1/config/apply", configuring.apply, ADMIN_ONLY, "configuration"),
    Route("POST", "/v1/config/rollback", configuring.rollback, ADMIN_ONLY, "configuration"),
    Route("POST", "/v1/surge", configuring.post_surge, LEAD, "configuration"),
    *(
        Route(method, f"/v1/{kind}/{{name}}", endpoint(kind), ADMIN_ONLY, "configuration")
        for kind in KINDS
        for method, endpoint in (("PUT", configuring.put_part), ("DELETE", configuring.delete_part))
    ),
    Route("GET", "/v1/prompts", prompts.get_prompts, STAFF, "prompts", prompts.PromptList),
    Route(
        "PUT",
        "/v1/prompts/{name}/{language}",
        prompts.put_prompt,
        ADMIN_ONLY,
        "prompts",
        prompts.PromptAdded,
        takes="application/octet-stream",
    ),
    Route(
        "GET",
        "/v1/prompts/{name}/{language}/{version}.wav",
        prompts.get_prompt_wav,
        STAFF,
        "prompts",
        answers=prompts.SoundResponse,
    ),
    Route(
        "POST", "/v1/prompts/{name}/{language}/use", prompts.post_prompt_use, ADMIN_ONLY, "prompts", prompts.PromptHeard
    ),
    Route("GET", "/v1/rules", rules.get_rules, STAFF, "rules", models.Rules),
    Route("PUT", "/v1/rules", rules.put_rules, ADMIN_ONLY, "rules", models.Rules),
    Route("GET", "/v1/callers/{number}/score", rules.get_caller_score, STAFF, "rules", models.CallerScore),
    Route("GET", "/v1/users", users.get_users, AUDIT, "users", users.UserList),
    Route("GET", "/v1/users/{name}", users.get_user, AUDIT, "users", users.User),
    Route("PUT", "/v1/users/{name}", users.put_user, ADMIN_ONLY, "users", users.User),
    Route("DELETE", "/v1/users/{name}", users.delete_user, ADMIN_ONLY, "users", users.User),
    Route("POST", "/v1/users/{name}/password", users.post_password, ADMIN_OR_ONESELF, "users", users.User),
    Route("GET", "/v1/tokens", api_tokens.get_api_tokens, AUDIT, "tokens", api_tokens.ApiTokenList),
    Route("POST", "/v1/tokens", api_tokens.post_api_token, ADMIN_ONLY, "tokens", api_tokens.NewApiToken),
    Route("DELETE", "/v1/tokens/{id}", api_tokens.delete_api_token, ADMIN_ONLY, "tokens", api_tokens.ApiToken),
    Route("GET", "/v1/audit", audit.get_audit, AUDIT, "audit", audit.AuditPage),
    Route("GET", "/v1/audit/verify", audit.get_audit_verify, AUDIT, "audit", audit.ChainVerdict),
    Route("GET", "/v1/alarms", alarms.get_alarms, STAFF, "live", models.AlarmList),
    Route("GET", "/v1/live", live.get_live, STAFF, "live", models.Live),
    Route("WEBSOCKET", "/v1/events", live.live_socket(STAFF), STAFF, "live"),
    Route("GET", "/v1/health/live", health.get_alive, PUBLIC, "health", also=("/health/live",)),
    Route("GET", "/v1/health/ready", health.get_ready, PUBLIC, "health", models.Ready, also=("/health/ready",)),
    Route("GET", "/v1/metrics", health.get_metrics, PUBLIC, "health", None, ("/metrics",), PlainTextResponse),
    Route("GET", "/v1/docs", pages.get_docs, PUBLIC, "documentation", None, ("/docs",), HTMLResponse),
    Route("GET", "/v1/openapi.json", pages.get_openapi, PUBLIC, "documentation", also=("/openapi.json",)),
    Route("GET", "/", pages.get_home, PUBLIC, "documentation", answers=HTMLResponse),
    Route("GET", "/admin/sign-in", sessions.get_sign_in, PUBLIC, PAGES),
    Route("POST", "/admin/sign-in", sessions.post_sign_in, PUBLIC, PAGES),
    Route("POST", "/admin/sign-out", sessions.post_sign_out, PUBLIC, PAGES),
    Route("POST", "/admin/language", sessions.post_language, PUBLIC, PAGES),
    Route("GET", "/admin/static/{name}", sessions.get_static, PUBLIC, PAGES),
    Route("GET", "/admin", home.get_overview, OVERSIGHT, PAGES),
    *(
        Route(method, path.format(kind=kind), endpoint, access, PAGES)
        for kind in KINDS
        for method, path, endpoint, access in (
            ("GET", "/admin/{kind}", parts.list_page(kind), OVERSIGHT),
            ("GET", "/admin/new/{kind}", parts.form_page(kind, new=True), ADMIN_ONLY),
            ("POST", "/admin/new/{kind}", parts.save_page(kind, new=True), ADMIN_ONLY),
            ("GET", "/admin/{kind}/{{name}}", parts.form_page(kind), OVERSIGHT),
            ("POST", "/admin/{kind}/{{name}}", parts.save_page(kind), ADMIN_ONLY),
            ("GET", "/admin/{kind}/{{name}}/remove", parts.remove_page(kind), ADMIN_ONLY),
            ("POST", "/admin/{kind}/{{name}}/remove", parts.removed_page(kind), ADMIN_ONLY),
        )
    ),
    Route("POST", "/admin/phones/{name}", parts.post_phone, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/entry", entry.get_entry, OVERSIGHT, PAGES),
    Route("POST", "/admin/entry", entry.post_entry, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/difference", applying.get_difference, OVERSIGHT, PAGES),
    Route("GET", "/admin/discard", applying.get_discard, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/discard", applying.post_discard, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/apply", applying.get_apply, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/apply", applying.post_apply, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/progress", applying.get_progress, OVERSIGHT, PAGES),
    Route("GET", "/admin/versions", applying.get_versions, OVERSIGHT, PAGES),
    Route("GET", "/admin/versions/{before}/{after}", applying.get_compare, OVERSIGHT, PAGES),
    Route("GET", "/admin/rollback/{version}", applying.get_rollback, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/rollback/{version}", applying.post_rollback, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/surge", applying.get_surge, OVERSIGHT, PAGES),
    Route("POST", "/admin/surge", applying.post_surge, LEAD, PAGES),
    Route("GET", "/admin/prompts", sounds.get_sounds, OVERSIGHT, PAGES),
    Route("POST", "/admin/prompts", sounds.post_sound, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/prompts/{name}/{language}/{version}.wav", sounds.get_sound, OVERSIGHT, PAGES),
    Route("POST", "/admin/prompts/{name}/{language}/use", sounds.post_use, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/users", people.get_users, AUDIT, PAGES),
    Route("GET", "/admin/new/users", people.get_new_user, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/new/users", people.post_new_user, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/users/{name}", people.get_user_page, AUDIT, PAGES),
    Route("POST", "/admin/users/{name}", people.post_user, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/users/{name}/remove", people.get_remove_user, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/users/{name}/remove", people.post_remove_user, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/tokens", programs.get_tokens, AUDIT, PAGES),
    Route("GET", "/admin/new/tokens", programs.get_new_token, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/new/tokens", programs.post_new_token, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/tokens/{id}/revoke", programs.get_revoke, ADMIN_ONLY, PAGES),
    Route("POST", "/admin/tokens/{id}/revoke", programs.post_revoke, ADMIN_ONLY, PAGES),
    Route("GET", "/admin/audit", acts.get_acts, AUDIT, PAGES),
    Route("GET", "/admin/audit/verify", acts.get_verify, AUDIT, PAGES),
)

_ACCESS = {(route.method, path): route.access for route in ROUTES for path in (route.path, *route.also)}


def access_of(method: str, path: str) -> Access:
    """The rule for a method and a path template; nobody may use what is not listed."""
    return _ACCESS.get((method, path), NOBODY)
