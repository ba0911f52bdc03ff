"""The schedule: what is due, who is told once, and a validation that fails."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import revalidation
from app.client import Client, Problem
from tests.live import Live, Place, champion, make_model, make_version, validate
from tests.notifications.test_feed import Reader
from tests.platform.wire import problem_of, speaker
from tests.revalidation.aging import edited, step, validated_ago
from tests.tenants import another

YEAR = 365


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


@pytest.fixture(scope="module")
def place(bank: Live) -> Place:
    return champion(bank)


def listed(bank: Live, place: Place, **query: Any) -> list[Any]:
    found = bank["aud"].pages("/v1/revalidations", **query)
    return [item for item in found if item["decision_point"] == place.point]


def notices(reader: Reader, place: Place) -> list[Any]:
    while reader.more():
        pass
    return [
        event
        for event in reader.seen
        if event["type"].startswith("revalidation.") and event["data"]["point"] == place.point
    ]


def test_a_champion_is_due_a_year_after_a_person_validated_it(bank: Live, place: Place) -> None:
    (item,) = listed(bank, place)

    due = datetime.fromisoformat(item["due"])
    assert due == datetime.fromisoformat(item["validated_at"]) + timedelta(days=YEAR)
    assert (item["model"], item["version"], item["role"]) == (place.model, 1, "champion")
    assert (item["state"], item["days_left"], item["tier"]) == ("fine", YEAR - 1, "low")
    assert (item["validated_by"], item["asked"]) == (["val"], ["dev"])


@pytest.mark.parametrize(
    ("ago", "state", "late"),
    [
        (340, "due_soon", False),
        (360, "due", False),
        (366, "overdue", True),
        (380, "escalated", True),
    ],
)
def test_the_list_says_how_near_the_day_is_and_can_be_narrowed(
    bank: Live, place: Place, ago: int, state: str, *, late: bool
) -> None:
    validated_ago(bank, place, ago)
    soon = (datetime.now(UTC) + timedelta(days=YEAR - ago + 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = (datetime.now(UTC) + timedelta(days=YEAR - ago - 1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    (item,) = listed(bank, place)

    assert item["state"] == state
    assert len(listed(bank, place, overdue="true")) == late
    assert len(listed(bank, place, overdue="false")) == (not late)
    assert len(listed(bank, place, due_before=soon)) == 1
    assert listed(bank, place, due_before=before) == []
    assert ("com" in item["asked"]) is (state == "escalated")


def test_pages_hold_each_term_once(bank: Live, place: Place) -> None:
    champion(bank)
    every = list(bank["aud"].pages("/v1/revalidations"))

    assert list(bank["aud"].pages("/v1/revalidations", limit=1)) == every
    assert len({item["decision_point"] for item in every}) == len(every) >= 2
    assert place.point in {item["decision_point"] for item in every}


def test_each_is_told_once_and_the_committee_at_last(bank: Live) -> None:
    place, reader = champion(bank), Reader(bank).catch_up()
    for ago in (YEAR - 29.5, YEAR - 29.5, YEAR - 6.5, YEAR - 0.5, YEAR + 0.5, YEAR + 7.5):
        validated_ago(bank, place, ago)
        for _ in range(2):
            step(bank, revalidation.remind)

    told = notices(reader, place)
    # Each day's edit made another due date: so also twice the first reminder, of two dates.
    assert [(e["type"], e["data"]["days_left"]) for e in told] == [
        ("revalidation.due", 29), ("revalidation.due", 29), ("revalidation.due", 6),
        ("revalidation.due", 0), ("revalidation.overdue", -1), ("revalidation.escalated", -8),
    ]  # fmt: skip
    people = [[person["name"] for person in e["data"]["addressees"]] for e in told]
    assert people[:-1] == [["dev"]] * 5
    # The owner is on the committee himself, and is told once.
    assert (people[-1][0], sorted(people[-1])) == ("dev", ["com", "dev"])
    entries = bank["aud"].pages("/v1/audit", stream=f"version:{told[0]['data']['version_id']}")
    actions = [entry["action"] for entry in entries]
    assert (actions.count("revalidation.due"), actions.count("revalidation.escalated")) == (4, 1)


def test_a_new_validation_ends_the_alarm(bank: Live) -> None:
    place = champion(bank)
    validated_ago(bank, place, YEAR + 10)
    step(bank, revalidation.remind)
    validate(bank, place.model, place.version)
    (item,) = listed(bank, place)
    reader = Reader(bank).catch_up()
    step(bank, revalidation.remind)

    assert (item["state"], item["days_left"]) == ("fine", YEAR - 1)
    assert notices(reader, place) == []


def opened(bank: Live, place: Place) -> Any:
    return bank["dev"].post("/v1/validations", {"model": place.model, "version": place.version})


def fail(client: Client, case: Any, path: str = "mathematical_drift") -> Any:
    body = {"path": path, "reason": "It does not find what it found."}
    return client.post(f"/v1/validations/{case['id']}:fail", body)


def test_a_validation_that_fails_sends_a_champion_back_on_its_path(bank: Live) -> None:
    place = champion(bank)
    case, reader = opened(bank, place), Reader(bank).catch_up()

    closed = fail(bank["val"], case)

    version = bank["dev"].get(f"/v1/models/{place.model}/versions/1")
    assert (closed["result"], version["stage"]) == ("mathematical_drift", "returned")
    assert version["returned_to"] == "analysis"
    reader.until("release.version.returned", model=place.model)
    event = next(e for e in reader.seen if e["type"] == "release.version.returned")
    assert event["data"]["path"] == "mathematical_drift"
    assert [person["name"] for person in event["data"]["addressees"]] == ["dev"]
    with pytest.raises(Problem) as again:
        fail(bank["val"], case)
    assert again.value.code == "case_closed"
    # It may be validated anew, and fail anew: it is back already.
    assert fail(bank["val"], opened(bank, place), "data_drift")["result"] == "data_drift"
    after = bank["dev"].get(f"/v1/models/{place.model}/versions/1")
    assert (after["stage"], after["returned_to"]) == ("returned", "analysis")
    actions = [e["action"] for e in bank["aud"].pages("/v1/audit", version_id=version["id"])]
    assert {"validation.failed", "version.returned"} <= set(actions)


def test_what_was_never_valid_can_fail_too(bank: Live) -> None:
    model = make_model(bank)
    place = Place(model, "", make_version(bank, model))
    case = opened(bank, place)
    fail(bank["val"], case, "business_drift")

    version = bank["dev"].get(f"/v1/models/{model}/versions/1")
    assert (version["stage"], version["returned_to"]) == ("returned", "business_understanding")


def test_nobody_fails_what_he_had_a_part_in(bank: Live) -> None:
    _, key = bank.newcomer("developer", "validator")
    model = make_model(bank)
    make_version(bank, model)
    with Client(bank.url, key) as both:
        case = both.post("/v1/validations", {"model": model, "version": 1})
        with pytest.raises(Problem) as own:
            fail(both, case)
    body = {"path": "data_drift", "reason": "no"}
    path = f"/v1/validations/{case['id']}:fail"
    denied = speaker(bank, "ops").post(path, json=body)
    wrong = speaker(bank, "val").post(path, json={**body, "path": "delivers_as_promised"})

    assert own.value.code == "self_approval"
    problem_of(denied, 403, "permission_denied")
    assert wrong.status_code == 422


def test_scores_that_were_computed_beforehand_are_due_when_they_expire(bank: Live) -> None:
    place = champion(bank)
    until = datetime.now(UTC).replace(microsecond=0)

    def expiring(at: datetime) -> tuple[Any, set[str]]:
        edited(
            bank,
            "UPDATE catalog_version SET specifics = jsonb_build_object("
            "'kind', 'precalculated_scores', 'valid_until', %s::text) WHERE id = %s",
            at.isoformat(),
            bank["aud"].get(f"/v1/models/{place.model}/versions/1")["id"],
        )
        (item,) = listed(bank, place)
        said = bank["aud"].get("/v1/adherence")["findings"]
        subject = f"{place.model}@1 at {place.point}"
        return item, {one["kind"] for one in said if one["subject"] == subject}

    soon, fine = expiring(until + timedelta(days=20))
    late, found = expiring(until - timedelta(days=1))

    assert datetime.fromisoformat(soon["due"]) == until + timedelta(days=20)
    assert (soon["days_left"], fine) == (19, set())
    assert late["state"] == "overdue"
    assert found == {"scores_expired", "revalidation_overdue"}
