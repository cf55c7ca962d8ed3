"""The addresses of SIP headers (RFC 3261, RFC 3325, RFC 3966), read leniently: nothing there raises."""

import re
from dataclasses import dataclass, field
from itertools import islice

HEADER_LIMIT = 8192
"""Characters of a header that are looked at: two lines of the longest that Asterisk hands out."""

UNREADABLE = "?"
"""Stands for a header that is there and is not whole; it never reads as a number."""

MOST_ADDRESSES = 8
_MOST_PARAMETERS = 16


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a header, `"Budi" <sip:+62811;cpc=test@host;user=phone>;tag=1`.

    `uri` is what stands in the angle brackets, `user` its user part or telephone number, unescaped and without the
    parameters that stand in it. Parameters have names in lower case; without angle brackets they belong to both.
    """

    uri: str
    scheme: str = ""
    user: str = ""
    host: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    header_parameters: dict[str, str] = field(default_factory=dict)


# Each is read from left to right once, whatever stands in a header: a caller must not be able to make them costly.
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_QUOTED_VALUE = re.compile(r'=\s?"([A-Za-z0-9+.:_-]*)"')
_FOLD = re.compile(r"\r?\n[ \t]+")
_PIECE = re.compile(r"(?:[^,<]+|<+[^<>]*>|<+)+")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]{0,20})\s*:")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_NUMBER_AS_HOST = re.compile(r"\+?[0-9]{7,15}")


def unescaped(text: str) -> str:
    """The text with its percent escapes undone, once."""
    if "%" not in text:
        return text
    return _ESCAPES.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"), text)


def addresses(header: str, most: int = MOST_ADDRESSES) -> list[Address]:
    """The addresses of a header, of all its lines and comma lists; what stands in quotes is only a name."""
    lines = [line for line in _FOLD.sub(" ", header[:HEADER_LIMIT]).split("\n") if line and not line.isspace()]
    known: list[Address] = []
    for line in lines[:most]:
        pieces = (found[0] for found in _PIECE.finditer(_nameless(line)) if not found[0].isspace())
        of_line = [_address(piece) for piece in islice(pieces, most)] or [Address(line.strip())]
        # Beside a whole address, a stretch without a scheme is a piece of a name that has a comma but no quotes.
        known += [address for address in of_line if address.scheme] or of_line
    return known[:most]


def _nameless(line: str) -> str:
    """The line without what stands in quotes; behind a quote that nobody closes it stays, so that it can be read."""
    if '"' not in line:
        return line
    stretches = _ESCAPED.sub(r"\\", _QUOTED_VALUE.sub(r"=\1", line, count=_MOST_PARAMETERS)).split('"')
    outside = stretches[::2]
    return " ".join(outside if len(stretches) % 2 else [*outside, stretches[-1]])


def _address(piece: str) -> Address:
    begin = piece.find("<")
    if begin < 0:
        return _parsed(piece, None)
    end = piece.find(">", begin)
    if end < 0:
        return _parsed(piece[begin + 1 :], "")
    return _parsed(piece[piece.rfind("<", 0, end) + 1 : end], piece[end + 1 :])


def _parsed(uri: str, rest: str | None) -> Address:
    """The parts of a URI; `rest` are the header's own parameters, None where no angle brackets tell them apart."""
    found = _SCHEME.match(uri)
    scheme, body = (found[1].lower(), uri[found.end() :]) if found else ("", uri)
    user, at, host = body.partition("@")
    if scheme in {"sip", "sips"} and not at:
        user, host = "", body
        if _NUMBER_AS_HOST.fullmatch(body.partition(";")[0].strip()):
            user, host = body, ""
    user, *in_user = unescaped(user.strip()).split(";")
    host, *in_host = host.partition("?")[0].split(";")
    parameters = _parameters([*in_user, *in_host])
    return Address(
        uri=(uri if rest is not None or at else uri.partition(";")[0]).strip(),
        scheme=scheme,
        user=user.partition(":")[0].strip(),
        host=host.strip().lower(),
        parameters=parameters,
        header_parameters=parameters if rest is None else _parameters(rest.split(";")[1:]),
    )


def _parameters(texts: list[str]) -> dict[str, str]:
    """Parameters by their names in lower case; of several with one name the first counts."""
    parameters: dict[str, str] = {}
    for text in texts[:_MOST_PARAMETERS]:
        name, _, value = text.partition("=")
        parameters.setdefault(name.strip().lower(), value.strip())
    return parameters
