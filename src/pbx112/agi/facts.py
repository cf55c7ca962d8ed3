"""The intake's facts for the journal: base64 words that each fit into one CEL user event."""

import base64
import json
from dataclasses import asdict
from typing import Any

from pbx112.domain.caller import Caller
from pbx112.domain.record import Intake
from pbx112.services.intake import CUT, ArrivedCall, Routing, raw_headers

WORD_LIMIT = 480
"""Longest word in characters. Asterisk 22 cuts a journal line at 1,023 bytes, closing quote and all, and the other
fields take about 400."""

_JSON_LIMIT = WORD_LIMIT // 4 * 3
_CALLER_LIMIT = _JSON_LIMIT - len('{"by":"fastagi","caller":}')
_RAW_NUMBER_LIMIT = 48
_LEAST_PIECE = 20
MOST_WORDS = 40
"""More than the longest headers that are kept ever need."""


def journal_words(call: ArrivedCall, routing: Routing, by: Intake) -> list[str]:
    """The words in the order they are to be written: caller first, then the decision, then headers.

    Each is a JSON object of its own with `by`; readers merge them key by key, and within `headers`, where a text
    goes on in the next word. An absent fact has no key. Most calls need two words, none more than MOST_WORDS.
    """
    decision: dict[str, Any] = {
        "service": routing.service,
        "queue": routing.queue,
        "priority": routing.priority,
        "lang": routing.language,
    }
    if routing.entry_rule is not None:
        decision["entry_rule"] = routing.entry_rule
    parts: list[dict[str, Any]] = [{"by": by}]
    _add(parts, {"caller": public_caller(routing.caller)}, by)
    _add(parts, decision, by)
    if routing.reordered is not None:
        _add(parts, {"order": asdict(routing.reordered)}, by)
    for name, value in raw_headers(call).items():
        _add_header(parts, name, value, by)
    return [base64.b64encode(_json(part)).decode("ascii") for part in parts[:MOST_WORDS]]


def public_caller(caller: Caller) -> dict[str, Any]:
    """What is known of the caller by its public names (`class`); a long raw number is cut."""
    known = {
        "class": caller.caller_class,
        "number": caller.number,
        "callback_number": caller.callback_number,
        "raw_number": cut(caller.raw_number or "", _RAW_NUMBER_LIMIT),
        "withheld": caller.withheld,
        "imei": caller.imei,
        "cpc": caller.cpc,
        "warnings": caller.warnings,
    }
    known = {name: value for name, value in known.items() if value}
    for lesser in ("raw_number", "cpc"):  # the arrival's event has the headers that these come from
        if len(_json(known)) > _CALLER_LIMIT:
            known.pop(lesser, None)
    return known


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and `…` in at most `limit` bytes of UTF-8 (a character is never cut in two).

    The mark matters: a cell id that lost its last digit would be another cell.
    """
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode("utf-8", "ignore")
    return raw[: max(limit - len(CUT.encode()), 0)].decode("utf-8", "ignore") + CUT


def _add(parts: list[dict[str, Any]], fact: dict[str, Any], by: Intake) -> None:
    """Put the fact into the last word, or into a new one where it does not fit."""
    together = parts[-1] | fact
    if len(_json(together)) <= _JSON_LIMIT:
        parts[-1] = together
    else:
        parts.append({"by": by} | fact)


def _add_header(parts: list[dict[str, Any]], name: str, value: str, by: Intake) -> None:
    """Put the header into the last word as far as it fits, and on into the next ones."""
    while value:
        size = len(value)
        while size and len(_json(_with_header(parts[-1], name, value[:size]))) > _JSON_LIMIT:
            size = size * 3 // 4
        if size < min(len(value), _LEAST_PIECE):
            parts.append({"by": by})
            continue
        parts[-1] = _with_header(parts[-1], name, value[:size])
        value = value[size:]


def _with_header(part: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    headers = part.get("headers", {})
    return part | {"headers": headers | {name: headers.get(name, "") + text}}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
