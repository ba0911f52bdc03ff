"""Versions of every kind, made over HTTP."""

from typing import Any

from tests.live import Live, unique

SPECIFICS: dict[str, dict[str, Any]] = {
    "machine_learning": {"algorithm": "logistic regression"},
    "mathematical": {"reference": "doi:10.1000/182", "assumptions": ["Demand is given."]},
    "rule_set": {"language": "cel", "rule_count": 3, "conflict_resolution": "first"},
    "optimiser": {
        "objective": "Cost.", "direction": "minimise", "constraints": [], "solver": "HiGHS",
    },
    "knowledge_graph": {
        "ontology": "grid/2", "entity_types": ["Line"], "relation_types": ["feeds"],
        "size": {"entities": 2, "relations": 1},
    },
    "agent": {
        "tools": ["read"], "base_model": "m", "autonomy_level": "suggests",
        "escalation": "The desk.", "prohibited_actions": ["Bid."],
    },
    "precalculated_scores": {
        "computed_at": "2026-06-01T00:00:00Z", "valid_until": "2026-07-01T00:00:00Z",
        "population": "Customers.", "key": "customer_id", "location": "s3://scores/june",
    },
    "ensemble": {"combiner": "mean"},
}  # fmt: skip


def specifics(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **SPECIFICS[kind], **more}


def content(**more: Any) -> dict[str, Any]:
    return {
        "source": "urn:model:test",
        "signature": {"inputs": [{"name": "x"}]},
        "training_data": {"reference": "made here"},
        "card": {"summary": "A test.", "intended_use": "A test."},
        **more,
    }


def make_model(live: Live, kind: str = "machine_learning", *, by: str = "dev") -> str:
    name = unique("model")
    body = {"name": name, "kind": kind, "risk_tier": "low", "owner": "dev", "purpose": "A test."}
    live[by].post("/v1/models", body)
    return name


def publish(live: Live, model: str, *, by: str = "dev", **more: Any) -> Any:
    return live[by].post(f"/v1/models/{model}/versions", content(**more))


def make_version(live: Live, kind: str = "machine_learning", **more: Any) -> str:
    """The name of a new model whose version 1 was published."""
    model = make_model(live, kind)
    publish(live, model, specifics=specifics(kind), **more)
    return model


def make_ensemble(live: Live, *members: str, model: str | None = None, **more: Any) -> str:
    """The name of an ensemble of the first versions of models."""
    model = model or make_model(live, "ensemble")
    named = [{"model": member, "version": 1} for member in members]
    publish(live, model, specifics=specifics("ensemble", members=named), **more)
    return model
