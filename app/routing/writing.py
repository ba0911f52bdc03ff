"""Writing plans: each a revision with a generation, and with the first round of what it tries."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.platform.events import publish
from app.routing import rounds
from app.routing.events import PlanChanged
from app.routing.service import bump, current_plan
from app.routing.spec import Plan
from app.routing.tables import PlanRevision


async def write_plan(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    plan: Plan,
    *,
    cause: str,
    by: Actor,
    at: datetime | None = None,
) -> PlanRevision:
    """Append a revision of a point's plan, in force from ``at``; the point must be locked."""
    newest = await current_plan(session, point.tenant_id, point.id)
    spec = plan.model_dump(mode="json")
    row = PlanRevision(
        tenant_id=point.tenant_id,
        point_id=point.id,
        revision=(newest.revision if newest else 0) + 1,
        spec=spec,
        digest=digest_of(spec),
        author_id=by.person_id,
        cause=cause,
        # Not when the transaction began: that may be before the revision before this one.
        at=at or func.clock_timestamp(),
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await rounds.begin(session, point, row, plan, newest)
    generation = await bump(session, point.tenant_id, point.id)
    await audit.record(
        session, by, "plan.changed", f"point:{point.id}",
        revision=row.revision, digest=row.digest, generation=generation, cause=cause, spec=spec,
    )  # fmt: skip
    await publish(
        session, PlanChanged(tenant_id=point.tenant_id, point=point.key, revision=row.revision)
    )
    return row
