"""Profiles that others have counted: every figure checked against the layout. Pure.

What is wrong is said with its place, such as ``hours[3].variables.age.counts[2]``.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from app.kit.names import MOST
from app.kit.refusal import AlreadyExists, Invalid, Kind, Refusal
from app.telemetry.events import GIVEN_PREFIX
from app.telemetry.lake_profile import of_aggregates
from app.telemetry.layout import Binning, Bins, Layout
from app.telemetry.tally import Tally

MAX_HOURS = 1000
_GREATEST = 2**53
_ROUNDING = 1e-9
_ARM = re.compile(r"[a-z0-9_-]{1,40}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_FIELDS = frozenset({"id", "model", "version", "decision_point", "layout_digest", "hours", "arm"})
_OF_HOUR = frozenset({"hour", "n", "variables"})
_OF_VARIABLE = frozenset({"counts", "sums", "min", "max", "sum_squares"})
_WITHOUT_NUMBER = ("null", "invalid")


class BadProfile(Invalid):
    """A figure cannot be what was counted."""

    code = "bad_profile"
    title = "Unacceptable profile"
    mend = "Correct what `detail` names; the bins are those of GET …/baseline under `layout`."

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}", where=where)


class OtherLayout(Refusal):
    """The profile was counted in other bins than the version's."""

    kind = Kind.CONFLICT
    code = "other_layout"
    title = "Counted in another layout"
    mend = "Count in the layout that GET /v1/models/{model}/versions/{version}/baseline returns."


class GivenBefore(AlreadyExists):
    """Another profile has this id."""

    code = "profile_given_before"
    title = "Another profile of this id"
    mend = "Send other rows under an id of their own; a profile that was taken is not edited."


@dataclass(frozen=True, slots=True)
class Given:
    """A body whose frame is in order; its ``hours`` have not been looked at."""

    id: str
    model: str
    version: int
    point: str
    arm: str
    layout_digest: str
    hours: list[Any]


def read(sent: Any) -> Given:
    """Return the frame of a body, or refuse it."""
    body = _object(sent, "body", _FIELDS, optional={"arm"})
    version, arm = body["version"], body.get("arm", "lake")
    for name in ("id", "model", "decision_point", "layout_digest"):
        if not isinstance(body[name], str):
            raise BadProfile(name, "is text.")
    if not (type(version) is int and 0 < version < MOST):
        raise BadProfile("version", "is a number from 1 on.")
    if not (isinstance(arm, str) and _ARM.fullmatch(arm)):
        raise BadProfile("arm", "is a word of a-z, 0-9, _ and -.")
    hours = body["hours"]
    if not isinstance(hours, list) or not 0 < len(hours) <= MAX_HOURS:
        raise BadProfile("hours", f"is a list of 1 to {MAX_HOURS}.")
    return Given(
        body["id"], body["model"], version, body["decision_point"], GIVEN_PREFIX + arm,
        body["layout_digest"], hours,
    )  # fmt: skip


def tallies(hours: Sequence[Any], layout: Layout, *, now: datetime) -> list[tuple[int, Tally]]:
    """Return each hour since 1970 with its tally; refuse what cannot have been counted."""
    names = [bins.name for bins in layout.variables]
    found: dict[int, Tally] = {}
    for index, sent in enumerate(hours):
        where = f"hours[{index}]"
        item = _object(sent, where, _OF_HOUR)
        hour = _hour(item["hour"], f"{where}.hour", now)
        if hour in found:
            raise BadProfile(f"{where}.hour", "stands in this profile twice.")
        n = _count(item["n"], f"{where}.n")
        if not n:
            raise BadProfile(f"{where}.n", "is 1 or more; leave empty hours out.")
        where = f"{where}.variables"
        variables = _object(item["variables"], where, frozenset(names))
        found[hour] = _tally(n, variables, layout, where)
    return list(found.items())


def _tally(n: int, variables: dict[str, Any], layout: Layout, where: str) -> Tally:
    counts, sums = np.zeros(layout.size, np.int64), np.zeros(layout.size)
    moments = np.zeros((len(layout.variables), 3))
    for row, (bins, span) in enumerate(layout.spans()):
        place = f"{where}.{bins.name}"
        categories = bins.binning is Binning.CATEGORIES
        optional = _OF_VARIABLE - {"counts"} if categories else {"min", "max"}
        sent = _object(variables[bins.name], place, _OF_VARIABLE, optional=optional)
        counts[span] = _counts(sent["counts"], bins, n, f"{place}.counts")
        moments[row] = np.inf, -np.inf, 0.0
        if categories:
            _require_nothing(sent, bins, place)
        else:
            sums[span] = _sums(sent["sums"], bins, f"{place}.sums")
            moments[row] = _moments(sent, bins, counts[span], sums[span], place)
    return of_aggregates(n, counts, sums, moments)


def _object(
    sent: Any,
    where: str,
    names: frozenset[str],
    *,
    optional: Sequence[str] | set[str] | frozenset[str] = (),
) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise BadProfile(where, "is an object.")
    missing = sorted(names - sent.keys() - set(optional))
    if missing:
        raise BadProfile(where, f"lacks {', '.join(missing)}.")
    unknown = sorted(sent.keys() - names)
    if unknown:
        raise BadProfile(where, f"has {', '.join(unknown[:5])}, which is not in it.")
    return sent


def _hour(sent: Any, where: str, now: datetime) -> int:
    try:
        at = datetime.fromisoformat(sent) if isinstance(sent, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadProfile(where, "is an RFC 3339 time with its zone.")
    try:
        hour, rest = divmod(at - _EPOCH, _HOUR)
    except OverflowError as error:
        raise BadProfile(where, "lies before 1970 or in the future.") from error
    if rest:
        raise BadProfile(where, "is the beginning of an hour, in UTC.")
    if not (hour > 0 and at <= now):
        raise BadProfile(where, "lies before 1970 or in the future.")
    return hour


def _count(sent: Any, where: str) -> int:
    if type(sent) is not int or not 0 <= sent < _GREATEST:
        raise BadProfile(where, "is a whole number from 0 on.")
    return sent


def _counts(sent: Any, bins: Bins, n: int, where: str) -> list[int]:
    counts = [_count(one, f"{where}[{i}]") for i, one in enumerate(_list(sent, bins, where))]
    if sum(counts) != n:
        raise BadProfile(where, f"add up to {sum(counts)}, and n is {n}.")
    return counts


def _sums(sent: Any, bins: Bins, where: str) -> list[float]:
    return [_number(one, f"{where}[{i}]") for i, one in enumerate(_list(sent, bins, where))]


def _list(sent: Any, bins: Bins, where: str) -> list[Any]:
    if not isinstance(sent, list) or len(sent) != bins.slots:
        raise BadProfile(where, f"is a list of {bins.slots}, one a slot of the layout.")
    return sent


def _number(sent: Any, where: str) -> float:
    if type(sent) not in {int, float}:
        raise BadProfile(where, "is a number.")
    try:
        found = float(sent)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise BadProfile(where, "is a finite number.")
    return found


def _require_nothing(sent: dict[str, Any], bins: Bins, where: str) -> None:
    sums = _sums(sent["sums"], bins, f"{where}.sums") if sent.get("sums") is not None else []
    if any(sums) or sent.get("min") is not None or sent.get("max") is not None:
        raise BadProfile(where, "is of categories, which have no sums, min or max.")
    if sent.get("sum_squares") not in {None, 0}:
        raise BadProfile(f"{where}.sum_squares", "is of categories, which have none.")


def _moments(
    sent: dict[str, Any], bins: Bins, counts: Any, sums: Any, where: str
) -> tuple[float, float, float]:
    """Return least, greatest and sum of squares, if all of them can be of the same numbers."""
    squares = _number(sent["sum_squares"], f"{where}.sum_squares")
    numbers = [i for i in range(bins.slots) if i not in {bins.slot(x) for x in _WITHOUT_NUMBER}]
    for index in range(bins.slots):
        if sums[index] and not (counts[index] and index in numbers):
            raise BadProfile(f"{where}.sums[{index}]", "is 0 where no number was counted.")
    some = int(counts[numbers].sum())
    if not some:
        if squares or sent.get("min") is not None or sent.get("max") is not None:
            raise BadProfile(where, "counts no number: sum_squares is 0, min and max are null.")
        return math.inf, -math.inf, 0.0
    low, high = (_number(sent.get(name), f"{where}.{name}") for name in ("min", "max"))
    if low > high:
        raise BadProfile(f"{where}.min", "is greater than max.")
    _require_ends(bins, counts, low, high, where)
    for index in numbers:
        count = int(counts[index])
        if count:
            _require_mean(bins, index, float(sums[index]) / count, (low, high), where)
    # Of no numbers is the sum of squares less than this (Cauchy and Schwarz), or more than that.
    reach = max(abs(low), abs(high))
    mean = math.fsum(sums) / some
    least, most = some * mean * mean, some * reach * reach
    if not least * (1 - _ROUNDING) <= squares <= most * (1 + _ROUNDING):
        raise BadProfile(f"{where}.sum_squares", f"lies outside [{least:g}, {most:g}].")
    return low, high, squares


def _bounds(bins: Bins, index: int) -> tuple[float, float]:
    """Return what a slot's numbers lie between."""
    if index >= bins.bins:
        return -math.inf, math.inf
    if bins.binning is Binning.EXACT:
        return float(bins.marks[index]), float(bins.marks[index])
    low = float(bins.marks[index - 1]) if index else -math.inf
    return low, float(bins.marks[index]) if index < len(bins.marks) else math.inf


def _require_ends(bins: Bins, counts: Any, low: float, high: float, where: str) -> None:
    """Refuse a least or greatest number that its own bin would not hold."""
    used = [index for index in range(bins.bins) if counts[index]]
    if not used:
        return
    unseen = bins.slot("unseen")
    strange = unseen is not None and bool(counts[unseen])
    first, last = _bounds(bins, used[0]), _bounds(bins, used[-1])
    if low > first[1] or (low < first[0] and not strange):
        raise BadProfile(f"{where}.min", f"lies outside the least bin used, {first}.")
    if high < last[0] or (high > last[1] and not strange):
        raise BadProfile(f"{where}.max", f"lies outside the greatest bin used, {last}.")


def _require_mean(
    bins: Bins, index: int, mean: float, ends: tuple[float, float], where: str
) -> None:
    low, high = _bounds(bins, index)
    low, high = max(low, ends[0]), min(high, ends[1])
    slack = _ROUNDING * max(abs(low), abs(high))
    if not low - slack <= mean <= high + slack:
        raise BadProfile(
            f"{where}.sums[{index}]", f"means {mean:g} a row, outside [{low}, {high}]."
        )
