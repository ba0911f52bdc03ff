"""Retune, retrain, rebuild: a change of a model from its cause to the effect it had."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, drift, gates, identity
from app.gates import ReleaseStep
from app.identity import Action
from app.kit.actor import Actor
from app.kit.page import Rows
from app.kit.refusal import Invalid, NotFound
from app.platform.db import page
from app.platform.events import publish
from app.release import effect, rework
from app.release.events import ProcedureClosed, ProcedureOpened
from app.release.hand_back import OPEN_PROCEDURE, PUBLISH_VERSION
from app.release.procedure_rules import (
    EffectUnmeasured,
    NotAResult,
    NothingLinked,
    OwnResult,
    ProcedureOver,
)
from app.release.tables import Cause, HandBack, Procedure, ProcedureKind

_DONE = {ProcedureKind.RETUNE: "retuned", ProcedureKind.RETRAIN: "retrained"}


async def open_procedure(
    session: AsyncSession,
    *,
    kind: ProcedureKind,
    model: str,
    number: int,
    cause: Cause,
    cause_id: UUID | None,
    reason: str,
    expected: dict[str, Any],
    by: Actor,
) -> Procedure:
    """Ask for a model to be tuned, trained or built anew, and say what that should bring."""
    version = await catalog.find_version(session, model, number, by=by)
    await _require_right(session, model, by=by)
    await _require_cause(session, cause, cause_id, version, by=by)
    row = Procedure(
        tenant_id=by.tenant_id,
        kind=kind,
        version_id=version.id,
        cause=cause,
        cause_id=cause_id,
        reason=reason,
        expected=expected,
        opener_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, "procedure.opened", f"version:{version.id}",
        procedure=row.id, kind=kind, cause=cause, cause_id=cause_id, expected=expected,
        personal={"reason": reason},
    )  # fmt: skip
    note = f"Procedure {row.id}."
    await rework.done_by_the_way(session, version.id, OPEN_PROCEDURE, note=note, by=by)
    await publish(
        session,
        ProcedureOpened(
            tenant_id=by.tenant_id,
            procedure_id=row.id,
            kind=kind.value,
            version_id=version.id,
            model=model,
            number=number,
            addressees=(version.developer_id,),
        ),
    )
    return row


async def _require_right(session: AsyncSession, model: str, *, by: Actor) -> None:
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(session, by, Action.RUN_PROCEDURE, tier=tier, model=model)


async def _require_cause(
    session: AsyncSession,
    cause: Cause,
    cause_id: UUID | None,
    version: catalog.Version,
    *,
    by: Actor,
) -> None:
    """Refuse a cause that is not about the version."""
    if cause is Cause.REQUEST:
        return
    key = (by.tenant_id, cause_id)
    found: HandBack | drift.Alert | None
    if cause is Cause.HAND_BACK:
        found = await session.get(HandBack, key)
    else:
        found = await session.get(drift.Alert, key)
    if found is None or found.version_id != version.id:
        raise NotFound(f"{cause} of this version", cause_id)


async def link(
    session: AsyncSession, procedure_id: UUID, *, model: str, number: int, by: Actor
) -> Procedure:
    """Say which version came of a procedure."""
    row = await _lock(session, procedure_id, by=by)
    version = await catalog.find_version(session, model, number, by=by)
    await _require_right(session, model, by=by)
    if version.created_at < row.at:
        raise NotAResult(f"{model}@{number} was there before the procedure was opened.")
    changed = await catalog.version_by_id(session, by.tenant_id, row.version_id)
    if row.kind is not ProcedureKind.REBUILD and version.model_id != changed.model_id:
        raise NotAResult(f"{model}@{number} is another model's: nothing was {_DONE[row.kind]}.")
    row.result_id = version.id
    await session.flush()
    await audit.record(
        session, by, "procedure.linked", f"version:{row.version_id}",
        procedure=row.id, result=version.id, version_id=version.id,
    )  # fmt: skip
    note = f"{model}@{number}."
    await rework.done_by_the_way(session, row.version_id, PUBLISH_VERSION, note=note, by=by)
    return row


async def conclude(
    session: AsyncSession, procedure_id: UUID, *, unmeasured_because: str | None, by: Actor
) -> Procedure:
    """End a procedure with the effect that was measured, said by who did not develop the result.

    One whose effect nobody measured ends with the reason why.
    """
    row = await _lock(session, procedure_id, by=by)
    if row.result_id is None:
        raise NothingLinked("No version is linked to it.", filled={"procedure_id": procedure_id})
    result = await catalog.version_by_id(session, by.tenant_id, row.result_id)
    if result.developer_id == by.person_id:
        raise OwnResult("You developed the version that came of it.")
    found = (await observed(session, by.tenant_id, [row]))[row.id]
    if found["met"] is None and unmeasured_because is None:
        unknown = [when for when in ("before", "after") if found[when] is None]
        raise EffectUnmeasured(
            f"{row.expected['metric']} was not measured {' and '.join(unknown)} the change."
        )
    await catalog.link_retrained(session, by.tenant_id, child=row.result_id, parent=row.version_id)
    row.observed = found
    why = {"reason": unmeasured_because} if found["met"] is None else {}
    return await _close(session, row, "concluded", by=by, personal=why)


async def abandon(
    session: AsyncSession, procedure_id: UUID, *, reason: str, by: Actor
) -> Procedure:
    """Give a procedure up."""
    row = await _lock(session, procedure_id, by=by)
    return await _close(session, row, "abandoned", by=by, personal={"reason": reason})


async def _close(
    session: AsyncSession, row: Procedure, result: str, *, by: Actor, **more: Any
) -> Procedure:
    row.result, row.closed_at = result, func.clock_timestamp()
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, f"procedure.{result}", f"version:{row.version_id}",
        procedure=row.id, result=row.result_id, observed=row.observed, **more,
    )  # fmt: skip
    await publish(
        session,
        ProcedureClosed(
            tenant_id=by.tenant_id,
            procedure_id=row.id,
            result=result,
            version_id=row.version_id,
            result_id=row.result_id,
        ),
    )
    return row


async def _lock(session: AsyncSession, procedure_id: UUID, *, by: Actor) -> Procedure:
    """Return an open procedure that the caller may work on."""
    row = await session.get(
        Procedure, (by.tenant_id, procedure_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise NotFound("procedure", procedure_id)
    found = await catalog.versions_by_id(session, by.tenant_id, {row.version_id})
    await _require_right(session, found[row.version_id][0].name, by=by)
    if row.closed_at is not None:
        raise ProcedureOver(f"It was {row.result}.")
    return row


async def procedure_of(session: AsyncSession, procedure_id: UUID, *, by: Actor) -> Procedure:
    """Return a procedure of the caller's tenant."""
    row = await session.get(Procedure, (by.tenant_id, procedure_id))
    if row is None:
        raise NotFound("procedure", procedure_id)
    return row


async def list_procedures(
    session: AsyncSession,
    *,
    model: str | None,
    number: int | None,
    open_only: bool,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[Procedure]:
    """List procedures, newest first: all, a model's, or those of one version."""
    query = select(Procedure).filter_by(tenant_id=by.tenant_id)
    if model is None and number is not None:
        raise Invalid("A version is asked for together with its model.")
    if model is not None and number is not None:
        version = await catalog.find_version(session, model, number, by=by)
        query = query.filter_by(version_id=version.id)
    elif model is not None:
        found = await catalog.model_of(session, model, by=by)
        own = select(catalog.Version.id).filter_by(tenant_id=by.tenant_id, model_id=found.id)
        query = query.where(Procedure.version_id.in_(own))
    if open_only:
        query = query.where(Procedure.closed_at.is_(None))
    return await page(
        session, query, Procedure.at, Procedure.id, cursor=cursor, limit=limit, newest_first=True
    )


async def observed(
    session: AsyncSession, tenant_id: UUID, rows: Sequence[Procedure]
) -> dict[UUID, dict[str, Any]]:
    """Return by procedure what was measured of its effect; of a concluded one, what was then."""
    open_ = [row for row in rows if row.observed is None]
    ids = {found for row in open_ for found in (row.version_id, row.result_id) if found}
    known = await _measured(session, tenant_id, ids)

    def value(row: Procedure, version_id: UUID | None) -> float | None:
        evidence = known.get(version_id) if version_id else None
        return effect.measured(row.expected["metric"], evidence) if evidence else None

    return {
        row.id: row.observed
        or effect.observed(row.expected, value(row, row.version_id), value(row, row.result_id))
        for row in rows
    }


async def _measured(
    session: AsyncSession, tenant_id: UUID, ids: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Return by version the evidence of its newest KPI validation, before production or in it."""
    if not ids:
        return {}
    rows = await session.execute(
        select(gates.Case.version_id, gates.Verdict.facts["evidence"])
        .join(
            gates.Verdict,
            (gates.Verdict.tenant_id == gates.Case.tenant_id)
            & (gates.Verdict.case_id == gates.Case.id),
        )
        .where(
            gates.Case.tenant_id == tenant_id,
            gates.Case.version_id.in_(ids),
            gates.Verdict.step == ReleaseStep.KPI_VALIDATION.value,
        )
        .ext(distinct_on(gates.Case.version_id))
        .order_by(gates.Case.version_id, gates.Verdict.at.desc(), gates.Verdict.id.desc())
    )
    return {row.version_id: row[1] for row in rows}
