"""Telephone numbers by the library `phonenumbers`: what `classify` is given where there is time to import it.

Importing it takes longer than the whole classic AGI script, so the domain reads numbers without it, and both readers
agree on every valid number. What this one adds: foreign numbers written in their country's own way, and lengths.
"""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from pbx112.domain.configuration import NumberFormat
from pbx112.domain.dialled import normalise

_REGION = "ID"


def e164(raw: str, number_format: NumberFormat = NumberFormat.AUTO) -> str | None:
    """A calling number as E.164, or a short code as it is; None when it is not a number at all.

    One that no telephone can have is kept as `normalise` reads it: it is all there is of the caller.
    """
    number = normalise(raw, number_format)
    parsed = _parsed(number) if number is not None else None
    if parsed is None or not _has_possible_length(parsed):
        return number
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def is_possible(number: str) -> bool:
    """Whether a telephone can have this number, by its length alone: new number blocks are opened all the time.

    A short code is a service, not a telephone; so is whatever only a free or a premium number may be as long as.
    """
    parsed = _parsed(number)
    return parsed is not None and _has_possible_length(parsed, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def _parsed(number: str) -> PhoneNumber | None:
    if not number.startswith("+"):
        return None
    try:
        return phonenumbers.parse(number, _REGION)
    except NumberParseException:
        return None


def _has_possible_length(number: PhoneNumber, kind: int = PhoneNumberType.UNKNOWN) -> bool:
    return phonenumbers.is_possible_number_for_type_with_reason(number, kind) == ValidationResult.IS_POSSIBLE
