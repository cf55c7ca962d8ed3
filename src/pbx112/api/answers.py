"""Answers of the web door."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from pbx112.api.json_text import json_bytes


def answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(json_bytes(value), status, headers, media_type="application/json")
