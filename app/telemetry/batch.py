"""A batch of events from bytes to what is stored of it. Pure, and a thread's work when it is long.

Two steps, for only the database knows a series' id: ``gather`` says which events there are and
which series they belong to, ``pack`` turns them into three parcels ready for the wire.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np
import orjson
from numpy.typing import NDArray

from app.kit.arrays import Floats
from app.telemetry.events import SHADOW_PREFIX, Event
from app.telemetry.layout import Layout
from app.telemetry.packed import Packed, bigints, doubles, uuids
from app.telemetry.segments import MOST_SEGMENTS, Parts, by_part
from app.telemetry.tally import Tally, by_hour
from app.telemetry.token import Claim, Part

_MICROS_AN_HOUR = 3_600_000_000
_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
LONGEST_NAME = 100
"""So much of a feature's name is told that no signature has."""
NAMELESS = bytes(16)
"""Stands for the name of an event whose sender gave it none."""

Group = tuple[bytes, bytes, str]
"""Decision point, version, arm: what makes a series."""


Noted = dict[tuple[int, bytes], Counter[str]]
"""By whose batch it was and the version: how many events carried what under which name."""


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
    """Events in order of decision, each once; the group of each, and whose it is."""

    events: list[Event]
    groups: list[Group]
    owners: list[int]
    """Which of the merged batches an event came with."""

    @classmethod
    def gather(cls, events: Sequence[Event]) -> Self:
        """Put events in order; of those that are the same event, the first is kept."""
        return cls._once([(event, group_of(event.claim), 0) for event in events])

    @classmethod
    def merge(cls, batches: Sequence[Self]) -> Self:
        """Return the events of all; one that several have belongs to the first of them."""
        if len(batches) == 1:
            return batches[0]
        return cls._once(
            [
                (event, group, owner)
                for owner, batch in enumerate(batches)
                for event, group in zip(batch.events, batch.groups, strict=True)
            ]
        )

    @classmethod
    def _once(cls, rows: Sequence[tuple[Event, Group, int]]) -> Self:
        seen: set[bytes | tuple[bytes, Group]] = set()
        kept = []
        for row in rows:
            event, group, _ = row
            key, name = (event.claim.decision_id, group), event.event_id
            # What is not kept leaves no trace: it would keep out what nothing else stands for.
            if key not in seen and (name is None or name not in seen):
                kept.append(row)
                seen.add(key)
                if name is not None:
                    seen.add(name)
        return cls._of(sorted(kept, key=lambda row: row[0].claim.decision_id))

    @classmethod
    def _of(cls, rows: Sequence[tuple[Event, Group, int]]) -> Self:
        return cls([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def only(self, fresh: set[bytes], places: Mapping[Group, Place]) -> Self:
        """Return the events whose decision and series, joined, are among ``fresh``."""
        rows = zip(self.events, self.groups, self.owners, strict=True)
        return self._of(
            [row for row in rows if row[0].claim.decision_id + places[row[1]].series in fresh]
        )


@dataclass(frozen=True, slots=True)
class Parcels:
    """What is written of a batch: receipts by column, raw events for COPY, profile deltas."""

    size: int
    receipts: dict[str, Packed]
    raw: bytes
    folded: "Folded"


class Folded(NamedTuple):
    """What profiles count of a batch, and what was odd about it."""

    deltas: list[tuple[UUID, int, Tally]]
    """Series, hour since 1970, tally."""
    invalid: Noted
    """Inputs that should have been numbers and were not."""
    unknown: Noted
    """Features that the version's signature does not name."""


def group_of(claim: Claim) -> Group:
    """Return the series a claim's event belongs to."""
    arm = SHADOW_PREFIX + claim.arm if claim.part is Part.SHADOW else claim.arm
    return claim.point_id, claim.version_id, arm


def pack(tenant_id: UUID, batch: Batch, places: Mapping[Group, Place]) -> Parcels:
    """Return the parcels of a batch."""
    events = batch.events
    series = [places[group].series for group in batch.groups]
    receipts = {
        "decision": uuids([event.claim.decision_id for event in events]),
        "series": uuids(series),
        "event": uuids([event.event_id or NAMELESS for event in events]),
        "at": bigints([event.at for event in events]),
        "score": doubles([event.score for event in events]),
        "prediction": doubles([event.prediction for event in events]),
    }
    if any(place.parts for place in places.values()):
        receipts |= _parts(batch, places)
    raw = encode(tenant_id, events, series)
    return Parcels(len(events), receipts, raw, fold(batch, places))


def _parts(batch: Batch, places: Mapping[Group, Place]) -> dict[str, Packed]:
    """Return the columns of the parts that events count in besides, filled up."""
    found = [
        parts.of(event.features) if (parts := places[group].parts) else []
        for event, group in zip(batch.events, batch.groups, strict=True)
    ]
    return {
        f"part{n}": uuids([one[n] if n < len(one) else NAMELESS for one in found])
        for n in range(MOST_SEGMENTS)
    }


def fold(batch: Batch, places: Mapping[Group, Place]) -> Folded:
    """Return a tally for each series and hour of the batch, and what was odd about its events."""
    grouped: dict[Group, list[Event]] = defaultdict(list)
    for event, group in zip(batch.events, batch.groups, strict=True):
        grouped[group].append(event)
    folded = Folded([], defaultdict(Counter), defaultdict(Counter))
    for group, events in grouped.items():
        series, layout, names, known, parts = places[group]
        columns, exact = _columns(events, names)
        columns.append([event.score for event in events])
        codes, values = layout.place(columns)
        wrong = codes[:, :-1] == layout.invalid
        if wrong.any():
            _note_invalid(folded.invalid, batch, group, wrong, names)
        if not exact and known is not None:
            _note_unknown(folded.unknown, batch, group, known)
        hours = np.array([event.at // _MICROS_AN_HOUR for event in events])
        folded.deltas.extend(
            (UUID(bytes=series), hour, tally)
            for hour, tally in by_hour(hours, codes, values, layout.size)
        )
        if parts:
            for ids in zip(*(parts.of(event.features) for event in events), strict=True):
                found = by_part(ids, hours, codes, values, _answers(events), layout.size)
                folded.deltas.extend((UUID(bytes=one), hour, tally) for one, hour, tally in found)
    return folded


def _answers(events: Sequence[Event]) -> Floats:
    answers = [one.score if one.prediction is None else one.prediction for one in events]
    return np.array(answers, np.float64)


def _columns(events: Sequence[Event], names: Sequence[str]) -> tuple[list[Sequence[Any]], bool]:
    """Return the values of each variable, and whether events carry just those, as nearly always."""
    features = [event.features for event in events]
    if len(names) > 1:
        pick = itemgetter(*names)
        try:
            columns: list[Sequence[Any]] = list(zip(*map(pick, features), strict=True))
        except KeyError:
            pass
        else:
            return columns, max(map(len, features)) == len(names)
    return [[one.get(name) for one in features] for name in names], False


def _note_invalid(
    noted: Noted, batch: Batch, group: Group, wrong: NDArray[np.bool_], names: Sequence[str]
) -> None:
    whose = zip(batch.groups, batch.owners, strict=True)
    owners = np.array([owner for found, owner in whose if found == group])
    for column in np.flatnonzero(wrong.any(axis=0)).tolist():
        for owner, n in enumerate(np.bincount(owners[wrong[:, column]]).tolist()):
            if n:
                noted[owner, group[1]][names[column]] += n


def _note_unknown(noted: Noted, batch: Batch, group: Group, known: frozenset[str]) -> None:
    for event, found, owner in zip(batch.events, batch.groups, batch.owners, strict=True):
        if found == group and not known.issuperset(event.features):
            names = {name[:LONGEST_NAME] for name in event.features if name not in known}
            noted[owner, group[1]].update(names)


_FIXED = struct.Struct(">hi16si16si16siq")
_DOUBLE = struct.Struct(">id")
_NULL = struct.pack(">i", -1)
_TOKEN = struct.Struct(">iqiqidi8siq")
_SIZE = struct.Struct(">ib")
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COLUMNS = 11


def encode(tenant_id: UUID, events: Sequence[Event], series: Sequence[bytes]) -> bytes:
    """Return rows of raw events in Postgres' binary COPY format, packed by hand.

    psycopg's row writer looks up a dumper for every value; a struct does not, and this is the
    path every scored event takes.
    """
    tenant = tenant_id.bytes
    parts = [_HEADER]
    for event, series_id in zip(events, series, strict=True):
        claim = event.claim
        features = orjson.dumps(event.features)
        latency = event.latency_ms
        parts += (
            _FIXED.pack(
                _COLUMNS, 16, tenant, 16, claim.decision_id, 16, series_id,
                8, event.at - _POSTGRES_EPOCH,
            ),
            _NULL if latency is None else _DOUBLE.pack(8, latency),
            _TOKEN.pack(
                8, claim.plan_revision, 8, claim.generation, 8, claim.propensity,
                8, claim.unit, 8, claim.at_ms * 1000 - _POSTGRES_EPOCH,
            ),
            _SIZE.pack(len(features) + 1, 1),
            features,
        )  # fmt: skip
    parts.append(b"\xff\xff")
    return b"".join(parts)
