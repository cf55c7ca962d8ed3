"""Where this machine gets Debian packages from: its mirrors, its proxy, its keyring."""

import re
from collections.abc import Iterator
from pathlib import Path

DEFAULT_MIRROR = "http://deb.debian.org/debian"

# Of the machine's apt configuration only how it reaches the network is taken over. Its hooks, pins, default release
# and clean-up rules are meant for the system's own packages and must not run on, or hinder, our separate tree.
_NETWORK_SETTING = re.compile(r"Acquire::(?:http|https|ForceIPv[46]|Check-Date|Check-Valid-Until)\b.*;")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")


def debian_mirrors(etc: Path = Path("/etc")) -> list[str]:
    """Return the Debian mirrors to try, best first: the machine's own when it runs Debian, then the public one.

    Reads `apt/sources.list` and `apt/sources.list.d/` below `etc`, both formats. Mirrors of security updates, of
    snapshots and of other distributions are left out: they do not carry the packages.
    """
    found = list(_own_mirrors(etc)) if _is_debian(etc) else []
    return list(dict.fromkeys([*found, DEFAULT_MIRROR]))


def network_settings(apt_config_dump: str) -> str:
    """Return the lines of `apt-config dump` that say how to reach the network (proxies, time-outs, IP version)."""
    return "\n".join(line for line in apt_config_dump.splitlines() if _NETWORK_SETTING.fullmatch(line.strip()))


def _is_debian(etc: Path) -> bool:
    try:
        lines = (etc / "os-release").read_text().splitlines()
    except OSError:
        return False
    return any(line.strip().replace('"', "") == "ID=debian" for line in lines)


def _own_mirrors(etc: Path) -> Iterator[str]:
    folder = etc / "apt" / "sources.list.d"
    for file in [etc / "apt" / "sources.list", *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        entries = _deb822(text) if file.suffix == ".sources" else _one_line(text)
        for uris, suites, components in entries:
            if "main" in components and not any("security" in suite for suite in suites):
                yield from (uri.rstrip("/") for uri in uris if _carries_packages(uri))


def _carries_packages(uri: str) -> bool:
    return uri.startswith(("http://", "https://")) and "snapshot." not in uri and uri.rstrip("/").endswith("/debian")


def _one_line(text: str) -> Iterator[tuple[list[str], list[str], list[str]]]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is not None:
            yield [match["uri"]], [match["suite"]], match["components"].split()


def _deb822(text: str) -> Iterator[tuple[list[str], list[str], list[str]]]:
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if not line[0].isspace():
                name, _, line = line.partition(":")  # noqa: PLW2901  (the rest of the line is the field's value)
            fields.setdefault(name.strip().lower(), []).extend(line.split())
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[0].lower() != "no":
            yield fields.get("uris", []), fields.get("suites", []), fields.get("components", [])
