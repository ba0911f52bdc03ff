"""What a version is given back with: findings, and what to do about them. Pure.

Each of the three drifts leads to another step of the development cycle, so each has tasks of its
own; every list ends with the next version, as the content of this one never changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.gates import WayOut

OPEN_PROCEDURE, PUBLISH_VERSION = "open_procedure", "publish_version"
"""What every list ends with; the server sees for itself when they are done."""
_MOST = 20
"""So many variables or KPIs get a task of their own; the findings name them all."""
_SAID = "Whoever validated it says so: `said` has his reason."


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing to do: a stable key, what, why, and the call that does it where there is one."""

    key: str
    title: str
    why: str
    call: str | None = None


def findings(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what of a verdict's evidence speaks of drift, performance and KPIs."""
    evidence = facts.get("evidence", {})
    return {kind: evidence[kind] for kind in ("drift", "performance", "kpi") if kind in evidence}


def todos(
    path: WayOut, found: dict[str, Any], *, model: str, number: int, point: str | None = None
) -> list[Todo]:
    """Return what a path asks of the developers, in order."""
    specific: dict[WayOut, Callable[[dict[str, Any]], Iterator[Todo]]] = {
        WayOut.DATA_DRIFT: _data,
        WayOut.BUSINESS_DRIFT: partial(_business, point=point or "{key}"),
        WayOut.MATHEMATICAL_DRIFT: _analysis,
    }
    return [*specific[path](found), *_again(path, model, number)]


def _data(found: dict[str, Any]) -> Iterator[Todo]:
    drift = found.get("drift", {})
    names = drift.get("drifting") or []
    yield Todo(
        "acquire_data",
        "Acquire data that covers what production sends now",
        f"{len(names)} of {drift['variables']} variables have left the data that built it."
        if drift.get("variables")
        else _SAID,
    )
    severe = set(drift.get("severe") or ())
    for place, name in enumerate(names[:_MOST], 1):
        how = "severely" if name in severe else "persistently"
        yield Todo(
            f"variable.{place}",
            f"Explain the variable {name}: a changed world, or a changed supply?",
            f"It drifts {how} against the baseline.",
        )


def _business(found: dict[str, Any], *, point: str) -> Iterator[Todo]:
    yield Todo(
        "agree_outcomes",
        "Go through the business outcomes with who owns them",
        "The business KPIs deviate from what was agreed in business understanding."
        if "kpi" in found
        else _SAID,
    )
    kpis = found.get("kpi", {})
    measured = {item["key"]: item for item in kpis.get("measured", ())}
    for key in kpis.get("missed", [])[:_MOST]:
        item = measured.get(key, {})
        yield Todo(
            f"kpi.{key}",
            f"Explain the KPI {item.get('name', key)}, or agree on another threshold",
            f"It stands at {_shown(item.get('value'))} {item.get('unit', '')}; agreed was"
            f" {_shown(item.get('threshold'))}.",
            f"PUT /v1/decision-points/{point}/kpis/{key}",
        )


def _analysis(found: dict[str, Any]) -> Iterator[Todo]:
    performance = found.get("performance", {})
    reference = (performance.get("reference") or {}).get("accuracy")
    yield Todo(
        "analyse_pattern",
        "Analyse what changed between inputs and outcome",
        f"Accuracy is {_shown(performance.get('accuracy'))} on"
        f" {performance.get('labelled', 0)} outcomes; the reference is {_shown(reference)}."
        if performance
        else _SAID,
    )
    yield Todo(
        "choose_form",
        "Decide whether tuning is enough or another form of model is needed",
        "A changed pattern is not always one that new data of the old form can follow.",
    )


def _again(path: WayOut, model: str, number: int) -> Iterator[Todo]:
    kinds = {
        WayOut.DATA_DRIFT: "retrain",
        WayOut.BUSINESS_DRIFT: "rebuild",
        WayOut.MATHEMATICAL_DRIFT: "retune, or rebuild",
    }
    yield Todo(
        OPEN_PROCEDURE,
        f"Open a procedure ({kinds[path]}) with the effect that it should have",
        "So that the next version is held against what it was made for.",
        "POST /v1/procedures",
    )
    yield Todo(
        PUBLISH_VERSION,
        f"Publish the next version, with {number} among its parents, and validate it",
        "A version's content never changes; one that was sent back in error is validated again.",
        f"POST /v1/models/{model}/versions",
    )


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
