"""Parameter testing: velocity, shape, volume and quality of production input. Pure."""

from typing import Any

from app.telemetry import Layout, Tally


def report(
    layout: Layout | None, found: Tally | None, *, hours: float, expected_per_minute: float
) -> dict[str, Any]:
    """Return what rehearsed input looks like, overall and by variable."""
    events = found.n if found else 0
    velocity = events / (hours * 60) if hours else 0.0
    variables: list[dict[str, Any]] = []
    if layout is not None and found is not None and events:
        for bins, span in layout.spans()[:-1]:
            counts = found.counts[span]

            def share(extra: str, bins: Any = bins, counts: Any = counts) -> float:
                slot = bins.slot(extra)
                return float(counts[slot] / events) if slot is not None else 0.0

            variables.append(
                {
                    "name": bins.name,
                    "null_share": share("null"),
                    "invalid_share": share("invalid"),
                    "unseen_share": share("unseen"),
                }
            )
    return {
        "events": events,
        "events_per_minute": velocity,
        "velocity_ratio": velocity / expected_per_minute,
        "null_share": max((item["null_share"] for item in variables), default=0.0),
        "invalid_share": max((item["invalid_share"] for item in variables), default=0.0),
        "unseen_share": max((item["unseen_share"] for item in variables), default=0.0),
        "variables": variables,
    }
