"""Segments: the parts of a series' traffic, told apart by features that the contract names. Pure.

An event counts in one part for each of these features, so that the parts of one feature add up to
the series. The first values of a feature have parts of their own; others, very long ones and none
at all are counted together as the rest.

A part's profile of inputs has two slots behind those of its version's layout: answers below the
threshold and above. So the share that is selected is known of a part, whatever the layout's bins.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np

from app.kit.arrays import Floats, Ints
from app.kit.refusal import Invalid
from app.telemetry.layout import category
from app.telemetry.outcomes import THRESHOLD
from app.telemetry.performance import Performance
from app.telemetry.sheaf import NewDelta
from app.telemetry.tally import Tally, by_hour

MOST_SEGMENTS = 3
"""Features by which the traffic of one decision point is told apart."""
MOST_VALUES = 20
"""So many values of a feature have parts of their own; of a series, the first that came."""
LONGEST_VALUE = 100
REST = "…"
"""All values but those."""
ANSWERS = 2
"""Slots behind a layout's own: answers below the threshold, answers above."""
_SHIFT = 40
"""Hours since 1970 take far fewer bits."""

Value = tuple[str, str]
"""A feature's name, and what it says."""


class NoSuchSegment(Invalid):
    """The decision point's events are not counted by this feature."""

    code = "no_such_segment"
    title = "Not a segment of this decision point"
    mend = (
        "Name one of the contract's `segments`, as `state` or `state=NSW`; PATCH"
        " /v1/decision-points/{key} declares others, which are counted from then on."
    )


class TooManyHours(Invalid):
    """More hours of a feature's parts would have to be read than one answer may take."""

    code = "too_many_hours"
    title = "Too many hours for one comparison"
    mend = "Narrow `since` and `until`."


class Parts(NamedTuple):
    """By which features a series' traffic is told apart, and the parts that there are."""

    names: tuple[str, ...]
    ids: Mapping[Value, bytes]
    full: frozenset[str]
    """Features of which no further value has a part of its own."""

    @classmethod
    def known(cls, names: tuple[str, ...], ids: Mapping[Value, bytes]) -> Self:
        """Return the parts with these ids."""
        own = Counter(name for name, value in ids if value != REST)
        full = frozenset(name for name, n in own.items() if n >= MOST_VALUES)
        return cls(names, ids, full)

    def place(self, value: Value) -> bytes | None:
        """Return where a value counts: by itself, with the rest; nothing if that is not there."""
        found = self.ids.get(value)
        if found is None and value[0] in self.full:
            return self.ids.get((value[0], REST))
        return found

    def of(self, features: Mapping[str, Any]) -> list[bytes]:
        """Return an event's parts, one a feature; each has its place."""
        values = [(name, value_of(features.get(name))) for name in self.names]
        return [self.ids.get(value) or self.ids[value[0], REST] for value in values]


def value_of(sent: Any) -> str:
    """Return how a feature's value is called; what is none, or too long for a name, is the rest."""
    if sent is None or sent != sent:  # noqa: PLR0124 - not a number
        return REST
    text = sent if isinstance(sent, str) else category(sent)
    return text if len(text) <= LONGEST_VALUE else REST


def asked_for(segment: str) -> tuple[str, str | None]:
    """Return the feature of ``state=NSW`` and its value; of ``state`` alone, any."""
    variable, equals, value = segment.partition("=")
    return variable, value if equals else None


def missing(parts: Parts, events: Sequence[Mapping[str, Any]]) -> list[Value]:
    """Return the values of events, in their order, that have no place yet."""
    values = {
        (name, value_of(features.get(name))): None for features in events for name in parts.names
    }
    return [value for value in values if parts.place(value) is None]


def by_part(
    parts: Sequence[bytes],
    hours: Ints,
    codes: Ints,
    values: Floats,
    answers: Floats,
    size: int,
) -> list[NewDelta]:
    """Return what each part and hour gets from rows; NaN is no answer."""
    order = {one: index for index, one in enumerate(dict.fromkeys(parts))}
    named = list(order)
    keys = np.array([order[one] for one in parts], np.int64) << _SHIFT | hours
    answer = np.where(np.isnan(answers), -1, size + (answers >= THRESHOLD))
    return [
        NewDelta(UUID(bytes=named[key >> _SHIFT]), key & ((1 << _SHIFT) - 1), rows, payload)
        for key, rows, payload in by_hour(keys, codes, values, size + ANSWERS, answer)
    ]


def answered(inputs: Tally) -> tuple[int, int]:
    """Return how many answers a part's inputs hold, and how many of them are positive."""
    negative, positive = inputs.counts[-ANSWERS:].tolist()
    return negative + positive, positive


def judged(done: Performance) -> tuple[int, int, int, int]:
    """Return how many answers have a label; of those positives, true and false positives."""
    positives = done.true_positives + done.false_negatives
    return done.labelled, positives, done.true_positives, done.false_positives


def answers(inputs: Tally, done: Performance) -> tuple[int, int, int, int, int, int]:
    """Return what a part says of how it was treated, in the order that groups are counted in."""
    return *answered(inputs), *judged(done)
