"""Operations: made by a call, taken by a worker under a lease, ended once.

Locking: a worker takes what is due with SKIP LOCKED and commits at once; then it works without a
session and writes back under its fence. Whoever writes an end holds the row, so that of a worker
and of who cancels one is the first.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.kit.actor import Actor
from app.kit.canonical import plain
from app.kit.refusal import NotFound, Refusal
from app.platform.db import ALL_TENANTS, Database, Json
from app.platform.events import publish
from app.platform.http.problems import document
from app.release.events import OperationEnded
from app.release.operation_rules import (
    GOING,
    NotYourOperation,
    OperationKind,
    OperationOver,
    OperationState,
)
from app.release.tables import Operation

Told = Callable[[Json], Awaitable[None]]
"""Takes note of how far the work is."""

LEASE_SECONDS = 20.0
RENEW_SECONDS = 5.0


async def begin(
    session: AsyncSession,
    kind: OperationKind,
    *,
    about: Json,
    request: Json,
    by: Actor,
    case_id: UUID | None = None,
    parent_id: UUID | None = None,
) -> Operation:
    """Ask for work in the caller's name; a worker that sees the transaction's end begins it."""
    found = Operation(
        tenant_id=by.tenant_id,
        kind=kind,
        about=plain(about),
        request=plain(request),
        principal_id=by.id,
        person_id=by.person_id,
        key_id=by.key_id,
        case_id=case_id,
        parent_id=parent_id,
    )
    session.add(found)
    await session.flush()
    await session.refresh(found)
    await audit.record(
        session, by, "operation.begun", f"operation:{found.id}", kind=kind, **found.about
    )
    return found


async def operation_of(session: AsyncSession, operation_id: UUID, *, by: Actor) -> Operation:
    """Return an operation of the caller's tenant."""
    found = await session.get(Operation, (by.tenant_id, operation_id), populate_existing=True)
    if found is None:
        raise NotFound("operation", operation_id)
    return found


async def cancel(session: AsyncSession, operation_id: UUID, *, by: Actor) -> Operation:
    """End what is queued or under way; what it has written down by then stays."""
    found = await session.get(
        Operation, (by.tenant_id, operation_id), with_for_update=True, populate_existing=True
    )
    if found is None:
        raise NotFound("operation", operation_id)
    for point in found.about.get("decision_points", ()):
        by.require_point(point)
    if by.person_id != found.person_id:
        raise NotYourOperation("Only who began an operation cancels it.")
    if found.state not in GOING:
        raise OperationOver(f"The operation has {found.state}.", state=found.state.value)
    await end(session, found, OperationState.CANCELLED, by=by)
    return found


async def end(
    session: AsyncSession,
    operation: Operation,
    state: OperationState,
    *,
    by: Actor,
    result: Json | None = None,
    problem: Refusal | None = None,
) -> None:
    """Write how a held operation ended, once; whatever waits for it goes on."""
    operation.state = state
    operation.result = None if result is None else plain(result)
    operation.problem = None if problem is None else plain(document(problem, str(operation.id)))
    operation.ended_at = func.clock_timestamp()
    operation.lease_until = None
    await session.flush()
    await session.refresh(operation)
    if operation.parent_id is not None:
        await session.execute(
            update(Operation)
            .filter_by(tenant_id=operation.tenant_id, id=operation.parent_id)
            .values(due_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
    await audit.record(
        session, by, "operation.ended", f"operation:{operation.id}",
        state=state, problem=problem and problem.code,
    )  # fmt: skip
    await publish(
        session,
        OperationEnded(
            tenant_id=operation.tenant_id,
            operation_id=operation.id,
            kind=operation.kind.value,
            state=state.value,
        ),
    )


async def claim(
    database: Database, *, most: int, held: Mapping[UUID, int], each: int
) -> list[Operation]:
    """Take what is due, for as long as a lease lasts: each operation has one worker at a time.

    Tenants take turns: whoever asks for a hundred waits for his second until all had their first.
    Of what the caller has in hand already, ``held`` by tenant, no tenant has more than ``each``.
    """
    now = func.clock_timestamp()
    free = (
        Operation.state.in_(GOING),
        Operation.due_at <= now,
        (Operation.lease_until.is_(None)) | (Operation.lease_until < now),
    )
    place = func.row_number().over(partition_by=Operation.tenant_id, order_by=Operation.due_at)
    before = case(dict(held), value=Operation.tenant_id, else_=0) if held else 0
    turn = (place + before).label("turn")
    ranked = select(Operation.tenant_id, Operation.id, turn).where(*free).subquery()
    due = (
        select(Operation.tenant_id, Operation.id)
        .join(
            ranked,
            (ranked.c.tenant_id == Operation.tenant_id) & (ranked.c.id == Operation.id),
        )
        .where(*free, ranked.c.turn <= each)
        .order_by(ranked.c.turn, Operation.due_at)
        .limit(most)
        .with_for_update(skip_locked=True, of=Operation)
        .cte("due")
    )
    async with database.transaction(ALL_TENANTS) as session:
        rows = await session.scalars(
            update(Operation)
            .where(tuple_(Operation.tenant_id, Operation.id).in_(select(due)))
            .values(
                state=OperationState.RUNNING,
                fence=Operation.fence + 1,
                # A lease that nobody gave back was a worker's who is gone.
                losses=Operation.losses + case((Operation.lease_until.is_(None), 0), else_=1),
                lease_until=now + timedelta(seconds=LEASE_SECONDS),
                started_at=func.coalesce(Operation.started_at, now),
            )
            .returning(Operation)
            .execution_options(synchronize_session=False)
        )
        return list(rows)


async def renew(database: Database, operation: Operation, progress: Json | None = None) -> bool:
    """Keep an operation for another lease; say whether it is still one's own to carry out."""
    values: dict[str, Any] = {
        "lease_until": func.clock_timestamp() + timedelta(seconds=LEASE_SECONDS)
    }
    if progress is not None:
        values["progress"] = progress
    async with database.transaction(operation.tenant_id) as session:
        done = await session.execute(
            update(Operation)
            .filter_by(
                tenant_id=operation.tenant_id, id=operation.id,
                fence=operation.fence, state=OperationState.RUNNING,
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        return bool(done.rowcount)  # type: ignore[attr-defined]


async def held(session: AsyncSession, operation: Operation) -> Operation | None:
    """Return a claimed operation, locked; nothing if it was cancelled or another worker has it."""
    found = await session.get(
        Operation, (operation.tenant_id, operation.id), with_for_update=True, populate_existing=True
    )
    fenced = found is None or found.fence != operation.fence
    return None if fenced or found is None or found.state not in GOING else found


async def run_going(session: AsyncSession, tenant_id: UUID, case_id: UUID) -> UUID | None:
    """Return the integration run of a case that is queued or under way."""
    found: UUID | None = await session.scalar(
        select(Operation.id)
        .filter_by(tenant_id=tenant_id, case_id=case_id, kind=OperationKind.INTEGRATION_RUN)
        .where(Operation.state.in_(GOING))
        .limit(1)
    )
    return found


async def children_going(session: AsyncSession, operation: Operation) -> bool:
    """Say whether an operation still waits for one that it began."""
    query = select(Operation.id).filter_by(tenant_id=operation.tenant_id, parent_id=operation.id)
    return await session.scalar(query.where(Operation.state.in_(GOING)).limit(1)) is not None


async def same_going(
    session: AsyncSession, kind: OperationKind, *, about: Json, request: Json, by: Actor
) -> Operation | None:
    """Return what the caller asked for before, word for word, and a worker has not ended."""
    query = select(Operation).filter_by(
        tenant_id=by.tenant_id, kind=kind, principal_id=by.id, key_id=by.key_id
    )
    found = await session.scalars(
        query.where(Operation.state.in_(GOING)).order_by(Operation.at.desc()).limit(50)
    )
    wanted = plain(about), plain(request)
    return next((item for item in found if (item.about, item.request) == wanted), None)


async def put_off(session: AsyncSession, operation: Operation, *, seconds: float) -> None:
    """Give a held operation back, to be taken up again later or when what it waits for ends."""
    operation.lease_until = None
    operation.due_at = func.clock_timestamp() + timedelta(seconds=seconds)
    await session.flush()


async def fail(database: Database, operation: Operation, problem: Refusal) -> None:
    """Write that an operation came to nothing, if it is still one's own."""
    async with database.transaction(operation.tenant_id) as session:
        found = await held(session, operation)
        if found is not None:
            await end(session, found, OperationState.FAILED, problem=problem, by=system(operation))


def system(operation: Operation) -> Actor:
    """Return the server itself, as it writes down what it found."""
    return Actor.system(operation.tenant_id)


async def child_about(
    session: AsyncSession, operation: Operation, case_id: UUID
) -> Operation | None:
    """Return what an operation began about a case, whatever has become of it."""
    found: Operation | None = await session.scalar(
        select(Operation)
        .filter_by(tenant_id=operation.tenant_id, case_id=case_id, parent_id=operation.id)
        .order_by(Operation.at.desc(), Operation.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return found
