"""A batch of events, column by column. Pure, and a thread's work when it is long.

What has a fixed size stands in one array of records, features beside them as they were sent. So
batches are put in order, merged and told apart without looking at any event by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from app.kit.arrays import Ints
from app.telemetry.events import SHADOW_PREFIX, Event
from app.telemetry.features import Features, Objects, joined
from app.telemetry.layout import Layout
from app.telemetry.segments import Parts
from app.telemetry.token import Part

NAMELESS = bytes(16)
"""Stands for the name of an event whose sender gave it none."""

Group = tuple[bytes, bytes, str]
"""Decision point, version, arm: what makes a series."""

Records = NDArray[np.void]
RECORD = np.dtype(
    [
        ("decision", "V16"),
        ("group", "i8"),  # which of the batch's groups
        ("owner", "i8"),  # which of the merged batches it came with
        ("event", "V16"),  # its sender's name for it
        ("at", "i8"),  # microseconds since 1970
        ("score", "f8"),  # NaN for none, as of the next two
        ("prediction", "f8"),
        ("latency_ms", "f8"),
        ("plan_revision", "i8"),
        ("generation", "i8"),
        ("propensity", "f8"),
        ("unit", "V8"),
        ("decided_ms", "i8"),
    ]
)
_HALVES = np.dtype([("high", ">u8"), ("low", ">u8")])
_NONE = float("nan")


class Place(NamedTuple):
    """Where a group's events are counted: its series' id, its version's layout and inputs."""

    series: bytes
    layout: Layout
    names: Sequence[str]
    known: frozenset[str] | None = None
    """The signature's inputs; nothing, if it names none."""
    parts: Parts | None = None
    """By which features the point tells its traffic apart; nothing, as nearly always."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order of decision, each once, and the groups they are of."""

    records: Records
    """Shaped (events,), of ``RECORD``."""
    features: Features
    groups: tuple[Group, ...]

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def gather(cls, events: Sequence[Event]) -> Self:
        """Put events in order; of those that are the same event, the first is kept."""
        places: dict[Group, int] = {}
        records = np.array([_record(event, places) for event in events], RECORD)
        features = Objects.gather([event.features for event in events])
        return cls(records, features, tuple(places)).once()

    @classmethod
    def merge(cls, batches: Sequence[Self]) -> Self:
        """Return the events of all; one that several have belongs to the first of them."""
        if len(batches) == 1:
            return batches[0]
        places: dict[Group, int] = {}
        for batch in batches:
            for group in batch.groups:
                places.setdefault(group, len(places))
        records = np.concatenate([batch.records for batch in batches])
        sizes = [len(batch) for batch in batches]
        records["owner"] = np.repeat(np.arange(len(batches)), sizes)
        # Each batch's groups begin where those of the batches before it end.
        own = np.array([places[group] for batch in batches for group in batch.groups], np.int64)
        before = np.cumsum([0, *(len(batch.groups) for batch in batches[:-1])])
        records["group"] = own[records["group"] + np.repeat(before, sizes)]
        features = joined([batch.features for batch in batches])
        return cls(records, features, tuple(places)).once()

    def once(self) -> Self:
        """Put events in order; of those that are the same event, the first is kept."""
        if len(self) == 1:
            return self
        # By what groups are, not by their numbers here: two that have the same events wait for
        # each other's, and never in a circle.
        ranks = {group: rank for rank, group in enumerate(sorted(self.groups))}
        group = np.array([ranks[one] for one in self.groups], np.int64)[self.records["group"]]
        order = _order(self.records["decision"], group)
        decision = self.records["decision"][order]
        same = (decision[1:] == decision[:-1]) & (group[order][1:] == group[order][:-1])
        if same.any() or self._share_names():
            kept = self._first()
            order = order[kept[order]]
        return self.only(order)

    def _share_names(self) -> bool:
        """Say whether two events have the same name; those that have none do not."""
        names = self.records["event"]
        named = names[names != np.void(NAMELESS)].tolist()
        return len(set(named)) < len(named)

    def _first(self) -> NDArray[np.bool_]:
        """Say of each event whether it is the first of those that are the same."""
        seen: set[Any] = set()
        keys = zip(*(self.records[name].tolist() for name in ("decision", "group")), strict=True)
        found = []
        for key, name in zip(keys, self.records["event"].tolist(), strict=True):
            # What is not kept leaves no trace: it would keep out what nothing else stands for.
            first = key not in seen and (name == NAMELESS or name not in seen)
            found.append(first)
            if first:
                seen |= {key, name} - {NAMELESS}
        return np.array(found, bool)

    def only(self, chosen: NDArray[Any]) -> Self:
        """Return the events at some places, or where a mask says so."""
        return replace(self, records=self.records[chosen], features=self.features.only(chosen))

    def series(self, places: Mapping[Group, Place]) -> NDArray[np.void]:
        """Return the series of each event."""
        known = np.frombuffer(b"".join(places[group].series for group in self.groups), "V16")
        found: NDArray[np.void] = known[self.records["group"]]
        return found

    def among(self, fresh: Collection[bytes], places: Mapping[Group, Place]) -> Self:
        """Return the events whose decision and series, joined, are among ``fresh``."""
        decisions, series = self.records["decision"].tolist(), self.series(places).tolist()
        pairs = zip(decisions, series, strict=True)
        return self.only(np.array([one + other in fresh for one, other in pairs], bool))

    def of(self, group: Group) -> Ints:
        """Return where the events of a group stand."""
        return np.flatnonzero(self.records["group"] == self.groups.index(group))


def group_of(part: Part, point_id: bytes, version_id: bytes, arm: str) -> Group:
    """Return the series that an event belongs to by what its token says."""
    return point_id, version_id, SHADOW_PREFIX + arm if part is Part.SHADOW else arm


def _order(decision: NDArray[np.void], group: Ints) -> Ints:
    """Return the order by decision, then by group.

    Most decisions are told apart by their first half, which begins with the time: by that alone
    they are sorted in a third of the time, and then those that have it in common.
    """
    halves = decision.view(_HALVES)
    high = halves["high"].astype(np.uint64)
    order = np.argsort(high, kind="stable")
    first = high[order]
    alike = np.zeros(len(order) + 1, bool)
    alike[1:-1] = first[1:] == first[:-1]
    (where,) = np.nonzero(alike[1:] | alike[:-1])
    if len(where):
        some = order[where]
        order[where] = some[np.lexsort((group[some], halves["low"][some], high[some]))]
    return order


def _record(event: Event, places: dict[Group, int]) -> tuple[Any, ...]:
    claim = event.claim
    group = group_of(claim.part, claim.point_id, claim.version_id, claim.arm)
    numbers = (event.score, event.prediction, event.latency_ms)
    return (
        claim.decision_id, places.setdefault(group, len(places)), 0,
        event.event_id or NAMELESS, event.at,
        *(_NONE if number is None else number for number in numbers),
        claim.plan_revision, claim.generation, claim.propensity, claim.unit, claim.at_ms,
    )  # fmt: skip
