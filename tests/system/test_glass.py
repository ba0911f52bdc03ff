"""Emergencies: how far one person goes alone, and what becomes of it when nobody agrees."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.client import Problem
from tests.live import (
    Live,
    Place,
    evidence,
    make_model,
    make_point,
    make_version,
    open_activation,
    ready_to_commit,
    released,
    validate,
)
from tests.system.doors import STEP, refused
from tests.tenants import another

HURRY = {"reason": "in a hurry"}


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


def glass(case: Any, step: str) -> str:
    return f"/v1/cases/{case['id']}/steps/{step}:break-glass"


def review(bank: Live, taken: Any, *, upheld: bool) -> Any:
    body = {"upheld": upheld, "review": "looked at"}
    return bank["com"].post(f"/v1/waivers/{taken['id']}:review", body)


def due(bank: Live, place: Place) -> dict[str, Any]:
    every = bank["aud"].pages("/v1/revalidations")
    return next(dict(one) for one in every if one["decision_point"] == place.point)


def test_one_person_goes_past_one_gate_alone_wherever_the_next_is(bank: Live) -> None:
    place = released(bank)
    case = open_activation(bank, place)
    taken = bank["ops"].post(glass(case, STEP), HURRY)
    other = refused(bank["ops"], glass(case, "model_deployment"), HURRY)
    again = bank["dev"].post("/v1/validations", {"model": place.model, "version": 1})
    earlier = refused(bank["ops"], glass(again, "technical_validation"), HURRY)
    review(bank, taken, upheld=True)
    second = bank["ops"].post(glass(case, "model_deployment"), HURRY)
    review(bank, second, upheld=False)
    third = refused(bank["ops"], glass(case, "model_deployment"), HURRY)

    assert other.code == earlier.code == third.code == "glass_unreviewed"
    assert other.document["waiver"] == taken["id"]
    assert f"POST /v1/waivers/{taken['id']}:review" in other.document["mend"]
    assert "waits for its review" in other.document["detail"]
    assert "was not upheld" in third.document["detail"]
    assert ":review" not in third.document["mend"]


def test_of_emergencies_at_once_one_is_granted(bank: Live) -> None:
    place = released(bank)
    cases = [open_activation(bank, place)]
    for _ in range(3):
        asked = {"model": place.model, "version": 1, "decision_point": make_point(bank)}
        cases.append(bank["dev"].post("/v1/releases", asked))
    steps = [STEP, *["parameter_testing"] * 3]

    def hurry(case: Any, step: str) -> str:
        try:
            bank["ops"].post(glass(case, step), HURRY)
        except Problem as problem:
            return problem.code
        return "granted"

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(hurry, cases, steps))

    assert found == ["glass_unreviewed"] * 3 + ["granted"]


def test_the_same_published_again_is_the_same_emergency(bank: Live) -> None:
    model = make_model(bank)
    artefact = "sha256:" + "1" * 64
    for digest in (artefact, artefact, "sha256:" + "2" * 64):
        make_version(bank, model, digest=digest)
    cases = [
        bank["dev"].post("/v1/validations", {"model": model, "version": number})
        for number in (1, 2, 3)
    ]
    step = "technical_validation"
    review(bank, bank["ops"].post(glass(cases[0], step), HURRY), upheld=False)
    again = refused(bank["ops"], glass(cases[1], step), HURRY)

    assert again.code == "glass_unreviewed"
    assert bank["ops"].post(glass(cases[2], step), HURRY)["rule"] == "*"


def test_the_same_under_another_model_s_name_is_the_same_where_it_decides(bank: Live) -> None:
    digest = "sha256:" + "3" * 64
    point = make_point(bank)
    cases = []
    for _ in range(2):
        model = make_model(bank)
        number = make_version(bank, model, digest=digest)
        validate(bank, model, number)
        asked = {"model": model, "version": number, "decision_point": point}
        cases.append(bank["dev"].post("/v1/releases", asked))
    bank["ops"].post(glass(cases[0], "parameter_testing"), HURRY)

    told = refused(bank["ops"], glass(cases[1], "kpi_validation"), HURRY)

    assert told.code == "glass_unreviewed"


def test_nobody_is_past_the_validation_of_a_grave_model_in_a_hurry(bank: Live) -> None:
    model = make_model(bank, tier="high")
    number = make_version(bank, model)
    case = bank["dev"].post("/v1/validations", {"model": model, "version": number})
    told = refused(bank["ops"], glass(case, "business_validation"), HURRY)

    assert (told.status, told.code) == (409, "no_emergency")
    assert "POST /v1/waivers" in told.document["mend"]
    assert ":stop" in told.document["mend"]


def test_what_went_past_in_a_hurry_that_was_none_is_due_at_once_and_its_owner_told(
    bank: Live,
) -> None:
    place = released(bank)
    case = open_activation(bank, place)
    evidence(bank["ops"], case, STEP, "minutes", {"page": 1})
    taken = bank["ops"].post(glass(case, "management_and_governance"), HURRY)
    ready_to_commit(bank, case)
    bank["ops"].post(f"/v1/activations/{case['id']}:commit")
    before = due(bank, place)
    reviewed = review(bank, taken, upheld=False)
    after = due(bank, place)
    validate(bank, place.model, place.version)
    mended = due(bank, place)

    told = [
        item["data"]
        for item in bank["aud"].pages("/v1/events-feed", limit=200)
        if item["type"] == "gates.glass.reviewed" and item["data"]["waiver_id"] == taken["id"]
    ]
    assert [(one["upheld"], one["gate"]) for one in told] == [(False, f"activation.{STEP}")]
    assert {one["name"] for one in told[0]["addressees"]} == {"dev", "ops"}
    assert (before["state"], after["state"]) == ("fine", "overdue")
    assert after["due"] == reviewed["reviewed_at"]
    assert datetime.fromisoformat(mended["due"]) > datetime.now(UTC) + timedelta(days=300)
