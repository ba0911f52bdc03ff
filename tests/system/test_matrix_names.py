"""What bodies, queries and cursors name of another tenant does not exist either."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.kit.actor import SYSTEM_ID
from tests.live import unique
from tests.platform.wire import problem_of, speaker
from tests.system.holdings import AT, Holdings
from tests.ways import WAYS, body_of, operation_of, resolved

FREE = {
    # what a new thing is called, and what people say of it
    "name", "key", "purpose", "description", "reason", "kind", "unit", "*",
    # of a version's content, which is stored and handed on, never looked up
    "source", "digest", "reference", "rows", "commit", "repository", "run", "summary",
    "intended_use", "limitations", "documents", "endpoint",
    # a version's number within the model that is named beside it
    "version", "number", "parents",
    # the sender's own name for his event
    "event_id",
    # words to look for, pages, conditions, sizes, counts
    "?q", "?tag", "?limit", "?version", "?if-match", "days", "min_rows", "window_hours",
    "step_hours", "hits", "of", "weight", "burn_in_units", "burn_in_conversions",
    "update_seconds", "hours", "last", "max_minutes",
    # what people say of a request, an emergency, an edit
    "note", "review", "?reason",
    # of a trust rule: whose tokens it will take, which are asked for outside
    "issuer", "audience",
    # a step of the case, and a rule of its gate, beside which the case is named
    "step", "rule",
    # decision points that a key is limited to: it reaches no further, whatever they say
    "points",
    # revisions and sizes of what each tenant has for itself, an entry's number in its stream
    "revision", "?revision", "?seq", "?size", "?old_size",
    # what was done, by the server's own word for it
    "?action",
}  # fmt: skip
"""Fields of text and whole numbers that name nothing which exists already, by their last part."""

Named = Callable[[Holdings, Holdings], Any]
"""Makes a body, or a query, of the first tenant's things in which one is the second's."""

PLAIN = {"risk_tier": "low", "purpose": "Ours."}
CONTRACT = {"inputs": [{"name": "x"}], "events_per_minute": 1, "latency_ms": 1}


def at(model: Holdings, point: Holdings, **more: Any) -> dict[str, Any]:
    named = {"model": model.place.model, "version": 1, "decision_point": point.place.point}
    return {**named, **more}


def arm(holder: Holdings, name: str) -> dict[str, Any]:
    return {"name": name, "model": holder.place.model, "version": 1}


def split(own: Holdings, other: Holdings) -> dict[str, Any]:
    arms = [{**arm(own, "a"), "weight": 1}, {**arm(other, "b"), "weight": 1}]
    return {"segments": [{"strategy": {"kind": "split", "arms": arms}}]}


def event(**more: Any) -> list[dict[str, Any]]:
    return [{"event_id": str(uuid.uuid4()), "at": AT, "score": 0.5, **more}]


def outcome() -> list[dict[str, Any]]:
    return [{"decision_id": str(uuid.uuid4()), "label": 1, "at": AT}]


def bot(_: Holdings, other: Holdings) -> dict[str, Any]:
    return {"name": unique("bot"), "kind": "service", "owner": other.person, "roles": ["auditor"]}


def loan(_: Holdings, other: Holdings) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return {"to": other.person, "roles": ["validator"], "until": until, "reason": "a test"}


def trust(_: Holdings, other: Holdings) -> dict[str, Any]:
    return {
        "name": unique("rule"), "provider": "generic", "issuer": "https://ci.example.com",
        "audience": "modelward", "claims": {"project": "1"}, "roles": ["application"],
        "principal_id": other.account,
    }  # fmt: skip


def of_case(other: Holdings) -> dict[str, Any]:
    return {"case_id": other.cases["activations"], "step": "application_integration"}


NAMING: dict[str, tuple[str, int, Named]] = {
    "POST /v1/principals .owner": ("admin", 422, bot),
    "POST /v1/models .owner": (
        "dev", 404, lambda _, other: {**PLAIN, "name": unique("m"), "owner": other.person},
    ),
    "PATCH /v1/models/{name} .owner": ("dev", 404, lambda _, other: {"owner": other.person}),
    "POST /v1/decision-points .owner": (
        "ops", 404, lambda _, other: {
            "key": unique("p"), "kind": "rule", "owner": other.person, "contract": CONTRACT,
        },
    ),
    "POST /v1/validations .model": (
        "dev", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "POST /v1/releases .model": ("dev", 404, lambda own, other: at(other, own)),
    "POST /v1/releases .decision_point": ("dev", 404, at),
    "POST /v1/activations .model": ("ops", 404, lambda own, other: at(other, own)),
    "POST /v1/activations .decision_point": ("ops", 404, at),
    "PUT /v1/decision-points/{key}/plan .segments.strategy.arms.model": ("ops", 404, split),
    "PUT /v1/decision-points/{key}/plan .shadows.model": (
        "ops", 404, lambda _, other: {"shadows": [arm(other, "s")]},
    ),
    "POST /v1/events .model": ("dev", 404, lambda own, other: at(other, own, events=event())),
    "POST /v1/events .decision_point": (
        "dev", 404, lambda own, other: at(own, other, events=event()),
    ),
    "POST /v1/outcomes .model": ("dev", 404, lambda own, other: at(other, own, outcomes=outcome())),
    "POST /v1/outcomes .decision_point": (
        "dev", 404, lambda own, other: at(own, other, outcomes=outcome()),
    ),
    "POST /v1/delegations .to": ("val", 404, loan),
    "POST /v1/trust-rules .principal_id": ("admin", 404, trust),
    "POST /v1/approval-requests .case_id": ("ops", 404, lambda _, other: of_case(other)),
    "POST /v1/waivers .case_id": (
        "ops", 404, lambda _, other: {
            **of_case(other), "rule": "traffic", "days": 1, "reason": "a test",
        },
    ),
    "GET /v1/audit/proofs/inclusion ?stream": ("aud", 404, lambda _, other: other.entry),
    "GET /v1/search ?model": ("aud", 404, lambda _, other: {"model": other.place.model}),
    "GET /v1/search ?owner": ("aud", 404, lambda _, other: {"owner": other.person}),
    "GET /v1/cases ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "GET /v1/decision-points/{key}/kpis:measure ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
}  # fmt: skip
ELSEWHERE = {"POST /v1/events .events.token", "POST /v1/outcomes .outcomes.decision_id",
             "GET /v1/audit ?stream", "GET /v1/audit ?actor_id",
             "GET /v1/audit ?version_id",
             "POST /v1/decision-points/{key}:rollback .instead_of"}  # fmt: skip
"""What is answered in other ways than with a refusal of the whole: a test each."""
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
        other.cases["activations"], other.entry["stream"],
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


def test_the_same_fields_name_ones_own_things(own: Holdings) -> None:
    """With both names its own, none of the bodies is refused for what it names."""
    for field, (who, _, make) in NAMING.items():
        answer = say(own, field, who, make(own, own))

        assert answer.status_code in {200, 201, 202, 409, 412, 422}, (field, answer.text)
        assert answer.status_code != 422 or "same name" in answer.text, (field, answer.text)


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
    if len(way.parameters) == 0:
        assert items
