"""What bodies, queries and cursors name of another tenant does not exist either."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.kit.actor import SYSTEM_ID
from tests.catalog.assets import content, make_model, specifics
from tests.platform.wire import problem_of, speaker
from tests.system.holdings import AT, Holdings
from tests.system.naming import (
    ELSEWHERE,
    EMPTY,
    FREE,
    NAMING,
)
from tests.ways import WAYS, body_of, operation_of, resolved

LISTS = [
    way
    for way in WAYS
    if any(found["name"] == "cursor" for found in operation_of(way).get("parameters", ()))
]


def leaves(schema: dict[str, Any], name: str) -> Iterator[str]:
    """Yield every place of a schema where free text or a whole number may stand."""
    schema = resolved(schema)
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from leaves(part, name)
    for part, inner in schema.get("properties", {}).items():
        yield from leaves(inner, f"{name}.{part}")
    for keyword, more in (("items", ""), ("additionalProperties", ".*")):
        if isinstance(schema.get(keyword), dict):
            yield from leaves(schema[keyword], name + more)
    types = schema.get("type", ())
    spoken = {"string", "integer"} & set([types] if isinstance(types, str) else types)
    if spoken and not {"enum", "const"} & set(schema) and schema.get("format") != "date-time":
        yield name


def fields() -> Iterator[str]:
    """Yield every field of every body and query that is not on the list of free ones."""
    for way in WAYS:
        places = set(leaves(body_of(way) or {}, ""))
        for found in operation_of(way).get("parameters", ()):
            if found["in"] != "path":
                places |= set(leaves(found["schema"], f"?{found['name']}"))
        yield from (f"{way} {place}" for place in places if place.split(".")[-1] not in FREE)


def test_every_field_that_could_name_another_tenants_thing_is_tried() -> None:
    cursors = {f"{way} ?cursor" for way in LISTS}

    assert set(fields()) == NAMING.keys() | ELSEWHERE | cursors


def say(own: Holdings, field: str, who: str, sent: Any) -> httpx.Response:
    """Make the call of a field, on the present state of what it edits."""
    way = next(way for way in WAYS if field.startswith(f"{way} "))
    speaks, url = speaker(own.live, who), own.url(way)
    if way.method == "GET":
        return speaks.get(url, params=sent)
    edited = speaks.get(url) if way.method in {"PATCH", "PUT"} else None
    headers = {"If-Match": edited.headers["etag"]} if edited else {}
    if " ?" in field:
        rows = {name: value for name, value in sent.items() if isinstance(value, list)}
        named = {name: value for name, value in sent.items() if name not in rows}
        return speaks.request(way.method, url, json=rows, params=named)
    return speaks.request(way.method, url, json=sent, headers=headers)


@pytest.mark.parametrize("field", NAMING)
def test_what_a_field_names_of_another_tenant_is_not_found(
    own: Holdings, other: Holdings, field: str
) -> None:
    who, status, make = NAMING[field]
    sent = make(own, other)

    answer = say(own, field, who, sent)

    refused = problem_of(answer, status, "not_found" if status == 404 else "owner_required")
    foreign = {
        other.place.model, other.place.point, other.person, other.account,
        other.cases["activations"], other.entry["stream"], other.things["scope"], *other.ids,
    }  # fmt: skip
    assert [name for name in foreign if name in refused["detail"]], refused
    assert other.seen_in(answer.text, json.dumps(sent)) == set()


def test_anothers_version_is_never_champion_here(own: Holdings, other: Holdings) -> None:
    path = f"/v1/models/{other.place.model}/versions/{other.place.version}"
    theirs = other.live["dev"].get(path)["id"]
    sent = {"instead_of": theirs, "reason": "a test"}

    field = "POST /v1/decision-points/{key}:rollback .instead_of"
    answer = say(own, field, "ops", sent)

    assert answer.status_code == 409
    assert other.seen_in(answer.text, json.dumps(sent)) == set()


def test_anothers_stop_is_not_resumed_here(own: Holdings, other: Holdings) -> None:
    point, stopping = f"/v1/decision-points/{other.place.point}", {"reason": "a test"}
    theirs = other.live["ops"].post(f"{point}:stop", stopping)["id"]
    sent = {"reason": "a test", "stop_id": theirs}

    answer = say(own, "POST /v1/decision-points/{key}:resume .stop_id", "ops", sent)

    assert theirs in problem_of(answer, 404, "not_found")["detail"]
    assert other.seen_in(answer.text, json.dumps(sent)) == set()
    assert len(other.live["ops"].post(f"{point}:resume", stopping)["resumed"]) == 1


def test_anothers_version_is_never_a_member_here(own: Holdings, other: Holdings) -> None:
    inside = [{"model": holder.place.model, "version": 1} for holder in (own, other)]
    sent = content(specifics=specifics("ensemble", members=inside))

    path = f"/v1/models/{make_model(own.live, 'ensemble')}/versions"
    answer = speaker(own.live, "dev").post(path, json=sent)

    assert other.place.model in problem_of(answer, 404, "not_found")["detail"]
    assert other.seen_in(answer.text, json.dumps(sent)) == set()


def test_the_same_fields_name_ones_own_things(own: Holdings) -> None:
    """With both names its own, none of the bodies is refused for what it names."""
    for field, (who, _, make) in NAMING.items():
        answer = say(own, field, who, make(own, own))

        assert answer.status_code in {200, 201, 202, 409, 412, 422}, (field, answer.text)
        # Found, but not somebody who can be that here.
        known = "same name" in answer.text or "unfit_validator" in answer.text
        assert answer.status_code != 422 or known, (field, answer.text)


def test_another_tenants_token_is_a_forged_one(own: Holdings, other: Holdings) -> None:
    sent = {"events": [{"token": other.token, "at": AT, "score": 1}]}

    refused = problem_of(speaker(own.live, "app").post("/v1/events", json=sent), 422, "no_events")

    assert [bad["code"] for bad in refused["rejected"]] == ["bad_token"]


def test_an_outcome_of_another_tenants_decision_is_not_its_outcome(
    own: Holdings, other: Holdings
) -> None:
    decision = other.things["decision_id"]
    sent = {"outcomes": [{"decision_id": decision, "label": 1, "at": AT}]}

    # Outcomes may come before their events: that nobody knows the decision is no fault.
    assert own.live["app"].post("/v1/outcomes", sent)["accepted"] == 1

    assert other.live["aud"].get(f"/v1/decisions/{decision}")["outcome"] is None
    problem_of(speaker(own.live, "aud").get(f"/v1/decisions/{decision}"), 404, "not_found")


def test_another_tenants_streams_are_empty(own: Holdings, other: Holdings) -> None:
    entries = list(other.live["aud"].pages("/v1/audit", limit=200))
    streams, actors = {e["stream"] for e in entries}, {e["actor_id"] for e in entries}
    versions = set(other.ids) & {e["details"].get("version") for e in entries}

    assert len(streams) > 5
    assert len(actors) > 3
    assert versions
    for name, values in (("stream", streams), ("actor_id", actors), ("version_id", versions)):
        for value in sorted(values - {str(SYSTEM_ID)})[:200]:
            assert own.live["aud"].get("/v1/audit", **{name: value})["items"] == [], value


@pytest.mark.parametrize("way", LISTS, ids=str)
def test_no_page_of_a_list_holds_anything_of_another_tenant(
    own: Holdings, other: Holdings, way: Any
) -> None:
    query = own.query(way)
    items = list(own.live["aud"].pages(own.url(way), limit=200, **query))
    after = other.live["aud"].get(other.url(way), limit=1, **other.query(way))["next_cursor"]
    crossed = speaker(own.live, "aud").get(own.url(way), params={**query, "cursor": after or ""})

    assert other.seen_in(json.dumps(items), own.url(way)) == set()
    assert crossed.status_code in {200, 400}, crossed.text
    assert other.seen_in(crossed.text, str(after)) == set()
    if len(way.parameters) == 0 and str(way) not in EMPTY:
        assert items
