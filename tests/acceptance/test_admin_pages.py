"""An admin's work in a real browser, on a real Asterisk: a queue is made, it rings, mistakes are told, it is undone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, ViewportSize, expect

from pbx112.api.routes import PAGES, ROUTES
from pbx112.host.softphone_client import Softphone
from tests.support.browser import accessibility_faults, browsing
from tests.support.centre import SECRET, Centre

# One event loop for all tests that share a centre.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 320, "height": 640}
"""As wide as 1280 at 400 %."""


@dataclass
class Admin:
    """An admin before his browser. `said` is what the browser's console complained of."""

    page: Page
    said: list[str]

    async def open(self, path: str) -> None:
        await self.page.goto(path)

    async def sign_in(self) -> None:
        """By the keyboard: the name has the focus, Enter sends."""
        await self.open("/admin/queues")
        await expect(self.page).to_have_url(re.compile("/admin/sign-in"))
        await self.page.keyboard.type("admin")
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(SECRET)
        await self.page.keyboard.press("Enter")
        await expect(self.page).to_have_url(re.compile("/admin/queues$"))

    async def speak(self, lang: str) -> None:
        await self.page.locator(f"button[lang={lang}]").click()
        await expect(self.page.locator(f"html[lang={lang}]")).to_have_count(1)

    async def fill(self, **values: str) -> None:
        """Type into fields; `_` for the dot in a row's field is written as two underscores."""
        for name, value in values.items():
            field = self.page.locator(f'[name="{name.replace("__", ".")}"]')
            if await field.evaluate("one => one.tagName") == "SELECT":
                await field.select_option(value)
            else:
                await field.fill(value)

    async def add_row(self, field: str) -> None:
        rows = self.page.locator(f"#f-{field} > .row")
        before = await rows.count()
        await self.page.locator(f'button[value="add:{field}"]').click()
        await expect(rows).to_have_count(before + 1)

    async def save(self) -> None:
        await self.page.locator(".buttons button.main").click()

    async def saved(self) -> None:
        await self.save()
        await expect(self.page.locator(".good")).to_contain_text("Saved in the draft")

    async def version(self) -> int:
        """The draft's, as the overview shows it."""
        await self.open("/admin")
        return int((await self.page.locator(".facts dd").nth(1).inner_text()).split()[0])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(running: Centre, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Admin]:
    """The admin, signed in, who reads English; afterwards the centre runs what it ran before."""
    before = (await running.get("/v1/config"))["applied_version"]
    base = f"http://{running.settings.http_bind}"
    async with browsing(tmp_path_factory.mktemp("browser"), base, viewport=WIDE) as browser:
        at = Admin(await browser.new_page(), [])
        at.page.on("console", lambda message: at.said.append(message.text))
        await at.sign_in()
        await at.speak("en")
        yield at
    draft = await running.get("/v1/config")
    headers = {"If-Match": f'"{draft["version"]}"'}
    undone = await running.api("POST", "/v1/config/rollback", headers=headers, json={"version": before})
    assert undone.is_success, undone.text


async def test_given_a_new_queue_when_applied_on_the_pages_then_it_rings_and_the_first_after_a_rollback(
    admin: Admin, centre: Centre
) -> None:
    before = (await centre.get("/v1/config"))["applied_version"]
    await make_queue(admin)
    await admin.page.get_by_role("link", name="See the difference").click()
    changes = admin.page.locator("ul.changes")
    await expect(changes).to_contain_text("Queue api added")
    await expect(changes).to_contain_text("Operator op2, Queues: queue 112, penalty 0 → queue api, penalty 0")
    await expect(admin.page.locator("main")).to_contain_text("queues.conf")
    await admin.page.locator("main").get_by_role("link", name="Apply").click()
    await apply(admin, "Apply version")
    async with Softphone.start("127.0.0.1") as operator, Softphone.start("127.0.0.3", user="+62811") as caller:
        await centre.log_in(operator, "op2")
        assert (await centre.get("/v1/operators/op2"))["logged_in"] == ["api"]
        await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        await caller.hangup()
        await operator.wait_for("disconnected", 3)
        await admin.open("/admin/versions")
        await admin.page.locator(f'a[href="/admin/rollback/{before}"]').click()
        await expect(admin.page.locator("ul.changes")).to_contain_text("Queue api removed")
        await apply(admin, f"Run version {before} again")
        placed = await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        await caller.hangup(placed.call)
        assert (await centre.record(placed.sip_call_id))["queue"] == "112"
    assert "api" not in await centre.cli("queue show")


async def make_queue(admin: Admin) -> None:
    """The queue `api` with three operators and an overflow chain, for the calls of one carrier."""
    await admin.open("/admin/new/queues")
    await admin.fill(name="api", display_name="Kebakaran", strategy="linear", ring_seconds="5")
    await admin.add_row("tiers")
    await admin.fill(tiers__0__kind="announcement", tiers__0__after_seconds="20")
    await admin.add_row("tiers")
    await admin.fill(tiers__1__kind="queue", tiers__1__after_seconds="40", tiers__1__target="112")
    await admin.saved()
    for name in ("op2", "op3", "op4"):
        await admin.open(f"/admin/operators/{name}")
        await admin.fill(memberships__0__queue="api")
        await admin.saved()
    await admin.open("/admin/entry")
    await admin.add_row("entry_rules")
    await admin.fill(entry_rules__0__queue="api", entry_rules__0__trunk="carrier-b")
    await admin.saved()


async def apply(admin: Admin, button: str) -> None:
    """Press the button, see how far it is, and that it is done."""
    await admin.page.get_by_role("button", name=button).click()
    await expect(admin.page.locator("#progress .steps")).to_contain_text("Beginning")
    await expect(admin.page.locator("#outcome")).to_have_text(re.compile(r"Version \d+ runs\."))
    await expect(admin.page.locator("#outcome")).to_be_focused()
    await expect(admin.page.locator(".banner")).to_have_count(0)


BREAKS: list[tuple[str, str, dict[str, str], str, str]] = [
    ("/admin/queues/112", "", {"ring_seconds": "0"}, "ring_seconds", "0 is out of range: 3 to 120."),
    ("/admin/queues/112", "", {"ring_seconds": "soon"}, "ring_seconds", "Write a whole number."),
    ("/admin/queues/112", "", {"display_name": " "}, "display_name", "1 to 60 printable characters"),
    (
        "/admin/queues/112",
        "tiers",
        {"tiers__0__kind": "queue", "tiers__0__after_seconds": "20", "tiers__0__target": "112"},
        "tiers-0-target",
        "runs in a circle",
    ),
    (
        "/admin/queues/112",
        "tiers",
        {"tiers__0__kind": "number", "tiers__0__after_seconds": "20", "tiers__0__target": "abc"},
        "tiers-0-target",
        "'abc' is no telephone number",
    ),
    (
        "/admin/queues/112",
        "widening",
        {"widening__0__after_seconds": "5", "widening__0__level": "1"},
        "widening",
        "skill",
    ),
    ("/admin/operators/op1", "", {"extension": "1002"}, "extension", "is used by two operators"),
    ("/admin/trunks/carrier-a", "", {"sources__0": "127.0.0.3"}, "sources", "could not tell the two apart"),
    ("/admin/trunks/carrier-a", "", {"sources__0": ""}, "sources", "has no source address"),
    ("/admin/new/queues", "", {"name": "a b", "display_name": "X"}, "name", "is no account name"),
    (
        "/admin/new/operators",
        "",
        {"name": "damkar1", "display_name": "X", "extension": "1999"},
        "name",
        "damkar1 is used already",
    ),
    (
        "/admin/entry",
        "entry_rules",
        {"entry_rules__0__queue": "112", "entry_rules__0__service": "fire"},
        "entry_rules-0-service",
        "is no emergency service",
    ),
    (
        "/admin/new/users",
        "",
        {"name": "budi", "role": "auditor", "password": "short"},
        "password",
        "8 to 256 characters",
    ),
]


async def test_given_mistakes_when_saved_then_each_is_told_at_its_field(admin: Admin) -> None:
    before = await admin.version()
    for path, row, values, field, words in BREAKS:
        await admin.open(path)
        if row:
            await admin.add_row(row)
        await admin.fill(**values)
        await admin.save()
        await expect(admin.page.locator(f"#f-{field}-fault")).to_contain_text(words)
        await expect(admin.page.locator(f'.summary a[href="#f-{field}"]')).to_contain_text(words)
        await expect(admin.page.locator(f"#f-{field}")).to_be_focused()
    assert await accessibility_faults(admin.page) == []
    assert await admin.version() == before


async def test_given_the_keyboard_alone_when_a_form_is_filled_in_then_it_is_saved(admin: Admin) -> None:
    await admin.open("/admin/new/calendars")
    keys = admin.page.keyboard
    await keys.press("Tab")
    await expect(admin.page.locator(".skip")).to_be_focused()
    await keys.press("Enter")
    await type_in_turn(admin, {"name": "jaga", "display_name": "Jaga"})
    await keys.press("Tab")
    for number, (name, start, end) in enumerate((("Siang", "07:00", "19:00"), ("Malam", "19:00", "07:00"))):
        await expect(admin.page.locator('button[value="add:shifts"]')).to_be_focused()
        await keys.press("Enter")
        await expect(admin.page.locator(f'[name="shifts.{number}.name"]')).to_be_focused()
        row = {f"shifts.{number}.name": name, f"shifts.{number}.start": start, f"shifts.{number}.end": end}
        await type_in_turn(admin, row, begun=True)
        await keys.press("Tab")  # the button that removes the row
        await keys.press("Tab")
    await keys.press("Tab")
    await expect(admin.page.locator("button.main")).to_be_focused()
    await keys.press("Enter")
    await expect(admin.page.locator(".good")).to_contain_text("Saved in the draft")
    await expect(admin.page.get_by_role("row", name="jaga")).to_contain_text("Siang 07:00-19:00, Malam 19:00-07:00")


async def type_in_turn(admin: Admin, values: dict[str, str], *, begun: bool = False) -> None:
    """Type the values from field to field by Tab; `begun`: the first has the focus already."""
    for number, (name, value) in enumerate(values.items()):
        if number or not begun:
            await admin.page.keyboard.press("Tab")
        await expect(admin.page.locator(f'[name="{name}"]')).to_be_focused()
        await admin.page.keyboard.type(value)


async def test_given_every_page_in_both_languages_when_looked_at_by_axe_then_it_finds_nothing(
    admin: Admin, centre: Centre
) -> None:
    await centre.api("POST", "/v1/tokens", json={"name": "wallboard", "role": "auditor"})
    token = (await centre.get("/v1/tokens"))["items"][0]["id"]
    draft = await centre.get("/v1/config")
    paths = list(pages(draft["version"], token))
    assert len(paths) == 40
    second = await admin.page.context.new_page()
    for lang in ("en", "id"):
        await admin.open("/admin")
        await admin.speak(lang)
        await asyncio.gather(look(admin.page, lang, paths[::2]), look(second, lang, paths[1::2]))
    await second.close()
    await admin.page.set_viewport_size(WIDE)
    await admin.speak("en")
    await admin.page.get_by_role("button", name="Sign out").click()
    await expect(admin.page).to_have_url(re.compile("/admin/sign-in$"))
    assert await accessibility_faults(admin.page) == []
    # The browser's console complains of nothing but forms that were refused on purpose (and remarks on the skip link).
    assert [said for said in admin.said if "422" not in said and "Autofocus" not in said] == []


async def look(page: Page, lang: str, paths: Sequence[str]) -> None:
    """Open each page, on a narrow screen too."""
    for path in paths:
        await page.set_viewport_size(WIDE)
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert await page.locator(f"html[lang={lang}] h1").count() == 1
        assert await accessibility_faults(page, colours=lang == "en") == [], (lang, path)
        await page.set_viewport_size(NARROW)
        assert await page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], path


def pages(version: int, token: int) -> list[str]:
    """The address of every page in the table of routes."""
    names = {"queues": "112", "operators": "op1", "agencies": "damkar", "trunks": "carrier-a", "users": "op1"}
    names["calendars"] = "jaga"
    numbers = {"id": token, "before": version - 1, "after": version, "version": version - 1}
    found = []
    for route in ROUTES:
        if route.group == PAGES and route.method == "GET" and not route.path.endswith(NO_PAGES):
            kind = (*route.path.split("/"), "")[2]
            found.append(route.path.format(name=names.get(kind, ""), **numbers))
    return found


NO_PAGES = ("/static/{name}", "/progress", ".wav")
