"""Hand-backs and procedures as they are shown: names for ids, figures measured up to now."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, identity
from app.release import procedures as service
from app.release.rework import Given
from app.release.rework_schemas import (
    Expected,
    HandBackOut,
    ObservedOut,
    ProcedureOut,
    SaidOut,
    TaskOut,
)
from app.release.tables import Procedure


def hand_back(given: Given) -> HandBackOut:
    """Return a hand-back as its readers want it."""
    row = given.row
    return HandBackOut(
        id=row.id,
        model=given.model,
        version=given.number,
        path=row.path,
        returned_to=row.returned_to,
        decision_point=given.decision_point,
        case_id=row.case_id,
        verdict_id=row.verdict_id,
        found=row.found,
        said=SaidOut(**given.said) if given.said else None,
        open=given.open,
        tasks=[
            TaskOut(
                key=task.key,
                title=task.title,
                why=task.why,
                call=task.call,
                done_by=given.names.get(task.done_by) if task.done_by else None,
                done_at=task.done_at,
                note=task.note,
            )
            for task in given.tasks
        ],
        at=row.at,
    )


async def procedure(session: AsyncSession, row: Procedure) -> ProcedureOut:
    """Return one procedure as its readers want it."""
    return (await procedures(session, row.tenant_id, [row]))[0]


async def procedures(
    session: AsyncSession, tenant_id: UUID, rows: Sequence[Procedure]
) -> list[ProcedureOut]:
    """Return procedures as their readers want them."""
    ids = {found for row in rows for found in (row.version_id, row.result_id) if found}
    versions = await catalog.versions_by_id(session, tenant_id, ids)
    names = await identity.names_of(session, tenant_id, (row.opener_id for row in rows))
    observed = await service.observed(session, tenant_id, rows)
    return [
        ProcedureOut(
            id=row.id,
            kind=row.kind,
            model=versions[row.version_id][0].name,
            version=versions[row.version_id][1].number,
            cause=row.cause,
            cause_id=row.cause_id,
            reason=row.reason,
            expected=Expected.model_validate(row.expected),
            opened_by=names.get(row.opener_id),
            opened_at=row.at,
            result_model=versions[row.result_id][0].name if row.result_id else None,
            result_version=versions[row.result_id][1].number if row.result_id else None,
            observed=ObservedOut.model_validate(observed[row.id]),
            closed_at=row.closed_at,
            result=row.result,
        )
        for row in rows
    ]
