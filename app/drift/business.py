"""Business drift: which agreed KPIs a window misses, and by what that was judged. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class KpiSeen:
    """A KPI as a version brought it in one window, beside what was agreed on."""

    key: str
    formula: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    direction: str
    threshold: float
    tolerance: float
    digest: str
    """Of the definition."""
    missed: bool | None
    """Beyond threshold and tolerance with its whole interval; nothing, where too few outcomes say
    it, though a season may."""
    gravely: bool
    counted: bool
    """Whether few outcomes say nothing of it."""
    matures: bool = True
    """Whether it is made of what comes back, and not of what somebody reports of it."""

    @property
    def rhythmic(self) -> bool:
        """Whether days may differ by their place in a week; an uplift is beside a holdout."""
        return self.counted or not self.matures


def judged(found: Sequence[KpiSeen], min_rows: int, *, young: bool = False) -> list[dict[str, Any]]:
    """Return what a window keeps of each KPI; ``missed`` is nothing where it cannot be said.

    In a ``young`` window what came back has not all come: what it is worth so far is not said.
    """
    rows = []
    for one in found:
        row = asdict(one)
        for name in ("counted", "matures"):
            del row[name]
        if young and one.matures:
            row |= {"value": None, "low": None, "high": None}
        said = row["value"] is not None and (one.n >= min_rows or not one.counted)
        rows.append(
            {
                **row,
                "enough": said,
                "missed": one.missed if said else None,
                "gravely": said and one.gravely,
            }
        )
    return rows
