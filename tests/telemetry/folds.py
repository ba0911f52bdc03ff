"""Outcomes as one profile: what the worker does for many at once."""

from collections.abc import Sequence

from app.telemetry import Tally
from app.telemetry.outcomes import Labelled, fold_each


def fold(rows: Sequence[Labelled]) -> Tally:
    """Return the tally of one hour's outcomes."""
    return correction([], rows)


def correction(before: Sequence[Labelled], after: Sequence[Labelled]) -> Tally:
    """Return what makes of outcomes that were folded the ones that are true."""
    rows, signs = [*after, *before], [1] * len(after) + [-1] * len(before)
    ((_, payload),) = fold_each(rows, [0] * len(rows), signs, 1)
    return Tally.decode(payload)
