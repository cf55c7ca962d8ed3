"""The intake's facts for the journal: base64 words that each fit into one CEL user event."""

import base64
import json
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
_HEADER_LIMIT = 200


def journal_words(call: ArrivedCall, routing: Routing, by: Intake) -> list[str]:
    """The words in the order they are to be written: caller first, then the decision, then headers.

    Each is a JSON object of its own with `by`; readers merge them key by key, and within `headers`. An
    absent fact has no key. Most calls need two words.
    """
    facts: list[dict[str, Any]] = [
        {"caller": public_caller(routing.caller)},
        {
            "service": routing.service,
            "queue": routing.queue,
            "priority": routing.priority,
            "lang": routing.language,
        },
        *({"headers": {name: value}} for name, value in raw_headers(call).items()),
    ]
    parts: list[dict[str, Any]] = [{"by": by}]
    for fact in facts:
        _add(parts, fact, by)
    return [base64.b64encode(_json(part)).decode("ascii") for part in parts]


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
    """Put the fact into the last part, or into a new one where it does not fit; a header is cut to fit alone."""
    together = _merged(parts[-1], fact)
    if len(_json(together)) <= _JSON_LIMIT:
        parts[-1] = together
        return
    alone = _merged({"by": by}, fact)
    limit = _HEADER_LIMIT
    while len(_json(alone)) > _JSON_LIMIT and limit > 0:
        alone = {"by": by, "headers": {name: cut(value, limit) for name, value in fact["headers"].items()}}
        limit -= 20
    parts.append(alone)


def _merged(part: dict[str, Any], fact: dict[str, Any]) -> dict[str, Any]:
    if "headers" not in fact:
        return part | fact
    return part | {"headers": part.get("headers", {}) | fact["headers"]}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
