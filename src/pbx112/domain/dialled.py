"""Calling numbers as E.164, by a carrier's format and by phone-contexts (RFC 3966); standard library only."""

import re
from collections.abc import Callable

from pbx112.domain.addresses import Address
from pbx112.domain.configuration import NumberFormat

COUNTRY_CODE = "62"

NumberReader = Callable[[str, NumberFormat], str | None]
"""Reads a calling number as E.164, or as a short code; None when it is neither."""

NUMBER_LIMIT = 64  # separators and all, and for what stands in place of a number, too
TELEPHONE_SCHEMES = frozenset({"sip", "sips", "tel"})
_SEPARATORS = dict.fromkeys(map(ord, " ().-"))
_CONTEXT = re.compile(r"\+([1-9][0-9]{0,7})")
_FOREIGN_NETWORK = re.compile(r"\.mcc(?!510)[0-9]{3}\.")
_KEEPS_ITS_ZERO = "39"
_SHORT_CODE = 6  # digits at most
_LONGEST_FIXED = 11
_SHORTEST_WITH_COUNTRY = 9


def normalise(raw: str, number_format: NumberFormat = NumberFormat.AUTO) -> str | None:
    """A calling number as E.164 (`+6281..`), a short code as it is (`110`), or None when it is not a number at all."""
    digits = squeezed(raw) if len(raw) <= NUMBER_LIMIT else ""
    plus = digits.startswith("+")
    digits = digits[1:] if plus else digits
    if not digits.isascii() or not digits.isdigit() or not 3 <= len(digits) <= 17 or not digits.strip("0"):
        return None
    if digits.startswith("00"):
        digits = digits[2:]
        if len(digits) < 4 or digits.startswith("0"):
            return None
    elif digits.startswith("0"):
        digits = COUNTRY_CODE + digits[1:]
    elif not plus and len(digits) <= _SHORT_CODE:
        return digits
    elif not plus and not _has_country_code(digits, number_format):
        digits = COUNTRY_CODE + digits
    if digits.startswith(f"{COUNTRY_CODE}0"):  # the 0 of national dialling does not belong behind a country code
        digits = COUNTRY_CODE + digits[2:].lstrip("0")
    return f"+{digits}" if 3 <= len(digits) <= 15 else None


def squeezed(raw: str) -> str:
    """A number without the separators that are only for the eye."""
    return raw.translate(_SEPARATORS)


def number_of(
    address: Address, number_format: NumberFormat = NumberFormat.AUTO, e164: NumberReader = normalise
) -> str | None:
    """The telephone number of an address, or None when it has none that can be read."""
    if address.scheme not in TELEPHONE_SCHEMES and address.scheme:
        return None
    dialled = _in_context(address.user, address.parameters.get("phone-context", ""))
    return e164(dialled, number_format) if dialled else None


def _in_context(user: str, context: str) -> str | None:
    """The number as it would be read here, when its phone-context (RFC 3966) says where it is to be read."""
    digits = squeezed(user)
    if not context or digits.startswith(("+", "00")):
        return user
    found = _CONTEXT.fullmatch(squeezed(context))
    if found is None:
        return None if _FOREIGN_NETWORK.search(context.lower()) else user
    prefix = found[1]
    if prefix.startswith(COUNTRY_CODE):
        if len(digits) <= _SHORT_CODE or digits.startswith("0"):
            return user
        if _has_country_code(digits, NumberFormat.AUTO):
            return f"+{digits}"
    if digits.startswith("0") and not prefix.startswith(_KEEPS_ITS_ZERO):
        # Behind a longer prefix, which has an area code too, a national number cannot be put.
        return f"+{prefix}{digits[1:]}" if len(prefix) <= 3 else None
    return f"+{prefix}{digits}"


def _has_country_code(digits: str, number_format: NumberFormat) -> bool:
    """Whether digits without a `+` begin with a country code: Indonesian area codes begin with 62 too."""
    if number_format is NumberFormat.E164:
        return True
    shortest = _LONGEST_FIXED + 1 if number_format is NumberFormat.NATIONAL else _SHORTEST_WITH_COUNTRY
    return digits.startswith(COUNTRY_CODE) and len(digits) >= shortest
