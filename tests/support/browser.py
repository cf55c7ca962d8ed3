"""A headless Chromium for the tests of the pages: the system's when there is one, else Debian's, unpacked once.

Its packages come the way Asterisk's do (`host/debian.py`), of the oldest Debian that pbx112 runs on: so they go with
the C library of this system, and only the other libraries are taken from beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, async_playwright

from pbx112.host.debian import fetch_packages
from pbx112.host.folders import wait_for_lock, write_whole
from pbx112.host.unpacked import MULTIARCH
from tests.support.tools import PROJECT

RELEASE = "bookworm"
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_SYSTEMS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
_C_LIBRARY = re.compile(
    r"(ld-linux|libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl|libmvec|libnsl|libthread_db|libnss_\w+"
    r"|libBrokenLocale|libc_malloc_debug|libmemusage|libpcprofile)[-.]"
)
_LOCK_SECONDS = 1800.0


@dataclass(frozen=True)
class Chromium:
    """How to start it."""

    program: str
    environment: dict[str, str] = field(default_factory=dict)


def chromium() -> Chromium:
    """The system's Chromium, or the unpacked one; fetched when it is not there yet (some 160 MB)."""
    named = os.environ.get("PBX112_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _SYSTEMS)), None)
    if found is not None:
        return Chromium(found)
    home = (PROJECT / ".runtime" / "browser").resolve()
    if not _is_complete(home):
        lock = wait_for_lock(home / "lock", print, _LOCK_SECONDS)
        try:
            if not _is_complete(home):
                _unpack(home)
        finally:
            lock.release()
    return _unpacked(home)


def _unpack(home: Path) -> None:
    root = fetch_packages(home, PACKAGES, RELEASE, print)
    libraries = home / "libraries"
    shutil.rmtree(libraries, ignore_errors=True)
    libraries.mkdir()
    for folder in (root / "lib" / str(MULTIARCH), root / "usr/lib" / str(MULTIARCH)):
        # Some stand one folder deeper (pulseaudio) and are found by ld.so.conf on an installed system.
        for file in (*folder.glob("lib*.so*"), *folder.glob("*/lib*.so*")):
            if not _C_LIBRARY.match(file.name) and not (libraries / file.name).exists():
                (libraries / file.name).symlink_to(file)
    fonts = f"<fontconfig><dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{home}/fonts</cachedir>"
    write_whole(home / "fonts.conf", f'<?xml version="1.0"?>{fonts}</fontconfig>'.encode())
    write_whole(home / "complete.json", json.dumps({"packages": PACKAGES, "root": str(root)}).encode())
    shutil.rmtree(home / "apt", ignore_errors=True)


def _is_complete(home: Path) -> bool:
    try:
        stamp = json.loads((home / "complete.json").read_text())
        # The links name the place where it was unpacked: a moved checkout unpacks it anew.
        return bool(stamp["packages"] == list(PACKAGES) and stamp["root"] == str(home / "root"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _unpacked(home: Path) -> Chromium:
    program = home / "root/usr/lib/chromium/chromium-headless-shell"
    environment = {"LD_LIBRARY_PATH": str(home / "libraries"), "FONTCONFIG_FILE": str(home / "fonts.conf")}
    return Chromium(str(program), environment)


@asynccontextmanager
async def browsing(folder: Path, base_url: str, **more: Any) -> AsyncIterator[BrowserContext]:
    """A browser with a profile of its own below `folder`; `more` goes to Playwright."""
    found = await asyncio.to_thread(chromium)
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(folder / "profile"),
            executable_path=found.program,
            args=list(ARGUMENTS),
            env={**os.environ, **found.environment},
            base_url=base_url,
            **more,
        )
        context.set_default_timeout(8_000)
        try:
            yield context
        finally:
            await context.close()


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


async def accessibility_faults(page: Page, *, colours: bool = True) -> list[str]:
    """What axe-core finds on the page as it stands: the rule, and where. Looking at `colours` takes half its time."""
    # Put in by the debugger: the page's own policy, which lets no such script in, stays as it is.
    await page.evaluate(_axe())
    found = await page.evaluate(
        "([rules, colours]) => axe.run(document, {runOnly: rules, resultTypes: ['violations'], preload: false,"
        " rules: {'color-contrast': {enabled: colours}}})",
        [RULES, colours],
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
