"""The page of the centre's own sound prompts: uploaded from a form without a script, listened to, put to use."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from html import unescape

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.tokens import make_token
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.prompts import MOST_BYTES
from pbx112.services.users import Role
from tests.support.web import SECRET, client_of, make_parts

OURS = {"Origin": "http://pbx112"}
WAV = b"RIFF\0\0\0\0WAVE"
KOTA = replace(DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], comfort="kota"),))


@dataclass
class Page:
    """The page as a browser has it."""

    client: httpx.AsyncClient

    async def text(self, path: str = "/admin/prompts") -> str:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return unescape(answer.text)

    async def upload(self, sound: bytes, name: str = "kota", file: str = "Kota <b>.wav", **more: str) -> httpx.Response:
        data = {"prompt": name, "prompt_language": "id", **more}
        return await self.client.post("/admin/prompts", data=data, files={"prompt_file": (file, sound)}, headers=OURS)


@pytest.fixture
async def page(engine: AsyncEngine) -> AsyncIterator[Page]:
    async with client_of(make_parts(engine, configuration=lambda: KOTA)) as client:
        client.cookies.set("pbx112_session", make_token(SECRET, "admin", Role.ADMIN), path="/admin")
        client.cookies.set("pbx112_lang", "en", path="/admin")
        yield Page(client)


async def test_given_recordings_when_uploaded_then_they_are_listed_with_a_player_and_put_to_use(page: Page) -> None:
    assert "There is no prompt kota in the language id" in await page.text()
    first = await page.upload(WAV + b"one")
    assert first.status_code == 303
    assert "The next callers hear version 1 of kota (id)." in await page.text(first.headers["location"])
    second = await page.upload(WAV + b"two")
    text = await page.text(second.headers["location"])
    assert "kota (id) has a version 2." in text
    assert "There is no prompt" not in text
    assert "Named by the queues 112" in text
    assert re.findall(r'<audio [^>]*src="([^"]*)"', text) == [f"/admin/prompts/kota/id/{n}.wav" for n in (2, 1)]
    assert (await page.client.get("/admin/prompts/kota/id/2.wav")).content == WAV + b"two"
    assert "media-src 'self'" in (await page.client.get("/admin/prompts")).headers["content-security-policy"]
    used = await page.client.post("/admin/prompts/kota/id/use", data={"version": "2"}, headers=OURS)
    text = await page.text(used.headers["location"])
    assert "The next callers hear version 2 of kota (id)." in text
    assert re.search(r'<th scope="row">2 <span class="tag">heard now</span>', text)
    third = await page.upload(WAV + b"three", prompt_use="1")
    assert "The next callers hear version 3" in await page.text(third.headers["location"])


async def test_given_what_cannot_be_a_prompt_when_uploaded_then_the_form_says_so_at_the_field(page: Page) -> None:
    for sound, name, words, field in (
        (b"#EXTM3U\n/etc/passwd", "kota", "send WAV, MP3 or Ogg", "prompt_file"),
        (b"", "kota", "The file is empty", "prompt_file"),
        (WAV, "../kota", "has letters, digits", "prompt"),
        (WAV, "moh", "The name moh is taken", "prompt"),
    ):
        refused = await page.upload(sound, name)
        assert refused.status_code == 422
        text = unescape(refused.text)
        assert re.search(rf'<p class="fault" id="f-{field}-fault"><strong>Error:</strong> [^<]*{words}', text), text
        assert "Nothing was saved." in text
        assert f'value="{name}"' in text
    page.client.cookies.set("pbx112_lang", "id", path="/admin")
    assert "Berkas itu kosong." in (await page.upload(b"")).text
    nothing = await page.client.post("/admin/prompts", data={"prompt": "kota"}, headers=OURS)
    assert nothing.status_code == 422
    large = await page.upload(WAV + bytes(MOST_BYTES))
    assert (large.status_code, "20 MB" in large.text) == (422, True)
    larger = await page.upload(WAV + bytes(MOST_BYTES + 70_000))
    assert larger.status_code == 413


async def test_given_hostile_names_when_uploaded_and_shown_then_they_are_text(page: Page) -> None:
    await page.upload(WAV, file="<script>alert(1)</script>.wav")
    raw = (await page.client.get("/admin/prompts?done=prompt_now&name=<script>&language=x&version=y")).text
    assert "<script>alert" not in raw
    assert "hear version y of <script>" in unescape(raw)
    assert "&lt;script&gt;" in raw
    assert "has a version" not in await page.text("/admin/prompts?done=__class__")
    wrong = await page.client.post("/admin/prompts/kota/id/use", data={"version": "x"}, headers=OURS)
    assert wrong.status_code == 422
    gone = await page.client.post("/admin/prompts/kota/id/use", data={"version": "9"}, headers=OURS)
    assert gone.status_code == 404
