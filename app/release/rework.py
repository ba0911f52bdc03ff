"""What a returned version is given back with, and ticking it off."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.identity import Action
from app.kit.actor import Actor
from app.kit.refusal import Kind, NotFound, Refusal
from app.release.hand_back import PUBLISH_VERSION
from app.release.tables import HandBack, Task

_LOOKED_AT = 50
_NEVER = "A version has a hand-back once it was sent back; until then there is nothing to do."


class TaskDone(Refusal):
    """Somebody ticked it off before."""

    kind = Kind.CONFLICT
    code = "task_done"
    title = "The task is done"
    mend = "GET …/hand-back shows who did it."


@dataclass(frozen=True, slots=True)
class Given:
    """A hand-back with its tasks, and where in development it leads."""

    row: HandBack
    model: str
    number: int
    decision_point: str | None
    tasks: list[Task]
    names: dict[UUID, str]
    said: dict[str, Any] | None
    """What a validator said who sent it back: ``by``, ``reason``, ``at``."""

    @property
    def open(self) -> int:
        """How many tasks are left."""
        return sum(task.done_at is None for task in self.tasks)


async def hand_back_of(session: AsyncSession, model: str, number: int, *, by: Actor) -> Given:
    """Return what a version was last given back with."""
    version = await catalog.find_version(session, model, number, by=by)
    row = await newest(session, by.tenant_id, version.id)
    if row is None:
        raise NotFound("hand-back of version", f"{model}@{number}", mend=_NEVER)
    tasks = await session.scalars(
        select(Task).filter_by(tenant_id=by.tenant_id, hand_back_id=row.id).order_by(Task.position)
    )
    found = list(tasks)
    key = None
    if row.point_id is not None:
        key = (await catalog.point_by_id(session, by.tenant_id, row.point_id)).key
    done = {task.done_by for task in found if task.done_by is not None}
    names = await identity.names_of(session, by.tenant_id, done)
    return Given(row, model, number, key, found, names, await _said(session, row, by=by))


async def _said(session: AsyncSession, row: HandBack, *, by: Actor) -> dict[str, Any] | None:
    """Return what the validator said, as the log keeps it until he asks to be forgotten."""
    asked = audit.Asked(stream=f"version:{row.version_id}", action="validation.failed")
    entries = await audit.history(session, by, asked, cursor=None, limit=_LOOKED_AT)
    for one in entries.items:
        if one["details"].get("case") == str(row.case_id):
            reason = one["personal"].get("reason")
            return {"by": one["actor_name"], "reason": reason, "at": one["at"]}
    return None


async def newest(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> HandBack | None:
    """Return a version's last hand-back, if it was ever sent back."""
    return await session.scalar(
        select(HandBack)
        .filter_by(tenant_id=tenant_id, version_id=version_id)
        .order_by(HandBack.at.desc(), HandBack.id.desc())
        .limit(1)
    )


async def finish_task(
    session: AsyncSession, model: str, number: int, key: str, *, note: str, by: Actor
) -> Given:
    """Tick a task of a version's last hand-back off."""
    version = await catalog.find_version(session, model, number, by=by)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    await identity.require_right(session, by, Action.RUN_PROCEDURE, tier=tier, model=model)
    row = await newest(session, by.tenant_id, version.id)
    if row is None:
        raise NotFound("hand-back of version", f"{model}@{number}", mend=_NEVER)
    task = await _held(session, row, key)
    if task is None:
        raise NotFound("task", key)
    if task.done_at is not None:
        raise TaskDone(f"{task.title}: done at {task.done_at:%Y-%m-%d %H:%M}.")
    await _tick(session, row, task, note, by=by)
    return await hand_back_of(session, model, number, by=by)


async def done_by_the_way(
    session: AsyncSession, version_id: UUID, key: str, *, note: str, by: Actor
) -> None:
    """Tick a task off that another call has just done, if the version has it and it is open."""
    row = await newest(session, by.tenant_id, version_id)
    if row is None:
        return
    task = await _held(session, row, key)
    if task is not None and task.done_at is None:
        await _tick(session, row, task, note, by=by)


async def _held(session: AsyncSession, row: HandBack, key: str) -> Task | None:
    """Return a task of a hand-back, locked until the transaction ends."""
    return await session.get(
        Task, (row.tenant_id, row.id, key), with_for_update=True, populate_existing=True
    )


async def _tick(session: AsyncSession, row: HandBack, task: Task, note: str, *, by: Actor) -> None:
    task.done_by, task.done_at, task.note = by.person_id, func.clock_timestamp(), note
    await session.flush()
    await session.refresh(task)
    await audit.record(
        session, by, "hand_back.task_done", f"version:{row.version_id}",
        hand_back=row.id, task=task.key, personal={"note": note},
    )  # fmt: skip


async def tasks_open(
    session: AsyncSession, tenant_id: UUID, version: catalog.Version
) -> list[dict[str, Any]]:
    """Return what is still to do of what a version was handed back with, and what came before it.

    That are the model's earlier versions, whether they are named among the parents or not, and
    what the version was forked from with what came before that: of each its last hand-back. What
    comes of it is the publishing.
    """
    origins = await catalog.origins_of(session, version)
    found = await catalog.versions_by_id(session, tenant_id, {version.id, *origins})
    line = [
        and_(catalog.Version.model_id == one.model_id, catalog.Version.number <= one.number)
        for _, one in found.values()
    ]
    last = (
        select(HandBack.id, HandBack.version_id)
        .join(
            catalog.Version,
            (catalog.Version.tenant_id == HandBack.tenant_id)
            & (catalog.Version.id == HandBack.version_id),
        )
        .where(HandBack.tenant_id == tenant_id, or_(*line))
        .ext(distinct_on(HandBack.version_id))
        .order_by(HandBack.version_id, HandBack.at.desc(), HandBack.id.desc())
        .subquery()
    )
    rows = await session.execute(
        select(catalog.Model.name, catalog.Version.number, Task.key, Task.title)
        .join(last, last.c.version_id == catalog.Version.id)
        .join(Task, Task.hand_back_id == last.c.id)
        .join(catalog.Model, catalog.Model.id == catalog.Version.model_id)
        .where(
            catalog.Version.tenant_id == tenant_id,
            catalog.Model.tenant_id == tenant_id,
            Task.tenant_id == tenant_id,
            Task.done_at.is_(None),
            Task.key != PUBLISH_VERSION,
        )
        .order_by(catalog.Model.name, catalog.Version.number, Task.position)
    )
    return [
        {"model": row.name, "version": row.number, "task": row.key, "title": row.title}
        for row in rows
    ]
