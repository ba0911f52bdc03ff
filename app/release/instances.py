"""Instantiation validation: scores of all instances on a common sample, measured by the server."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, gates, kpi
from app.gates import ReleaseStep
from app.kit.actor import Actor
from app.kit.refusal import Invalid
from app.release import instantiation
from app.release.composition import Composition, Sent, weighed
from app.release.contribution import Priced
from app.release.instantiation import Instance
from app.release.sampling import open_release_case, part_of

STEP = ReleaseStep.INSTANTIATION_VALIDATION
KIND = "instances"


class BadScores(Invalid):
    """The scores are not of one common sample."""

    code = "bad_scores"
    title = "Not scores of a common sample"
    mend = "Send as many scores of every instance and member, and as many labels, as `rows` says."


async def take_scores(
    session: AsyncSession,
    case_id: UUID,
    *,
    rows: int,
    instances: Mapping[str, tuple[Mapping[str, str], list[float]]],
    labels: list[float] | None,
    ensemble: Sent | None,
    tolerance: float,
    by: Actor,
) -> gates.Evidence:
    """Record how far a version's instances agree, and what each member of an ensemble weighs."""
    case = await open_release_case(session, case_id, by=by)
    _require_common(rows, instances, labels, ensemble)
    composed = await _composed(session, case)
    if composed and ensemble:
        composed.require(ensemble)
    limit, whose = agreed(tolerance, await _contracts(session, case))
    known = await catalog.instances_of(session, case.tenant_id, case.version_id)
    payload = await asyncio.to_thread(
        _measured,
        instances,
        labels,
        tolerance=limit,
        registered=[item.key for item in known] or None,
    )
    priced = await _priced(session, case) if ensemble and labels else None
    more = {
        "ensemble": await asyncio.to_thread(weighed, ensemble, composed, labels, priced)
        if ensemble
        else None,
        "tolerance_asked": tolerance,
        "tolerance_by": whose,
        "sampled_by": by.person_id,
        "part": await part_of(session, case, by.person_id),
    }
    return await _record(session, case, {**payload, **more}, by=by)


async def measure_instances(session: AsyncSession, case: gates.Case, *, by: Actor) -> None:
    """Record the newest scores against the tolerance that the contract names by now."""
    kept = await gates.newest_measured(session, case, STEP, KIND)
    if kept is None:
        return
    limit, whose = agreed(kept["tolerance_asked"], await _contracts(session, case))
    if (limit, whose) != (kept["tolerance"], kept["tolerance_by"]):
        found = instantiation.held_to(kept, limit)
        await _record(session, case, {**found, "tolerance_by": whose}, by=by)


def agreed(asked: float, contracts: float | None) -> tuple[float, str]:
    """Return the stricter tolerance of two, and whose it is."""
    if contracts is not None and contracts <= asked:
        return contracts, "contract"
    return asked, "sender"


async def _contracts(session: AsyncSession, case: gates.Case) -> float | None:
    assert case.point_id is not None  # noqa: S101 - a release has a point
    point = await catalog.point_by_id(session, case.tenant_id, case.point_id)
    return catalog.Contract.model_validate(point.contract).instance_tolerance


async def _priced(session: AsyncSession, case: gates.Case) -> Priced | None:
    """Return what right and wrong answers bring at a case's point, as the first KPI says by key."""
    assert case.point_id is not None  # noqa: S101 - a release has a point
    agreed_on = await kpi.agreements(session, case.tenant_id, case.point_id)
    priced = [one for one in agreed_on if one.priced]
    if not priced:
        return None
    first, *others = priced
    more = tuple(one.key for one in others)
    return Priced(first.key, first.unit, **first.prices._asdict(), others=more)


async def _composed(session: AsyncSession, case: gates.Case) -> Composition | None:
    """Return what the catalogue says that a case's version is made of, if it is an ensemble."""
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    members = await catalog.every_member(session, version)
    named = {"name": case.details["model"], "number": case.details["number"]}
    return Composition.of(named, version.specifics or {}, members) if members else None


def _require_common(
    rows: int,
    instances: Mapping[str, tuple[Mapping[str, str], list[float]]],
    labels: list[float] | None,
    ensemble: Sent | None,
) -> None:
    """Refuse scores that are not of the same rows."""
    columns = {f"instance {key}": scores for key, (_, scores) in instances.items()}
    members = ensemble.members.items() if ensemble else ()
    columns |= {f"member {name}": scores for name, (_, scores) in members}
    columns |= {"labels": labels} if labels is not None else {}
    wrong = sorted(name for name, column in columns.items() if len(column) != rows)
    if wrong:
        raise BadScores(f"Not of {rows} rows: {', '.join(wrong[:10])}.", wrong=wrong)


def _measured(
    instances: Mapping[str, tuple[Mapping[str, str], list[float]]],
    labels: list[float] | None,
    *,
    tolerance: float,
    registered: list[str] | None,
) -> dict[str, Any]:
    """Measure; a thread's work. ``registered`` are the instances that the catalog knows, if any."""
    return instantiation.measure(
        [
            Instance(key, segment, np.array(scores, dtype=np.float64))
            for key, (segment, scores) in sorted(instances.items())
        ],
        tolerance=tolerance,
        registered=registered,
        labels=None if labels is None else np.array(labels, dtype=np.float64),
    )


async def _record(
    session: AsyncSession, case: gates.Case, payload: dict[str, Any], *, by: Actor
) -> gates.Evidence:
    return await gates.add_evidence(
        session, case.id, STEP, kind=KIND, payload=payload, by=by, measured=True
    )
