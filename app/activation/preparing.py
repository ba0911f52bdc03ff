"""The first phase of a swap: whether the targets are warm and the endpoint answers.

What deployers reported is read in the request. Where an address has to be called, a worker does
it: it claims the preparation, calls with no session open, and writes down what it heard only if
the claim is still its own.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, gates, identity
from app.activation import desired, targets
from app.activation.events import SwapPrepared
from app.activation.rules import NotPrepared
from app.activation.tables import Preparation
from app.identity import Action
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.ids import uuid7
from app.kit.page import Rows
from app.platform.db import ALL_TENANTS, Database, clock, page
from app.platform.events import publish
from app.platform.outbound import Outbound, OutboundFailed, OutboundRefused
from app.platform.rota import Job, for_each

LEASE = timedelta(seconds=60)
SECONDS = 5.0
LIMIT = 65_536
_AT_ONCE = 10
_OK = range(200, 300)
_VERSION = "endpoint"


@dataclass(frozen=True, slots=True)
class Check:
    """An address to be asked for its health, on behalf of a target or of the version itself."""

    what: str
    url: str
    required: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A preparation that this worker has taken, with what there is to call."""

    tenant_id: UUID
    id: UUID
    claim: UUID
    checks: tuple[Check, ...]


async def prepare(
    session: AsyncSession, case_id: UUID, *, health_path: str | None, by: Actor
) -> Preparation:
    """Begin the first phase of a swap; it is over at once where nobody has to be called."""
    case = await gates.case_of(session, case_id, by=by, kind=gates.CaseKind.ACTIVATION)
    await identity.require_right(
        session, by, Action.COMMIT_ACTIVATION, **gates.place(case), roles=gates.roles_in(case, by)
    )
    await gates.lock_case(session, case_id, by.tenant_id)
    await session.refresh(case)
    if case.result is not None:
        raise gates.closed(case, "there is no swap to prepare")
    row = Preparation(
        tenant_id=by.tenant_id,
        case_id=case_id,
        digest=await _checked(session, case),
        health_path=health_path,
        requester_id=by.person_id,
    )
    session.add(row)
    await session.flush()
    await session.refresh(row)
    await audit.record(
        session, by, "swap.preparing", f"version:{case.version_id}",
        case=case_id, preparation=row.id, digest=row.digest, health_path=health_path,
    )  # fmt: skip
    if not await _checks(session, case, health_path):
        await _finish(session, row, case, [])
    return row


async def preparations_of(
    session: AsyncSession, case_id: UUID, *, cursor: str | None, limit: int, by: Actor
) -> Rows[Preparation]:
    """List an activation's preparations, newest first."""
    case = await gates.case_of(session, case_id, by=by, kind=gates.CaseKind.ACTIVATION)
    query = select(Preparation).filter_by(tenant_id=by.tenant_id, case_id=case.id)
    return await page(
        session, query, Preparation.at, Preparation.id,
        cursor=cursor, limit=limit, newest_first=True,
    )  # fmt: skip


async def require_prepared(
    session: AsyncSession, case: gates.Case, point: catalog.DecisionPoint
) -> None:
    """Refuse a swap whose required targets are not known to be able to answer at once.

    A point without required targets swaps as it is, unless its newest preparation failed. What was
    reported since the preparation counts as well: a target that failed meanwhile is not ready.
    """
    newest = await session.scalar(
        select(Preparation)
        .where(
            Preparation.tenant_id == case.tenant_id,
            Preparation.case_id == case.id,
            Preparation.finished_at.is_not(None),
        )
        .order_by(Preparation.at.desc(), Preparation.id.desc())
        .limit(1)
    )
    if any(target.required for target in await targets.targets_of(session, point)):
        missing = await _lacking(session, case, point, newest)
    else:
        missing = list(newest.missing or ()) if newest else []
    if missing:
        raise NotPrepared(
            f"{point.key} is not ready for the swap: {'; '.join(missing)}.",
            missing=missing,
            prepare=f"POST /v1/activations/{case.id}:prepare",
            filled={"case_id": case.id, "key": point.key},
        )


async def _lacking(
    session: AsyncSession,
    case: gates.Case,
    point: catalog.DecisionPoint,
    newest: Preparation | None,
) -> list[str]:
    """Return what keeps required targets from being known to be ready."""
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    missing = _spoken(await desired.unready(session, point, version))
    if newest is None:
        missing.append("preparation: none was made")
    elif not newest.ready:
        missing += [item for item in newest.missing or [] if item not in missing]
    elif newest.valid_until is None or newest.valid_until <= await clock(session):
        missing.append("preparation: it is too old")
    elif newest.digest != await _checked(session, case):
        missing.append("preparation: what was checked has changed")
    return missing


def preparer(outbound: Outbound) -> Job:
    """Return the job that calls what preparations wait for."""

    async def work(database: Database) -> None:
        claimed = await _claim(database)
        heard = await asyncio.gather(*(_ask(outbound, item.checks) for item in claimed))
        done = zip(claimed, heard, strict=True)
        rows = [(item.tenant_id, item.id, item.claim, found) for item, found in done]
        await for_each(database, rows, conclude)

    return work


async def _claim(database: Database) -> list[Claimed]:
    """Take what waits, for as long as the calls may last; a dead worker's turn comes again."""
    found = []
    async with database.transaction(ALL_TENANTS) as session:
        now = await clock(session)
        waiting = await session.scalars(
            select(Preparation)
            .where(
                Preparation.finished_at.is_(None),
                or_(Preparation.claimed_until.is_(None), Preparation.claimed_until < now),
            )
            .order_by(Preparation.at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        for row in list(waiting):
            row.claim, row.claimed_until = uuid7(), now + LEASE
            case = await gates.case_of(session, row.case_id, by=Actor.system(row.tenant_id))
            checks = await _checks(session, case, row.health_path)
            found.append(Claimed(row.tenant_id, row.id, row.claim, tuple(checks)))
    return found


async def _ask(outbound: Outbound, checks: tuple[Check, ...]) -> list[dict[str, Any]]:
    asked: list[Awaitable[dict[str, Any]]] = [_health(outbound, check) for check in checks]
    return list(await asyncio.gather(*asked))


async def _health(outbound: Outbound, check: Check) -> dict[str, Any]:
    """Call an address; anything but a 2xx in time is no health, a redirect neither."""
    said: dict[str, Any] = {"what": check.what, "url": check.url, "required": check.required}
    try:
        outbound.check(check.url)
    except OutboundRefused as refusal:
        # What applications reach in a way of their own is not the server's to call.
        callable_ = check.what != _VERSION
        return {**said, "ok": False if callable_ else None, "status": None, "why": refusal.detail}
    try:
        answer = await outbound.fetch("GET", check.url, limit=LIMIT, seconds=SECONDS)
    except (OutboundFailed, OutboundRefused) as refusal:
        return {**said, "ok": False, "status": None, "why": refusal.detail}
    good = answer.status in _OK
    why = None if good else f"It answered {answer.status}."
    return {**said, "ok": good, "status": answer.status, "why": why}


async def conclude(
    session: AsyncSession,
    tenant_id: UUID,
    preparation_id: UUID,
    claim: UUID,
    heard: list[dict[str, Any]],
) -> None:
    """Write down what was heard, unless somebody else has taken the preparation meanwhile."""
    row = await session.get(
        Preparation, (tenant_id, preparation_id), with_for_update=True, populate_existing=True
    )
    if row is None or row.finished_at is not None or row.claim != claim:
        return
    case = await gates.case_of(session, row.case_id, by=Actor.system(tenant_id))
    await _finish(session, row, case, heard)


async def _finish(
    session: AsyncSession, row: Preparation, case: gates.Case, heard: list[dict[str, Any]]
) -> None:
    system = Actor.system(row.tenant_id)
    point = await _point(session, case)
    version = await catalog.version_by_id(session, row.tenant_id, case.version_id)
    unready = await desired.unready(session, point, version)
    missing = _spoken(unready)
    missing += [
        f"{item['what']}: {item['why']}" for item in heard if item["required"] and not item["ok"]
        and item["ok"] is not None
    ]  # fmt: skip
    if row.digest != await _checked(session, case):
        missing.append("preparation: what was checked has changed")
    terms = await targets.terms_of(session, point)
    now = await clock(session)
    warm = [
        {"what": f"target {target.name}", "required": target.required, "ok": target.name not in
         unready, "status": None, "url": None, "why": unready.get(target.name)}
        for target in await targets.targets_of(session, point) if target.required
    ]  # fmt: skip
    row.results = [*warm, *heard]
    row.missing = missing
    row.ready = not missing
    row.finished_at = now
    row.valid_until = now + timedelta(minutes=terms.prepared_minutes)
    await session.flush()
    await audit.record(
        session, system, "swap.prepared", f"version:{case.version_id}",
        case=case.id, preparation=row.id, ready=row.ready, missing=missing,
    )  # fmt: skip
    await publish(
        session,
        SwapPrepared(
            tenant_id=row.tenant_id, case_id=case.id, preparation_id=row.id, ready=row.ready,
            missing=tuple(missing),
        ),
    )  # fmt: skip


def _spoken(unready: dict[str, str]) -> list[str]:
    return [f"target {name}: {reason}" for name, reason in sorted(unready.items())]


async def _point(session: AsyncSession, case: gates.Case) -> catalog.DecisionPoint:
    assert case.point_id is not None  # noqa: S101 - an activation has a point
    return await catalog.point_by_id(session, case.tenant_id, case.point_id)


async def _checked(session: AsyncSession, case: gates.Case) -> str:
    """Return the digest of what a preparation looks at: change any of it, and look again."""
    point = await _point(session, case)
    version = await catalog.version_by_id(session, case.tenant_id, case.version_id)
    return digest_of(
        {
            "version": version.content_digest,
            "endpoint": case.details["endpoint"],
            "instead_of": case.details["instead_of"],
            "targets": [
                [target.id, target.endpoint, target.required]
                for target in await targets.targets_of(session, point)
            ],
        }
    )


async def _checks(session: AsyncSession, case: gates.Case, health_path: str | None) -> list[Check]:
    """Return the addresses to call: of each target that names one, and the version's own."""
    found = [
        Check(f"health of {target.name}", target.endpoint, target.required)
        for target in await targets.targets_of(session, await _point(session, case))
        if target.endpoint is not None
    ]
    endpoint: str | None = case.details["endpoint"]
    if endpoint is not None and endpoint.startswith(("https://", "http://")):
        found.append(Check(_VERSION, health_of(endpoint, health_path), required=True))
    return found


def health_of(endpoint: str, path: str | None) -> str:
    """Return where an endpoint is asked for its health: at ``path`` of the same host, if given."""
    if path is None:
        return endpoint
    scheme, _, rest = endpoint.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    return f"{scheme}://{host}{path}"
