"""Fields of bodies and queries that could name another tenant's thing, and how each is tried."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.live import unique
from tests.system.holdings import AT, Holdings, rising

FREE = {
    # what a new thing is called, and what people say of it
    "name", "key", "purpose", "description", "reason", "kind", "unit", "*",
    # of a version's content, which is stored and handed on, never looked up
    "source", "digest", "reference", "rows", "commit", "repository", "run", "summary",
    "intended_use", "limitations", "documents", "endpoint",
    # of what is measured
    "metric",
    # of a query, which reads what an operator has named for the tenant, and of its columns
    "sql", "time_column",
    # of what a version of its kind says of itself, likewise
    "algorithm", "framework", "equation", "assumptions", "rule_count", "objective", "constraints",
    "solver", "ontology", "entity_types", "relation_types", "entities", "relations", "tools",
    "base_model", "escalation", "prohibited_actions", "population", "location", "role",
    # a version's number within the model that is named beside it, and an instance of the versions
    "version", "number", "parents", "instance",
    # the sender's own name for his event
    "event_id",
    # of a profile: what counted it, in which bins, and the figures
    "arm", "layout_digest", "n", "counts",
    # who is decided about, by the application's own name
    "targetingKey",
    # features by which traffic is told apart, and their values
    "segments", "?segment", "fairness",
    # words to look for, pages, conditions, sizes, counts
    "?q", "?tag", "?metric", "?arm", "?bucket_hours", "?variable", "?windows",
    "?limit", "?version", "?if-match", "days",
    "min_rows", "window_hours", "window_events", "label_delay_hours",
    "drift_against", "business_against",
    "step_hours", "hits", "of", "weight", "burn_in_units", "burn_in_conversions",
    "update_seconds", "half_life_hours", "attribution_hours", "step_minutes", "min_rewards",
    "hours", "last", "max_minutes", "?depth", "?days", "raw_days", "receipt_days",
    # what people say of a request, an emergency, an edit
    "note", "review", "?reason", "unmeasured_because",
    # of a trust rule: whose tokens it will take, which are asked for outside
    "issuer", "audience",
    # of an alert: what is said of it, and the variable that a silence is about
    "comment", "subject",
    # a step of the case, and a rule of its gate, beside which the case is named
    "step", "rule",
    # decision points that a key is limited to: it reaches no further, whatever they say
    "points",
    # revisions and sizes of what each tenant has for itself, an entry's number in its stream
    "revision", "?revision", "?seq", "?size", "?old_size",
    # what was done, by the server's own word for it
    "?action",
    # where versions are deployed, and what is said of a target, an incident, a hand-off
    "stale_after_seconds", "keep_warm_minutes", "prepared_minutes", "detail", "health_path",
    "runbook", "contact", "on_call", "service_level", "rollback_plan", "notes",
    # the generation of the state that a deployer knows
    "?if-none-match", "?If-None-Match",
    # how old a table may be, and what then
    "after_seconds", "then",
    # shares of a layer's units, what shuffles them, an arm of the champion's, words of a context
    "begin", "end", "salt", "control", "levels",
    # a condition over what is measured, and how long and from how many events it is asked
    "when", "within_minutes", "min_events",
    # a column of the caller's own file
    "?time_column",
    # of a webhook: where events go, which types of them, how long two secrets sign
    "url", "types", "overlap_hours",
    # of a call to an endpoint: how often and how long, where in its answer, and its own names
    "requests", "concurrency", "timeout_ms", "pointer", "remote_model", "remote_version",
    # KPIs of the decision points that are named beside them, and of what part they are
    "kpis", "kpi", "?kpi", "segment", "currency", "window_days", "wait_days",
    # a formula over the scope's own points and KPIs, of which it finds no others
    "expression",
    # bytes of keys and signatures, and when it was signed
    "at", "public_key", "proof", "value",
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
    return with_ramp(own, {"strategy": {"kind": "split", "arms": arms}})


def climbing(own: Holdings, other: Holdings) -> dict[str, Any]:
    return with_ramp(own, {"strategy": {"kind": "ramp", "arm": arm(other, "a"), "control": "b"}})


def with_ramp(own: Holdings, segment: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A plan that keeps the ramp which the paths name."""
    return {"segments": [rising(own.place), segment], **more}


def crossed(own: Holdings, other: Holdings) -> dict[str, Any]:
    factor = {"name": "model", "levels": [arm(own, "a"), arm(other, "b")]}
    return with_ramp(own, {"strategy": {"kind": "multivariate", "factors": [factor]}})


def event(**more: Any) -> list[dict[str, Any]]:
    return [{"event_id": str(uuid.uuid4()), "at": AT, "score": 0.5, **more}]


def outcome() -> list[dict[str, Any]]:
    return [{"decision_id": str(uuid.uuid4()), "label": 1, "at": AT}]


def profile(model: Holdings, point: Holdings) -> dict[str, Any]:
    hours = [{"hour": AT, "n": 1, "variables": {}}]
    return at(model, point, id=str(uuid.uuid4()), layout_digest="sha256:1", hours=hours)


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


def beside(other: Holdings, side: str) -> dict[str, Any]:
    return {**CONTRACT, side: [other.place.point]}


def neighbour(side: str) -> dict[str, tuple[str, int, Named]]:
    """A contract that names a point of the other's as its neighbour, new or edited."""

    def made(_: Holdings, other: Holdings) -> dict[str, Any]:
        contract = beside(other, side)
        return {"key": unique("p"), "kind": "rule", "owner": "ops", "contract": contract}

    def edited(own: Holdings, other: Holdings) -> dict[str, Any]:
        # A point is not its own neighbour: of one's own there is another.
        if own is other:
            return {"contract": CONTRACT}
        return {"contract": beside(other, side)}

    return {
        f"POST /v1/decision-points .contract.{side}": ("ops", 404, made),
        f"PATCH /v1/decision-points/{{key}} .contract.{side}": ("ops", 404, edited),
    }


def run(model: Holdings, point: Holdings, **more: Any) -> dict[str, Any]:
    named = {"model": model.place.model, "version": 1, "decision_points": [point.place.point]}
    return {**named, **more}


def quiet(model: Holdings, point: Holdings) -> dict[str, Any]:
    return {**at(model, point), "subject": unique("x"), "reason": "a test", "hours": 1}


def of_case(other: Holdings) -> dict[str, Any]:
    return {"case_id": other.cases["activations"], "step": "application_integration"}


def rework(holder: Holdings) -> dict[str, Any]:
    return {
        "kind": "retrain", "model": holder.place.model, "version": 1, "cause": "request",
        "reason": "a test", "expected": {"metric": "accuracy", "by": 0.01},
    }  # fmt: skip


def handed_back(holder: Holdings) -> str:
    path = f"/v1/models/{holder.place.model}/versions/1/hand-back"
    return str(holder.live["dev"].get(path)["id"])


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
    **neighbour("upstream"),
    **neighbour("downstream"),
    "POST /v1/decision-points/{key}:check-contract .model": (
        "dev", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "POST /v1/models/{name}/versions/{number}:fork .into": (
        "dev", 404, lambda _, other: {"into": other.place.model},
    ),
    "POST /v1/validations .model": (
        "dev", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "POST /v1/releases .model": ("dev", 404, lambda own, other: at(other, own)),
    "POST /v1/releases .decision_point": ("dev", 404, at),
    "POST /v1/releases .validator": (
        "dev", 404, lambda own, other: {**at(own, own), "validator": other.person},
    ),
    "POST /v1/releases:run .model": ("dev", 404, lambda own, other: run(other, own)),
    "POST /v1/releases:run .decision_points": ("dev", 404, run),
    "POST /v1/releases:run .validator": (
        "dev", 404, lambda own, other: run(own, own, validator=other.person),
    ),
    "POST /v1/activations .model": ("ops", 404, lambda own, other: at(other, own)),
    "POST /v1/activations .decision_point": ("ops", 404, at),
    "PUT /v1/decision-points/{key}/plan .segments.strategy.arms.model": ("ops", 404, split),
    "PUT /v1/decision-points/{key}/plan .segments.strategy.arm.model": ("ops", 404, climbing),
    "PUT /v1/decision-points/{key}/plan .segments.strategy.factors.levels.model": (
        "ops", 404, crossed,
    ),
    "PUT /v1/decision-points/{key}/plan .shadows.model": (
        "ops", 404, lambda own, other: with_ramp(own, {}, shadows=[arm(other, "s")]),
    ),
    "PUT /v1/decision-points/{key}/fallback .model": (
        "ops", 404, lambda _, other: {
            "kind": "version", "model": other.place.model, "version": 1,
        },
    ),
    "POST /v1/decision-points/{key}:stop .model": (
        "ops", 404, lambda _, other: {"reason": "r", "model": other.place.model, "version": 1},
    ),
    "POST /v1/events .model": ("dev", 404, lambda own, other: at(other, own, events=event())),
    "POST /v1/events .decision_point": (
        "dev", 404, lambda own, other: at(own, other, events=event()),
    ),
    "POST /v1/profiles .model": ("app", 404, lambda own, other: profile(other, own)),
    "POST /v1/profiles .decision_point": ("app", 404, profile),
    "POST /v1/outcomes .model": ("dev", 404, lambda own, other: at(other, own, outcomes=outcome())),
    "POST /v1/outcomes .decision_point": (
        "dev", 404, lambda own, other: at(own, other, outcomes=outcome()),
    ),
    "POST /v1/events ?model": ("dev", 404, lambda own, other: at(other, own, events=event())),
    "POST /v1/events ?decision_point": (
        "dev", 404, lambda own, other: at(own, other, events=event()),
    ),
    "POST /v1/outcomes ?model": (
        "dev", 404, lambda own, other: at(other, own, outcomes=outcome()),
    ),
    "POST /v1/outcomes ?decision_point": (
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
    "POST /v1/procedures .model": ("dev", 404, lambda _, other: rework(other)),
    "POST /v1/procedures .cause_id": (
        "dev", 404, lambda own, other: {
            **rework(own), "cause": "hand_back", "cause_id": handed_back(other),
        },
    ),
    "POST /v1/procedures/{procedure_id}:link .model": (
        "dev", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "GET /v1/search ?model": ("aud", 404, lambda _, other: {"model": other.place.model}),
    "GET /v1/search ?owner": ("aud", 404, lambda _, other: {"owner": other.person}),
    "GET /v1/procedures ?model": ("aud", 404, lambda _, other: {"model": other.place.model}),
    "POST /v1/decision-points/{key}/targets/{target}/reports .model": (
        "ops", 404, lambda _, other: {
            "model": other.place.model, "version": 1, "digest": "sha256:1", "state": "warm",
        },
    ),
    "GET /v1/incidents ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "PUT /v1/decision-points/{key}/monitor .tell.who": (
        "ops", 404, lambda _, other: {"tell": [{"who": other.person}]},
    ),
    "GET /v1/alerts ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "GET /v1/alerts ?model": ("aud", 404, lambda _, other: {"model": other.place.model}),
    "PUT /v1/kpi-scopes/{scope} .decision_points": (
        "ops", 404, lambda _, other: {
            "kind": "process", "name": "s", "decision_points": [other.place.point],
        },
    ),
    "PUT /v1/kpi-scopes/{scope} .processes": (
        "ops", 404, lambda _, other: {
            "kind": "portfolio", "name": "s", "processes": [other.things["scope"]],
        },
    ),
    "POST /v1/silences .decision_point": ("ops", 404, quiet),
    "POST /v1/silences .model": ("ops", 404, lambda own, other: quiet(other, own)),
    "GET /v1/experiments ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "GET /v1/audit/proofs/inclusion ?stream": ("aud", 404, lambda _, other: other.entry),
    "GET /v1/cases ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "GET /v1/cases ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "POST /v1/decision-points/{key}/kpi-values .values.model": (
        "app", 404, lambda _, other: {
            "values": [
                {"kpi": "pushed", "at": AT, "value": 1, "model": other.place.model, "version": 1},
            ],
        },
    ),
    "GET /v1/models/{name}/versions/{number}/calibration ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "GET /v1/models/{name}/versions/{number}/feedback ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "GET /v1/models/{name}/versions/{number}/multivariate ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point},
    ),
    "GET /v1/models/{name}/versions/{number}/fairness ?decision_point": (
        "aud", 404, lambda _, other: {"decision_point": other.place.point, "variable": "x"},
    ),
    "GET /v1/decision-points/{key}/series ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "GET /v1/decision-points/{key}/value ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
    "GET /v1/decision-points/{key}/kpis:measure ?model": (
        "aud", 404, lambda _, other: {"model": other.place.model, "version": 1},
    ),
}  # fmt: skip
ELSEWHERE = {"POST /v1/models/{name}/versions .specifics.members.model",
             "POST /v1/cases/{case_id}/steps/{step}/evidence .signature.key_id",
             "POST /v1/decision-points/{key}/route .token",
             "POST /v1/decision-points/{key}/route:batch .units.token",
             "POST /v1/events .events.token", "POST /v1/profiles .id",
             "POST /v1/outcomes .outcomes.decision_id",
             "GET /v1/audit ?stream", "GET /v1/audit ?actor_id",
             "GET /v1/audit ?version_id",
             "POST /v1/decision-points/{key}:resume .stop_id",
             "POST /v1/decision-points/{key}:rollback .instead_of"}  # fmt: skip
"""What is answered in other ways than with a refusal of the whole: a test each."""
EMPTY = {"GET /v1/telemetry-gaps"}
"""Lists in which nothing stands so soon: of who was just seated nothing is missed yet."""
