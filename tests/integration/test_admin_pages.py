"""The pages of an admin over a real database, without a browser and without a script: forms as they are sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.parts import ApiParts
from pbx112.api.routes import PAGES, ROUTES
from pbx112.domain.configuration import Configuration, Queue
from pbx112.domain.configuration_edit import KINDS, put
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import ApplyFailed
from pbx112.services.configuring import ConfigurationDesk
from pbx112.services.users import Role, create_user
from pbx112.storage import audit
from pbx112.storage.audit import list_audit
from pbx112.storage.configuration import save_configuration
from pbx112.storage.engine import reading, transaction
from tests.support.web import FakeApplier, FakeRunning, client_of, make_parts

PASSWORD = "a good password"
OURS = {"Origin": "http://pbx112"}


@dataclass
class Site:
    """The pages, a browser's cookies, and what stands behind."""

    client: httpx.AsyncClient
    parts: ApiParts
    applier: FakeApplier
    running: FakeRunning

    async def page(self, path: str, code: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == code, (path, answer.status_code, answer.text)
        return unescape(answer.text)

    async def send(self, path: str, data: dict[str, Any], code: int = 200) -> str:
        answer = await self.client.post(path, data=data, headers=OURS)
        assert answer.status_code in {code, 303}, (path, answer.status_code, answer.text)
        if answer.status_code == 303:
            assert code != 422, f"{path} was accepted"
            return await self.page(answer.headers["location"])
        return unescape(answer.text)

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        self.client.cookies.clear()
        answer = await self.client.post("/admin/sign-in", data={"name": name, "password": password}, headers=OURS)
        self.client.cookies.set("pbx112_lang", "en", path="/admin")
        return answer

    async def filled(self, path: str, **changes: Any) -> dict[str, Any]:
        """The form of a page as a browser would send it untouched, with these fields changed; None: left out."""
        text = (await self.client.get(path)).text
        found = {**inputs(text), **selected(text), **changes, "do": "save"}
        return {name: unescape(str(value)) for name, value in found.items() if value is not None}


def inputs(text: str) -> dict[str, str]:
    found = {}
    for tag in re.findall(r"<input [^>]*>", text):
        fields = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        if fields.get("type") != "checkbox" or " checked" in tag:
            found[fields["name"]] = fields.get("value", "")
    return {name: value for name, value in found.items() if name != "back"}


def selected(text: str) -> dict[str, str]:
    found = {}
    for name, options in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', text, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name] = chosen[1] if chosen else ""
    return found


@pytest.fixture
async def site(engine: AsyncEngine) -> AsyncIterator[Site]:
    async with transaction(engine) as connection:
        await save_configuration(connection, DEMO_CENTRE, who="first start")
        for name in ("admin", "supervisor", "auditor"):
            await create_user(connection, name, PASSWORD, role=Role(name), operator=None, who="test")
        await create_user(connection, "sari", PASSWORD, role=Role.OPERATOR, operator="op1", who="test")
    applier, running = FakeApplier(), FakeRunning()
    desk = ConfigurationDesk(engine, applier, running, node="node1", lang="id")
    parts = make_parts(engine, desk=desk, configuration=lambda: running.configuration, phone=a_phone)
    await parts.credentials.refresh()
    async with client_of(parts) as client:
        made = Site(client, parts, applier, running)
        await made.sign_in("admin")
        yield made


async def a_phone(account: str, who: str) -> dict[str, str]:
    return {"account": account, "password": f"secret of {account}", "server": "10.0.0.1:5060"}


async def test_given_every_page_when_opened_by_each_role_then_it_is_shown_or_refused_on_a_page(site: Site) -> None:
    names = {"queues": "112", "operators": "op1", "agencies": "damkar", "trunks": "carrier-a", "users": "admin"}
    async with transaction(site.parts.engine) as connection:
        await save_configuration(connection, DEMO_CENTRE, who="somebody")
    for role in (Role.ADMIN, Role.SUPERVISOR, Role.AUDITOR):
        await site.sign_in(role.value)
        for route in ROUTES:
            if route.group != PAGES or route.method != "GET" or route.access.public:
                continue
            kind = route.path.split("/")[2] if route.path.count("/") > 1 else ""
            if kind == "calendars" and "{name}" in route.path:
                continue
            path = route.path.format(name=names.get(kind, "x"), before=1, after=2, version=1, id=1, language="id")
            answer = await site.client.get(path)
            wanted = 200 if role in route.access.roles else 403
            if (kind, answer.status_code) not in {("tokens", 404), ("prompts", 404)}:
                assert answer.status_code == wanted or route.path == "/admin/progress", (role, path, answer.text)
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
            assert answer.headers["cache-control"] == "no-store"
            assert " style=" not in answer.text
            assert "<script>" not in answer.text


async def test_given_a_new_queue_when_saved_and_applied_then_it_runs_and_can_be_rolled_back(site: Site) -> None:
    empty = await site.filled("/admin/new/queues", name="api", display_name="Kebakaran", ring_seconds="7")
    row = await site.send("/admin/new/queues", {**empty, "do": "add:overflow"})
    assert 'name="overflow.0"' in row
    assert re.search(r'name="overflow\.0"[^>]* autofocus', row)
    rows = {"overflow.0": "op1", "overflow.1": "op2", "overflow.2": "", "tiers.0.kind": "queue"}
    tier = {"tiers.0.after_seconds": "30", "tiers.0.target": "112", "tiers.0.trunk": ""}
    listed = await site.send("/admin/new/queues", {**empty, **rows, **tier})
    assert "Saved in the draft (version 2)." in listed
    assert "new, does not run yet" in listed
    queue = (await site.parts.desk.draft()).configuration.queue("api")
    assert queue is not None
    assert (queue.ring_seconds, queue.overflow, queue.tiers[0].target) == (7, ("op1", "op2"), "112")
    assert "Queue api added" in await site.page("/admin/difference")
    assert "Version 2 runs." in await site.send("/admin/apply", {"version": "2"})
    assert site.running.configuration.version == 2
    assert "differs from what runs" not in await site.page("/admin")
    assert "Queue api removed" in await site.page("/admin/rollback/1")
    assert "Version 3 runs." in await site.send("/admin/rollback/1", {"version": "2"})
    assert site.running.configuration.queue("api") is None


async def test_given_what_is_wrong_when_sent_then_each_sentence_stands_at_its_field_and_the_values_stay(
    site: Site,
) -> None:
    form = await site.filled("/admin/queues/112", ring_seconds="fast", wrapup_seconds="9999")
    text = await site.send("/admin/queues/112", form, 422)
    assert at_field(text, "f-ring_seconds") == "Error: Write a whole number."
    assert 'value="fast"' in text
    form |= {"ring_seconds": "0", "tiers.0.kind": "number", "tiers.0.after_seconds": "5", "tiers.0.target": "x"}
    text = await site.send("/admin/queues/112", form, 422)
    assert at_field(text, "f-ring_seconds") == "Error: 0 is out of range: 3 to 120."
    assert at_field(text, "f-wrapup_seconds") == "Error: 9999 is out of range: 0 to 900."
    assert "is no telephone number" in at_field(text, "f-tiers-0-target")
    assert '<a href="#f-tiers-0-target">Overflow chain 1, Target: ' in text
    assert re.search(r'id="f-ring_seconds"[^>]*aria-invalid="true" autofocus', text)
    site.client.cookies.set("pbx112_lang", "id", path="/admin")
    text = await site.send("/admin/queues/112", form, 422)
    assert at_field(text, "f-ring_seconds") == "Kesalahan: 0 di luar batas: 3 sampai 120."
    assert (await site.parts.desk.draft()).configuration.version == 1


def at_field(text: str, field: str) -> str:
    found = re.search(rf'id="{field}-fault"><strong>(.*?)</p>', text)
    return "" if found is None else found[1].replace("</strong>", "")


async def test_given_another_edit_meanwhile_when_saved_then_the_page_tells_who_and_what_and_keeps_what_was_typed(
    site: Site,
) -> None:
    form = await site.filled("/admin/queues/112", ring_seconds="42")
    other = Queue("lain", "Lain", overflow=("op1",))
    await site.parts.desk.edit(lambda old: put(old, "queues", other), expected_version=1, who="budi")
    text = await site.send("/admin/queues/112", form, 412)
    assert "Meanwhile somebody else changed the configuration." in text
    assert "budi, version 2" in text
    assert "Queue lain added" in text
    assert 'value="42"' in text
    again = await site.send("/admin/queues/112", {**form, "version": inputs(text)["version"]})
    assert "version 3" in again
    found = (await site.parts.desk.draft()).configuration
    assert found.queue("lain") == other
    queue = found.queue("112")
    assert queue is not None
    assert queue.ring_seconds == 42


async def test_given_a_part_that_others_name_when_it_is_to_be_removed_then_they_are_named(site: Site) -> None:
    text = await site.page("/admin/queues/112/remove")
    assert "others still name it" in text
    assert 'href="/admin/operators/op1#f-memberships-0-queue"' in text
    assert "Operator op1, Queues 1, Queue" in text
    await site.send("/admin/queues/112/remove", {"version": "1"})
    assert (await site.parts.desk.draft()).configuration.queue("112") is not None
    assert "Saved in the draft" in await site.send("/admin/agencies/polisi/remove", {"version": "1"})


async def test_given_a_draft_that_would_ring_nobody_when_applied_then_links_lead_to_the_fields(site: Site) -> None:
    def lonely(old: Configuration) -> Configuration:
        alone = tuple(replace(operator, memberships=()) for operator in old.operators)
        return replace(old, queues=(replace(old.queues[0], overflow=()),), operators=alone)

    await site.parts.desk.edit(lonely, expected_version=1, who="budi")
    text = await site.send("/admin/apply", {"version": "2"})
    assert "It was not applied" in text
    assert 'href="/admin/queues/112#f-top"' in text
    assert "would ring nobody" in at_field(await site.page("/admin/queues/112"), "f-overflow")
    assert "Faults: 1." in await site.page("/admin")
    assert "draft" in await site.send("/admin/discard", {"version": "2"})
    assert (await site.parts.desk.draft()).changes == ()


async def test_given_asterisk_that_does_not_take_it_when_applied_then_the_page_says_what_differed(site: Site) -> None:
    await site.send("/admin/queues/112", await site.filled("/admin/queues/112", ring_seconds="20"))
    site.applier.error = ApplyFailed("Asterisk has something else.", ["queue 112: 'linear' <b>"])
    answer = await site.client.post("/admin/apply", data={"version": "2"}, headers=OURS)
    assert "Asterisk has something else." in answer.text
    assert "queue 112: &#39;linear&#39; &lt;b&gt;" in answer.text
    assert site.running.configuration.version == 1


async def test_given_surge_mode_when_a_supervisor_turns_it_on_then_it_runs(site: Site) -> None:
    await site.sign_in("supervisor")
    assert "Turn surge mode on" in await site.page("/admin/surge")
    assert "Turn surge mode off" in await site.send("/admin/surge", {"on": "1"})
    assert site.running.configuration.surge is True


async def test_given_entry_rules_when_saved_then_they_keep_their_order_and_faults_stand_at_their_row(
    site: Site,
) -> None:
    form = await site.filled("/admin/entry")
    first = {"entry_rules.0.queue": "112", "entry_rules.0.service": "sos.fire", "entry_rules.0.priority": "5"}
    bad = {"entry_rules.3.queue": "112", "entry_rules.3.service": "fire"}
    text = await site.send("/admin/entry", {**form, **first, **bad}, 422)
    assert "is no emergency service" in at_field(text, "f-entry_rules-1-service")
    assert "Saved in the draft" in await site.send("/admin/entry", {**form, **first})
    (rule,) = (await site.parts.desk.draft()).configuration.entry_rules
    assert (rule.service, rule.priority, rule.trunk) == ("sos.fire", 5, None)


async def test_given_users_and_tokens_when_an_admin_edits_them_then_it_counts_and_stands_in_the_audit(
    site: Site,
) -> None:
    text = await site.send("/admin/new/users", {"name": "budi", "role": "operator", "password": "short"}, 422)
    assert at_field(text, "f-operator") == "Error: The role operator needs an operator account."
    assert at_field(text, "f-password") == "Error: A password has 8 to 256 characters."
    new = {"name": "budi", "role": "operator", "operator": "op2", "password": PASSWORD}
    assert "User budi is saved." in await site.send("/admin/new/users", new)
    assert "exists already" in await site.send("/admin/new/users", new, 422)
    assert "last admin" in await site.send("/admin/users/admin", {"role": "auditor"}, 422)
    assert "of now is wrong" in await site.send("/admin/users/admin", {"role": "admin", "password": PASSWORD}, 422)
    assert "budi is removed." in await site.send("/admin/users/budi/remove", {})
    made = await site.send("/admin/new/tokens", {"name": "wallboard", "role": "auditor", "expires_in_days": "7"})
    token = re.search(r"pbx112_[\w-]{40,}", made)
    assert token is not None
    answer = await site.client.get("/v1/config", headers={"Authorization": f"Bearer {token[0]}"})
    assert answer.status_code == 200
    assert "Write 1 to 3650 days." in await site.send("/admin/new/tokens", {"name": "x", "expires_in_days": "0"}, 422)
    assert "revoked" in await site.send("/admin/tokens/1/revoke", {})
    acts = await site.page("/admin/audit")
    assert "Token revoked" in acts
    assert "The chain is whole" in await site.page("/admin/audit/verify")


async def test_given_a_phones_password_when_asked_for_then_it_is_on_the_page(site: Site) -> None:
    assert "secret of op1" not in await site.page("/admin/operators/op1")
    assert "secret of op1" in await site.send("/admin/phones/op1", {})


async def test_given_texts_of_others_when_shown_then_they_are_inert(site: Site) -> None:
    name = '<script>alert(1)</script>"'
    form = await site.filled("/admin/operators/op1", display_name=name)
    answer = await site.client.post("/admin/operators/op1", data=form, headers=OURS)
    assert answer.status_code == 303
    for path in ("/admin/operators", "/admin/operators/op1", "/admin/difference", "/admin/audit", "/admin/queues/112"):
        assert "<script>alert" not in (await site.client.get(path)).text
    async with transaction(site.parts.engine) as connection:
        await audit.append(connection, who="<b>x</b>", action="<i>y</i>", subject="<u>z</u>", after={"a": "<s>"})
    text = (await site.client.get("/admin/audit")).text
    assert not re.search("<b>x|<i>y|<u>z|<s>", text)


async def test_given_sign_in_when_it_fails_or_is_an_operator_then_no_cookie_is_given_and_the_page_says_why(
    site: Site,
) -> None:
    wrong = await site.sign_in("admin", "wrong password")
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (401, False)
    assert "Nama atau kata sandi salah." in wrong.text
    operator = await site.sign_in("sari")
    assert (operator.status_code, "set-cookie" in operator.headers) == (403, False)
    right = await site.sign_in("admin")
    assert right.headers["location"] == "/admin"
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/admin" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    out = await site.client.post("/admin/sign-out", headers=OURS)
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert (await site.client.get("/admin/queues")).headers["location"] == "/admin/sign-in?next=/admin/queues"


async def test_given_a_disabled_user_when_he_knocks_with_his_cookie_then_he_is_asked_to_sign_in(site: Site) -> None:
    await site.sign_in("supervisor")
    his = site.client.cookies["pbx112_session"]
    await site.sign_in("admin")
    await site.send("/admin/users/supervisor", {"role": "supervisor", "disabled": "1"})
    site.client.cookies.clear()
    answer = await site.client.get("/admin", headers={"Cookie": f"pbx112_session={his}"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in?next=/admin&ended=1")


async def test_given_every_kind_when_an_untouched_form_is_saved_then_nothing_changes(site: Site) -> None:
    for kind in KINDS:
        for part in getattr(DEMO_CENTRE, kind):
            form = await site.filled(f"/admin/{kind}/{part.name}")
            assert "Nothing changed." in await site.send(f"/admin/{kind}/{part.name}", form), part
    assert "Nothing changed." in await site.send("/admin/entry", await site.filled("/admin/entry"))
    async with reading(site.parts.engine) as connection:
        assert [act for act in await list_audit(connection) if act["who"] == "admin"] == []
