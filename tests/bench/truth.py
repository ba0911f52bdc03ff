"""The detectors where the truth is known: ``python -m tests.bench.truth [--write]``.

river's generators give streams whose changes are known; its change point series come with what
people annotated. Everything runs as in production: rows become profiles, detectors read those.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from river.drift import datasets

from app.drift.concept import changes
from app.kit.arrays import Floats
from tests.bench.alarming import DETECTORS, river
from tests.bench.alarms import Score, annotated_f1
from tests.bench.folded import folded
from tests.bench.streams import CHANGE, STREAMS, WINDOW, WINDOWS, Stream

DOCUMENT = Path(__file__).parents[2] / "docs" / "detectors.md"
SEEDS = 5
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
AT = CHANGE * WINDOW
Cells = dict[tuple[str, str], Score | None]
"""By stream and detector; ``None`` where it cannot be said what is right."""
SERIES = {"AirlinePassengers": "", "Occupancy": "V3", "RunLog": "Pace", "UKCoalEmploy": ""}
"""With their column, if of several. The other series that ship have rows nobody annotated."""


def measure(seeds: Sequence[int], streams: Sequence[Stream] = STREAMS) -> Cells:
    """Return every detector's score on every stream, several draws of it."""
    cells: Cells = {}
    for stream in streams:
        for detector in DETECTORS:
            known = detector.meant(stream) is not None
            cells[stream.name, detector.name] = Score() if known else None
        for seed in seeds:
            print(f"{stream.name}, draw {seed}", file=sys.stderr, flush=True)
            seen = folded(stream, seed)
            for detector in DETECTORS:
                score = cells[stream.name, detector.name]
                if score is not None:
                    change = AT if detector.meant(stream) else None
                    score.take(detector.alarms(seen), change)
    return cells


def totals(cells: Cells) -> dict[str, Score]:
    """Return every detector's score over all streams."""
    found = {detector.name: Score() for detector in DETECTORS}
    for (_, name), score in cells.items():
        if score is not None:
            found[name].add(score)
    return found


def foils(cells: Cells, seeds: int) -> dict[str, tuple[Score, Score]]:
    """Return what firing at every window and firing never would have scored, by detector."""
    every = [at * WINDOW for at in range(1, WINDOWS + 1)]
    found = {detector.name: (Score(), Score()) for detector in DETECTORS}
    for stream in STREAMS:
        for detector in DETECTORS:
            if cells.get((stream.name, detector.name)) is None:
                continue
            change = AT if detector.meant(stream) else None
            for _ in range(seeds):
                always, never = found[detector.name]
                always.take(every, change)
                never.take([], change)
    return found


def by_stream(cells: Cells) -> list[str]:
    """Return the table of streams and detectors."""
    names = [detector.name for detector in DETECTORS]
    rows = ["| stream | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for stream in STREAMS:
        said = [_cell(cells[stream.name, name]) for name in names if (stream.name, name) in cells]
        if said:
            rows.append(f"| {stream.name} | " + " | ".join(said) + " |")
    return rows


def _cell(score: Score | None) -> str:
    if score is None:
        return "–"
    if not score.changes:
        return "silent" if not score.false else f"{score.false} false"
    words = f"{score.found}/{score.changes}"
    if score.delay is not None:
        words += f", {score.delay:,.0f} rows ({score.delay / WINDOW:.1f})"
    return words + (f", {score.false} false" if score.false else "")


def summary(cells: Cells, seeds: int) -> list[str]:
    """Return the table of detectors over all streams."""
    rows = [
        "| detector | changes | found | missed | false | delay (windows) | F1 | always | never |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    others = foils(cells, seeds)
    for name, score in totals(cells).items():
        always, never = others[name]
        delay = score.delay or 0.0
        rows.append(
            f"| {name} | {score.changes} | {score.found} | {score.missed} | {score.false} | "
            f"{delay:,.0f} ({delay / WINDOW:.1f}) | {score.f1:.2f} | {always.f1:.2f} | "
            f"{never.f1:.2f} |"
        )
    return rows


def series(name: str) -> tuple[Floats, dict[str, list[int]]]:
    """Return a series scaled to 0 … 1, and what each annotator marked."""
    data = getattr(datasets, name)()
    column = SERIES[name]
    values = np.array([y[column] if column else y for _, y in data], np.float64)
    return (values - values.min()) / np.ptp(values), data.annotations


def annotated() -> dict[str, dict[str, float]]:
    """Return each detector's F1 on each annotated series, a point an hour."""
    found = {}
    for name in SERIES:
        values, marks = series(name)
        ours = changes(np.ones(len(values), np.int64), values, values**2)
        found[name] = {
            "ADWIN by hours": annotated_f1([one.hour for one in ours], marks),
            "river's ADWIN": annotated_f1([place for _, place in river(values)], marks),
            "always": annotated_f1(range(len(values)), marks),
            "never": annotated_f1([], marks),
        }
    return found


def of_series() -> list[str]:
    """Return the table of annotated series."""
    found = annotated()
    names = list(next(iter(found.values())))
    rows = ["| series | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    rows += [
        f"| {name} | " + " | ".join(f"{scores[one]:.2f}" for one in names) + " |"
        for name, scores in found.items()
    ]
    return rows


def report(seeds: int) -> str:
    """Return everything measured, in Markdown."""
    cells = measure(range(1, seeds + 1))
    parts = [by_stream(cells), summary(cells, seeds), of_series()]
    return "\n\n".join("\n".join(part) for part in parts)


def written(document: str, tables: str) -> str:
    """Return a document with its measured part replaced."""
    head, rest = document.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def main() -> None:
    """Measure, and print or write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="draws of each stream")
    parser.add_argument("--write", action="store_true", help="into docs/detectors.md")
    asked = parser.parse_args()
    tables = report(asked.seeds)
    print(tables)
    if asked.write:
        DOCUMENT.write_text(written(DOCUMENT.read_text(), tables))


if __name__ == "__main__":
    main()
