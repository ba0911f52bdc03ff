"""Money of different currencies is not added up, and what nobody said is said to be unknown."""

from typing import Any

import pytest

from tests.kpi.scopes.test_scopes_live import KPI, make_scope, put
from tests.live import Live, lift_control, make_point, unique
from tests.platform.wire import problem_of


@pytest.fixture(scope="module", autouse=True)
def _uncontrolled(live: Live) -> None:
    lift_control(live, "kpi")


def agree_at(live: Live, point: str, currency: str, **terms: Any) -> None:
    said = {"name": "k", "threshold": 0, "unit": currency, "currency": currency, **terms}
    live["ops"].put(f"/v1/decision-points/{point}/kpis/{unique('kpi')}", said)


PRICES = {"false_positive": -5.0, "true_positive": 40.0}


def test_errors_and_prices_are_of_one_currency_too(live: Live) -> None:
    here, there = make_point(live), make_point(live)
    agree_at(live, here, "AUD", formula="mae")
    agree_at(live, there, "JPY", formula="mae")
    path = f"/v1/kpi-scopes/{make_scope(live, here, there)}/kpis"
    ways: list[dict[str, Any]] = [
        {"formula": "mae"},
        {"formula": "rmse"},
        {"formula": "bias"},
        {"formula": "total_reward"},
        {"formula": "error_cost", "prices": PRICES},
        {"formula": "expression", "expression": "absolute_error / erred"},
        {"formula": "expression", "expression": "squared_error / erred"},
    ]

    for number, terms in enumerate(ways):
        answer = put(live, f"{path}/k{number}", {**KPI, **terms})
        refused = problem_of(answer, 409, "mixed_currencies")
        assert refused["currencies"] == {"AUD": [here], "JPY": [there]}, terms
    for key, terms in (("auc", {"formula": "auc", "threshold": 0.5}), ("p", {"formula": "pushed"})):
        assert put(live, f"{path}/{key}", {**KPI, **terms}).status_code == 200


def test_errors_of_what_is_no_money_are_added_up_whatever_money_the_decisions_bring(
    live: Live,
) -> None:
    here, there = make_point(live), make_point(live)
    agree_at(live, here, "AUD", formula="mean_reward")
    agree_at(live, there, "JPY", formula="mean_reward")
    path = f"/v1/kpi-scopes/{make_scope(live, here, there)}/kpis"

    minutes = put(live, f"{path}/late", {**KPI, "formula": "mae", "unit": "minutes"})

    assert minutes.status_code == 200, minutes.text
    # Of what they bring there is no sum, though, and no common price of a wrong answer.
    for formula, more in (("net_value", {}), ("error_cost", {"prices": PRICES})):
        answer = put(live, f"{path}/{formula}", {**KPI, "formula": formula, **more})
        problem_of(answer, 409, "mixed_currencies")


def test_points_without_a_currency_are_named(live: Live) -> None:
    here, silent = make_point(live), make_point(live)
    agree_at(live, here, "JPY")
    path = f"/v1/kpi-scopes/{make_scope(live, here, silent)}"
    for key, terms in (("net", {}), ("mae", {"formula": "mae"}), ("named", {"currency": "JPY"})):
        assert put(live, f"{path}/kpis/{key}", {**KPI, **terms}).status_code == 200

    found = {one["key"]: one for one in live["aud"].get(f"{path}/measured")["measures"]}

    said = {key: (one["currency"], one["currency_unknown"]) for key, one in found.items()}
    assert said == {"net": ("JPY", [silent]), "named": ("JPY", [silent]), "mae": (None, [])}
