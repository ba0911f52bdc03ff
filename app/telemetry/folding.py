"""What profiles count of a batch, and what was odd about it. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np

from app.telemetry.batch import Batch, Group, Place
from app.telemetry.segments import by_part
from app.telemetry.sheaf import NewDelta
from app.telemetry.tally import by_hour

MICROS_AN_HOUR = 3_600_000_000
LONGEST_NAME = 100
"""So much of a feature's name is told that no signature has."""

Noted = dict[tuple[int, bytes], Counter[str]]
"""By whose batch it was and the version: how many events carried what under which name."""


class Folded(NamedTuple):
    """What profiles count of a batch, and what was odd about it."""

    deltas: list[NewDelta]
    invalid: Noted
    """Inputs that should have been numbers and were not."""
    unknown: Noted
    """Features that the version's signature does not name."""


def fold(batch: Batch, places: Mapping[Group, Place]) -> Folded:
    """Return what each series and hour gets from the batch, and what was odd about its events."""
    folded = Folded([], defaultdict(Counter), defaultdict(Counter))
    for group in batch.groups:
        mine = batch if len(batch.groups) == 1 else batch.only(batch.of(group))
        if len(mine):
            _fold(folded, mine, group, places[group])
    return folded


def _fold(folded: Folded, batch: Batch, group: Group, place: Place) -> None:
    """Add what a group's events say."""
    layout, names, parts = place.layout, place.names, place.parts
    events, features = batch.records, batch.features
    columns, exact = features.of(names)
    scores: Any = events["score"]
    codes, values = layout.place([*columns, scores])
    wrong = codes[:, :-1] == layout.invalid
    if wrong.any():
        for column in np.flatnonzero(wrong.any(axis=0)).tolist():
            for owner, n in enumerate(np.bincount(events["owner"][wrong[:, column]]).tolist()):
                if n:
                    folded.invalid[owner, group[1]][names[column]] += n
    if not exact and place.known is not None:
        known = place.known
        for sent, owner in zip(features.carried(), events["owner"].tolist(), strict=True):
            if not known.issuperset(sent):
                odd = {name[:LONGEST_NAME] for name in sent if name not in known}
                folded.unknown[owner, group[1]].update(odd)
    hours = events["at"] // MICROS_AN_HOUR
    folded.deltas.extend(
        NewDelta(UUID(bytes=place.series), *one)
        for one in by_hour(hours, codes, values, layout.size)
    )
    if parts:
        predictions = events["prediction"]
        answers = np.where(np.isnan(predictions), scores, predictions)
        for ids in zip(*map(parts.of, features.objects()), strict=True):
            folded.deltas.extend(by_part(ids, hours, codes, values, answers, layout.size))
