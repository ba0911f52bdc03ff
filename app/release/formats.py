"""Formats of JSON Schemas that are held against a value; of the others nothing is said. Pure.

Those of one meaning, that a few lines or the standard library decide: a check that lets through
half of what it should not would be taken for the whole.
"""

import re
from datetime import date

from jsonschema import Draft202012Validator

_LIBRARY = frozenset({"date", "ipv4", "ipv6", "uuid"})
CHECKED = _LIBRARY | {"date-time", "time"}
_TIME = re.compile(
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTES = 24 * 60


def conforms(text: str, name: str) -> bool:
    """Say whether a text is of a format that is ``CHECKED``."""
    if name == "time":
        return _is_time(text)
    if name == "date-time":
        day, between, rest = text[:10], text[10:11], text[11:]
        return between in {"T", "t"} and _is_day(day) and _is_time(rest)
    return bool(Draft202012Validator.FORMAT_CHECKER.conforms(text, name))


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    """Say whether it is RFC 3339's; a minute has a 61st second only before midnight in London."""
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    hours, minutes, seconds, sign, off_hours, off_minutes = found.groups()
    away = (int(off_hours or 0) * 60 + int(off_minutes or 0)) * (-1 if sign == "-" else 1)
    at = (int(hours) * 60 + int(minutes) - away) % _MINUTES
    return seconds != "60" or at == _MINUTES - 1
