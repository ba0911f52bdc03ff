"""What a guardrail's condition may ask for, and what it asks for that nobody measures. Pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from app import drift, gates

_AT = "2026-01-01T00:00:00+00:00"
SPECIMEN: dict[str, Any] = {
    "drift": {
        "windows": 1, "since": _AT, "until": _AT, "variables": 2, "drifting": ["x"],
        "severe": ["x"], "share": 0.5, "severe_share": 0.5,
    },
    "performance": {
        "accuracy": 0.9, "labelled": 500, "degraded": False,
        "reference": {"accuracy": 0.9, "sigma": 0.01, "rows": 4000},
    },
    "kpi": {"measured": [], "values": {}, "missed": ["x"], "unmeasured": ["x"]},
    "traffic": {"events": 500, "labelled": 500, "since": _AT, "through": _AT},
    "latency": {
        "events": 500, "measured": 500, "p50_ms": 9.0, "p95_ms": 20.0, "p99_ms": 30.0,
        "max_ms": 40.0, "budget_ms": 50.0, "over_budget": 0.0,
    },
    "errors": {"events": 500, "unanswered": 0, "share": 0.0},
    "alerts": {
        **dict.fromkeys(drift.ALERT_WORDS, 1),
        "open": [
            {"kind": "data", "subject": "x", "severity": "warning", "state": "firing",
             "raised_at": _AT, "fired_at": _AT}
        ],
    },
    "minutes_since_swap": 60.0,
}  # fmt: skip
"""Facts in which everything is known: each name that there is, with a value of its type."""
LANGUAGE = gates.Language(
    maps=tuple(name for name, held in SPECIMEN.items() if isinstance(held, dict)),
    values=tuple(name for name, held in SPECIMEN.items() if not isinstance(held, dict)),
)
"""What a guardrail's condition may speak of."""
_VALUES = ("kpi", "values")
_SUBJECTS: dict[tuple[str, ...], dict[str, Any]] = {
    (name,): held for name, held in SPECIMEN.items() if isinstance(held, dict)
}
_MAPS = _SUBJECTS | {
    (*path, part): inner
    for path, held in _SUBJECTS.items()
    for part, inner in held.items()
    if isinstance(inner, dict)
}
_MISTYPED = ("No matching overloads", "not bool")
_OF_EVENTS = re.compile(r"\b(?:latency|errors)\b")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One fault of a condition: what it is, where, and of a name which there are instead."""

    problem: str
    line: int = 1
    column: int = 1
    names: tuple[str, ...] | None = None


def asks_for_events(when: str) -> bool:
    """Say whether a condition is about what raw events alone know."""
    return _OF_EVENTS.search(when) is not None


def faults(when: str, kpis: Collection[str]) -> list[Wrong]:
    """Return why a condition could never be answered at a point with these agreed KPIs."""
    try:
        root = gates.compiled(when, LANGUAGE).root
    except gates.BadExpression as error:
        return [Wrong(fault.problem, fault.line, fault.column) for fault in error.faults]
    known = {path: set(held) for path, held in _MAPS.items()} | {_VALUES: set(kpis)}
    if whole := dict.fromkeys(_whole(root, ())):
        return [_whole_of(when, path, known[path]) for path in whole]
    found = dict.fromkeys(path for path in _paths(root, ()) if path[-1] not in known[path[:-1]])
    if found:
        return [_unknown(when, path, known[path[:-1]]) for path in found]
    values = dict.fromkeys(kpis, 1.0)
    facts = {**SPECIMEN, "kpi": {**SPECIMEN["kpi"], "values": values}}
    said = gates.evaluate(when, gates.Facts(facts, LANGUAGE)).error or ""
    mistyped = any(word in said for word in _MISTYPED)
    return [Wrong(said.removeprefix("UNKNOWN: "))] if mistyped else []


def _whole(node: Any, bound: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield what is asked for as a whole of which only parts say something: its size is no fact."""
    path = _path(node, bound)
    if path in _SUBJECTS:
        yield path
        return
    below = node.children[1:] if len(path) > 1 else node.children
    for child in below:
        yield from _whole(child, bound)
    for inner in node.body:
        yield from _whole(inner, (*bound, node.name))


def _paths(node: Any, bound: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield each name that is read of a subject, or of what it holds under open names."""
    path = _path(node, bound)
    if len(path) > 1 and path[:-1] in _MAPS:
        yield path
    for child in node.children:
        yield from _paths(child, bound)
    for inner in node.body:
        yield from _paths(inner, (*bound, node.name))


def _path(node: Any, bound: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names by which a node is read from a subject; nothing where they are not known.

    A loop's own variable hides a subject of the same name.
    """
    if node.kind == "name" and node.name not in bound:
        return (node.name,)
    named = node.kind == "select"
    if named or (node.kind == "call" and node.name == "_[_]" and node.children[1].kind == "text"):
        before = _path(node.children[0], bound)
        return (*before, node.name if named else node.children[1].name) if before else ()
    return ()


def _unknown(when: str, path: tuple[str, ...], known: Collection[str]) -> Wrong:
    return _at(when, path, f"nothing measures {'.'.join(path)}", known)


def _whole_of(when: str, path: tuple[str, ...], known: Collection[str]) -> Wrong:
    return _at(when, path, f"{path[0]} is many things: say which of them", known)


def _at(when: str, path: tuple[str, ...], problem: str, known: Collection[str]) -> Wrong:
    first, *others = map(re.escape, path)
    steps = (rf"\s*(?:\.\s*{name}\b|\[\s*r?['\"]{name}['\"]\s*\])" for name in others)
    place = re.search(rf"\b{first}{''.join(steps)}", when)
    before = when[: place.start()] if place else ""
    return Wrong(
        problem,
        before.count("\n") + 1,
        len(before) - (before.rfind("\n") + 1) + 1,
        tuple(sorted(known)),
    )
