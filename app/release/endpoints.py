"""Endpoint identification: the version's signature against the decision point's contract."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates
from app.gates import ReleaseStep
from app.kit.actor import Actor
from app.release.contract import mismatches

_LONG = frozenset({"input_schema", "output_schema"})


def about_point(point: catalog.DecisionPoint) -> dict[str, Any]:
    """Return what rules may know of a decision point: its contract, the schemas left out.

    Verdicts keep all that rules may know, for ever; whether the schemas fit is evidence.
    """
    terms = {name: value for name, value in point.contract.items() if name not in _LONG}
    return {"key": point.key, "kind": point.kind.value, **terms}


async def measure_contract(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Record everything in which a case's version does not fit its decision point."""
    assert case.point_id is not None  # noqa: S101 - a release has a point
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    await gates.add_evidence(
        session,
        case.id,
        ReleaseStep.ENDPOINT_IDENTIFICATION,
        kind="contract",
        payload=await _compared(point, version),
        by=by,
        measured=True,
    )


async def check_contract(
    session: AsyncSession, key: str, *, model: str, number: int, by: Actor
) -> dict[str, Any]:
    """Return what endpoint identification would find; nothing is opened or recorded."""
    point = await catalog.point_by_key(session, key, by=by)
    version = await catalog.find_version(session, model, number, by=by)
    named = {"decision_point": key, "model": model, "version": number}
    return {**named, **await _compared(point, version)}


async def _compared(point: catalog.DecisionPoint, version: catalog.Version) -> dict[str, Any]:
    contract = catalog.Contract.model_validate(point.contract)
    signature = catalog.Signature.model_validate(version.signature)
    found = await asyncio.to_thread(mismatches, contract, signature)
    undecided = sum(item["kind"] == "undecided" for item in found)
    return {"mismatches": found, "compatible": not found, "undecided": undecided}
