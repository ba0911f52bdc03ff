"""Opening cases: under the policy of the day, and with what still stands against the version."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.gates import policies
from app.gates.approvals import standing
from app.gates.cases import stream
from app.gates.events import CaseOpened
from app.gates.steps import CaseKind
from app.gates.tables import Approval, Case
from app.kit.actor import Actor
from app.kit.refusal import AlreadyExists
from app.platform.events import publish

_GIVEN_UP = "withdrawn"


async def open_case(
    session: AsyncSession,
    *,
    kind: CaseKind,
    version: catalog.Version,
    tier: str,
    point_id: UUID | None,
    details: dict[str, Any],
    by: Actor,
    addressees: tuple[UUID, ...] = (),
) -> Case:
    """Open the docket of a validation, release or activation under the tier's present policy."""
    policy = await policies.current(session, by.tenant_id, tier)
    case = Case(
        tenant_id=by.tenant_id,
        kind=kind,
        version_id=version.id,
        point_id=point_id,
        tier=tier,
        policy_revision=policy.revision,
        details=details,
        requester_id=by.person_id,
        developer_id=version.developer_id,
    )
    number = version.number
    session.add(case)
    try:
        await session.flush()
    except IntegrityError as error:
        path = f"/v1/cases?model={details['model']}&version={number}&kind={kind}&state=open"
        raise AlreadyExists(
            f"case that is open ({kind} of version)", number,
            mend=f"GET {path} shows its id: go on with it; or who opened it withdraws it.",
        ) from error  # fmt: skip
    await session.refresh(case)
    await audit.record(
        session, by, f"{kind}.opened", stream(case),
        case=case.id, version=version.id, tier=tier, policy_revision=policy.revision, **details,
    )  # fmt: skip
    await _carry_over(session, case, by=by)
    await publish(
        session,
        CaseOpened(
            tenant_id=by.tenant_id,
            case_id=case.id,
            kind=kind.value,
            version_id=version.id,
            addressees=addressees,
        ),
    )
    return case


async def _carry_over(session: AsyncSession, case: Case, *, by: Actor) -> None:
    """Have the rejections of a case that was given up stand in the next one of its kind.

    Who was refused does not lose the refusal by asking again: who spoke it takes it back. One that
    nobody could take back any more, its author being disabled, ends with the case it stood in.
    """
    before = await session.scalar(
        select(Case)
        .filter_by(tenant_id=case.tenant_id, kind=case.kind, version_id=case.version_id)
        .where(
            Case.point_id.is_not_distinct_from(case.point_id),
            Case.closed_at.is_not(None),
            Case.id != case.id,
        )
        .order_by(Case.closed_at.desc(), Case.id.desc())
        .limit(1)
    )
    if before is None or before.result != _GIVEN_UP:
        return
    rejections = [
        one for one in await standing(session, case.tenant_id, [before.id]) if not one.approved
    ]
    gone = await identity.disabled(
        session, case.tenant_id, among=[one.person_id for one in rejections]
    )
    for one in rejections:
        if one.person_id in gone or one.person_id == case.requester_id:
            continue  # who opens the next one himself has thought again
        again = Approval(
            tenant_id=case.tenant_id, case_id=case.id, step=one.step, approved=False,
            reason=one.reason, principal_id=one.principal_id, person_id=one.person_id,
            roles=one.roles, lent=one.lent, round=1, requester_id=case.requester_id,
            developer_id=case.developer_id, digest=one.digest, covers=one.covers,
        )  # fmt: skip
        session.add(again)
        await session.flush()
        await session.refresh(again)
        await audit.record(
            session, by, "approval.carried_over", stream(case),
            case=case.id, step=one.step, approval=again.id, given_as=one.id, person=one.person_id,
            personal={"reason": one.reason},
        )  # fmt: skip
