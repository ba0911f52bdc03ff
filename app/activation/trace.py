"""The trace of one decision: from its outcome back to the people who approved."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, identity, routing, telemetry
from app.activation import handoff
from app.kit.actor import Actor
from app.kit.refusal import NotFound


async def trace(session: AsyncSession, decision_id: UUID, *, by: Actor) -> dict[str, Any]:
    """Return everything that is known about one decision."""
    rows = await telemetry.events_of(session, by.tenant_id, decision_id)
    if not rows:
        raise NotFound("decision with a scored event", decision_id)
    versions = await catalog.versions_by_id(
        session, by.tenant_id, {series.version_id for _, series, _ in rows}
    )
    _, main, raw = rows[0]
    point = await catalog.point_by_id(session, by.tenant_id, main.point_id)
    outcome, before = await telemetry.became_of(session, by.tenant_id, decision_id)
    model, version = versions[main.version_id]
    developer = await identity.names_of(
        session, by.tenant_id, {version.developer_id, model.owner_id}
    )
    found: dict[str, Any] = {
        "decision_id": decision_id,
        "decision_point": point.key,
        "events": [
            _event(receipt, series, raw_event, *versions[series.version_id])
            for receipt, series, raw_event in rows
        ],
        "outcome": outcome and {**_said(outcome), "history": [_said(one) for one in before]},
        "plan": None,
        "version": {
            "model": model.name,
            "number": version.number,
            "stage": version.stage,
            "digest": version.digest,
            "content_digest": version.content_digest,
            "developer": developer.get(version.developer_id),
            "owner": developer.get(model.owner_id),
        },
        "cases": await _cases(session, by.tenant_id, main.version_id),
        "stop": None,
    }
    if raw is not None and main.arm == routing.FALLBACK:
        behind = await routing.stop_behind(session, by.tenant_id, point.id, raw.generation)
        found["stop"] = behind and await _stop(session, behind)
    if raw is not None and raw.plan_revision:
        plan = await routing.plan_at(session, by.tenant_id, point.id, raw.plan_revision)
        authors = await identity.names_of(session, by.tenant_id, {plan.author_id})
        found["plan"] = {
            "revision": plan.revision,
            "digest": plan.digest,
            "author": authors.get(plan.author_id),
            "cause": plan.cause,
            "strategy": routing.strategy_behind(plan, main.arm),
            "generation": raw.generation,
            "propensity": raw.propensity,
            "decided_at": raw.decided_at,
        }
    return found


async def _stop(session: AsyncSession, stop: routing.Stop) -> dict[str, Any]:
    """Return the stop under which the fallback answered: who pressed it, and why."""
    names = await identity.names_of(session, stop.tenant_id, {stop.stopped_by})
    return {
        "id": stop.id,
        "cause": stop.cause,
        "reason": stop.reason,
        "stopped_by": names.get(stop.stopped_by),
        "since": stop.since,
        "until": stop.until,
    }


def _said(one: telemetry.Outcome | telemetry.OutcomeHistory) -> dict[str, Any]:
    said = ("label", "reward", "cost", "revision", "at", "received_at")
    return {name: getattr(one, name) for name in said}


def _event(
    receipt: telemetry.Receipt,
    series: telemetry.Series,
    raw: telemetry.RawEvent | None,
    model: catalog.Model,
    version: catalog.Version,
) -> dict[str, Any]:
    return {
        "event_id": receipt.event_id,
        "model": model.name,
        "version": version.number,
        "arm": series.arm,
        "shadow": telemetry.is_shadow(series.arm),
        "at": receipt.at,
        "score": receipt.score,
        "prediction": receipt.prediction,
        "features": raw.features if raw else None,
    }


async def _cases(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> list[dict[str, Any]]:
    """Return the version's validations, releases and activations, with who approved."""
    rows = list(
        await session.scalars(
            select(gates.Case)
            .filter_by(tenant_id=tenant_id, version_id=version_id)
            .order_by(gates.Case.opened_at)
        )
    )
    signed = await gates.signed(session, tenant_id, {case.id for case in rows})
    return [
        {
            "case_id": case.id,
            "kind": case.kind,
            "role": case.details.get("role"),
            "result": case.result,
            "policy": f"{case.tier} revision {case.policy_revision}",
            "approvals": signed[case.id][1],
            "hand_off": await handoff.traced(session, case),
        }
        for case in rows
    ]
