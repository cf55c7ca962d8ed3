"""What an INVITE says of the emergency beside who calls and where from: service, priority, further data, forwarding."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marks:
    """`additional_data` are addresses of further data on the call (RFC 7852), `forwarded_by` who forwarded it, as
    written (RFC 7044, RFC 5806): never the caller.
    """

    priority: str | None = None
    resource_priority: tuple[str, ...] = ()
    additional_data: tuple[str, ...] = ()
    forwarded_by: tuple[str, ...] = ()


def read_marks(headers: Mapping[str, str]) -> Marks:
    """The marks of an INVITE, from its raw headers by their names in lower case; lines joined by line breaks."""
    return Marks()
