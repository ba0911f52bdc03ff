"""What windows say that alerts are made of: each item by itself, and by what it was judged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.drift import saying
from app.drift.alert_rules import (
    AlertKind,
    Seen,
    Severity,
    Subject,
    lasting,
    lasts,
    left,
    out_of_bounds,
)
from app.drift.history import HISTORY, history_of
from app.drift.rules import Thresholds
from app.drift.tables import Window
from tests.drift.watched import START, Watched

LIMITS = Thresholds()
AUC = (AlertKind.MATHEMATICAL, "auc")
ESTIMATE = (AlertKind.ESTIMATED, "accuracy")


def window(day: int, *, n: int = 1000, judged_by: int | None = None, **said: Any) -> Window:
    plain: dict[str, Any] = dict.fromkeys(
        ("variables", "metrics", "estimated", "concept", "segments", "fairness", "kpis")
    )
    basis = {} if judged_by is None else {"monitor": {"min_rows": judged_by}}
    return Window(
        until=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day), n=n, labelled=n,
        degraded=None, basis=basis, **{name: [] for name in plain} | said,
    )  # fmt: skip


def metric(name: str, *, beyond: bool | None) -> dict[str, Any]:
    return {"name": name, "beyond": beyond}


def moved(*names: str, **how: bool) -> list[dict[str, Any]]:
    """Return x and y, of which those named drift."""
    plain = {"drifts": False, "severe": False, "shifts": False}
    return [
        {"name": name, **plain, **({"drifts": True, **how} if name in names else {})}
        for name in ("x", "y", "score")
    ]


def look(*windows: Window, limits: Thresholds = LIMITS) -> list[Seen]:
    return [saying.look(one, limits) for one in windows]


def over(history: list[Seen], subject: Subject) -> bool:
    since = history[1].until
    return left(history, subject, LIMITS, since, Severity.WARNING) is None


@pytest.mark.parametrize(
    ("subject", "bad", "silent"),
    [
        (
            AUC,
            {"metrics": [metric("accuracy", beyond=False), metric("auc", beyond=True)]},
            {"metrics": [metric("accuracy", beyond=False), metric("auc", beyond=None)]},
        ),
        (AUC, {"metrics": [metric("auc", beyond=True)]},
         {"metrics": [metric("accuracy", beyond=False)]}),
        (ESTIMATE, {"estimated": [metric("accuracy", beyond=True)]}, {"estimated": []}),
        (ESTIMATE, {"estimated": [metric("accuracy", beyond=True)]},
         {"estimated": [metric("accuracy", beyond=None)]}),
        ((AlertKind.DATA, "z"),
         {"variables": [{"name": "z", "drifts": True, "severe": False}]}, {"variables": moved()}),
    ],
)  # fmt: skip
def test_what_a_window_cannot_judge_it_does_not_say_is_back(
    subject: Subject, bad: dict[str, Any], silent: dict[str, Any]
) -> None:
    """However much it says of others."""
    history = look(
        window(0, **bad), window(1, **bad), *(window(day, **silent) for day in range(2, 9))
    )

    assert lasts(history, subject, LIMITS) is not None
    assert not over(history, subject)


def test_one_window_in_three_that_can_judge_a_metric_raises_it() -> None:
    history = look(
        *(
            window(day, metrics=[metric("auc", beyond=None if day % 3 else True)])
            for day in range(12)
        )
    )

    assert lasting(history, LIMITS) == {AUC: Severity.WARNING}


def test_what_outcomes_say_is_not_estimated_any_more() -> None:
    bad = [window(day, estimated=[metric("accuracy", beyond=True)]) for day in range(2)]
    known = [window(day, metrics=[metric("accuracy", beyond=True)]) for day in range(2, 5)]
    history = look(*bad, *known)

    assert over(history, ESTIMATE)
    assert lasting(history, LIMITS) == {(AlertKind.MATHEMATICAL, "accuracy"): Severity.CRITICAL}


def test_windows_are_believed_by_the_rows_that_they_were_judged_by() -> None:
    """A monitor that asked for more meanwhile had nothing said of them, not that all is well."""
    bad = [window(day, variables=moved("x"), judged_by=500) for day in range(2)]
    strict = [window(day, variables=moved(), judged_by=5000) for day in range(2, 6)]
    back = [window(6, variables=moved("x"), judged_by=500)]
    history = look(*bad, *strict, *back)

    assert not over(history[:-1], (AlertKind.DATA, "x"))
    assert lasting(history, LIMITS) == {(AlertKind.DATA, "x"): Severity.WARNING}


def test_a_segment_is_judged_beside_enough_of_its_time_before_and_of_what_there_is() -> None:
    def part(*names: str, before: int = 1000) -> dict[str, Any]:
        own = [item for item in moved(*names) if item["drifts"]]
        return {"segment": "state=NSW", "n": 1000, "before": before, "variables": own,
                "metrics": [metric("auc", beyond=None)]}  # fmt: skip

    windows = [
        window(day, variables=moved(), segments=[one])
        for day, one in enumerate([*[part("x")] * 2, *[part(before=10)] * 4, *[part()] * 3])
    ]
    seen = saying.histories(windows, LIMITS)
    history, own = saying.about(seen, (AlertKind.DATA, "x [state=NSW]"))

    assert own == (AlertKind.DATA, "x")
    assert not over(list(history)[:6], own)
    assert over(list(history), own)
    assert {voice.name for voice in history[-1].could} == {"x", "y", "score"}


def test_every_kind_has_its_say() -> None:
    (seen,) = look(
        window(
            0, variables=moved("x"), metrics=[metric("auc", beyond=True)],
            estimated=[metric("accuracy", beyond=True)],
            concept=[{"subject": "loss", "stands": True}],
            fairness=[{"name": "sex", "rate": "selection_rate", "beyond": True}],
            kpis=[{"key": "margin", "missed": True, "gravely": False}],
        )
    )  # fmt: skip

    assert out_of_bounds(seen) == {
        kind: int(kind is not AlertKind.PREDICTION) for kind in AlertKind
    }


@pytest.mark.anyio
async def test_what_labels_say_of_equal_treatment_is_looked_back_at(here: Watched) -> None:
    """However many windows are younger than their labels."""
    fair = [
        {"name": "sex", "rate": rate, "beyond": rate == "true_positive_rate"}
        for rate in ("selection_rate", "true_positive_rate")
    ]
    place = here.tenant, here.point, here.version
    async with here.session() as session:
        session.add_all(
            Window(
                tenant_id=place[0], point_id=place[1], version_id=place[2], n=600, labelled=0,
                since=START + timedelta(days=day), until=START + timedelta(days=day + 1),
                accuracy=None, degraded=None, alerting=[], variables=[],
                fairness=fair if day < 3 else fair[:1],
            )
            for day in range(HISTORY + 6)
        )  # fmt: skip
    async with here.db.session(here.tenant) as session:
        windows = await history_of(session, *place)

    assert len(windows) == HISTORY + 3
    seen = look(*windows, limits=Thresholds(fairness=("sex",)))
    assert lasting(seen, LIMITS) == {(AlertKind.FAIRNESS, "sex"): Severity.WARNING}
