"""A version's way through its life: one edge at a time, and back with what was found."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates
from app.catalog import ReturnTo, Stage
from app.gates import WayOut
from app.kit.actor import Actor
from app.platform.events import publish
from app.release.events import VersionMoved, VersionReturned
from app.release.hand_back import findings, todos
from app.release.lifecycle import require_edge
from app.release.tables import HandBack, Task


async def move(
    session: AsyncSession,
    version_id: UUID,
    to: Stage,
    *,
    by: Actor,
    returned_to: ReturnTo | None = None,
    **why: Any,
) -> catalog.Version:
    """Move a version along one edge of the lifecycle."""
    version = await catalog.lock_version(session, by.tenant_id, version_id)
    here = version.stage
    require_edge(here, to)
    await catalog.restage(session, version, to, returned_to=returned_to)
    await audit.record(
        session, by, f"version.{to}", f"version:{version_id}",
        source=here, target=to, returned_to=returned_to, **why,
    )  # fmt: skip
    await publish(
        session,
        VersionMoved(
            tenant_id=by.tenant_id, version_id=version_id, source=here.value, target=to.value
        ),
    )
    return version


async def send_back(
    session: AsyncSession,
    version_id: UUID,
    path: WayOut,
    to: ReturnTo,
    *,
    by: Actor,
    case: gates.Case | None = None,
    verdict: gates.Verdict | None = None,
) -> HandBack:
    """Return a version to the development step that a drift leads to, with what was found.

    What was approved before does not count for what comes after: its open cases are closed, and
    what it was released for it is to be released for anew.
    """
    about = {"case": case.id} if case else {}
    await move(session, version_id, Stage.RETURNED, by=by, returned_to=to, path=path, **about)
    await gates.close_open_cases(session, version_id, result=path.value, by=by)
    await gates.void_releases(session, version_id, by=by)
    return await give_back(session, version_id, path, to, by=by, case=case, verdict=verdict)


async def sent_back_at(
    session: AsyncSession, tenant_id: UUID, version_ids: Collection[UUID]
) -> dict[UUID, datetime]:
    """Return when versions were last handed back, of those that were."""
    rows = await session.execute(
        select(HandBack.version_id, func.max(HandBack.at))
        .where(HandBack.tenant_id == tenant_id, HandBack.version_id.in_(version_ids))
        .group_by(HandBack.version_id)
    )
    return {row[0]: row[1] for row in rows}


async def give_back(
    session: AsyncSession,
    version_id: UUID,
    path: WayOut,
    to: ReturnTo,
    *,
    by: Actor,
    case: gates.Case | None = None,
    verdict: gates.Verdict | None = None,
) -> HandBack:
    """Tell developers and owner what was found, with tasks; where the version stands is another."""
    found = await catalog.versions_by_id(session, by.tenant_id, {version_id})
    model, version = found[version_id]
    point = None
    if case is not None and case.point_id is not None:
        point = (await catalog.point_by_id(session, by.tenant_id, case.point_id)).key
    given = await _hand_back(session, model, version, path, to, case, verdict, point, by=by)
    await publish(
        session,
        VersionReturned(
            tenant_id=by.tenant_id,
            version_id=version_id,
            model=model.name,
            number=version.number,
            path=path.value,
            returned_to=to.value,
            addressees=tuple(dict.fromkeys((model.owner_id, version.developer_id))),
            hand_back_id=given.id,
        ),
    )
    return given


async def _hand_back(
    session: AsyncSession,
    model: catalog.Model,
    version: catalog.Version,
    path: WayOut,
    to: ReturnTo,
    case: gates.Case | None,
    verdict: gates.Verdict | None,
    point: str | None,
    *,
    by: Actor,
) -> HandBack:
    given = HandBack(
        tenant_id=by.tenant_id,
        version_id=version.id,
        point_id=case.point_id if case else None,
        case_id=case.id if case else None,
        verdict_id=verdict.id if verdict else None,
        path=path,
        returned_to=to,
        found=findings(verdict.facts) if verdict else {},
    )
    session.add(given)
    await session.flush()
    tasks = todos(path, given.found, model=model.name, number=version.number, point=point)
    session.add_all(
        Task(
            tenant_id=by.tenant_id,
            hand_back_id=given.id,
            key=item.key,
            position=position,
            title=item.title,
            why=item.why,
            call=item.call,
        )
        for position, item in enumerate(tasks, 1)
    )
    await session.flush()
    await audit.record(
        session, by, "version.handed_back", f"version:{version.id}",
        hand_back=given.id, path=path, returned_to=to, tasks=[item.key for item in tasks],
    )  # fmt: skip
    return given
