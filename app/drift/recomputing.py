"""Recomputing: whether a window's verdict comes out again of what is stored now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.drift import agreed
from app.drift.measuring import MEASURED, Look, measure
from app.drift.rules import Thresholds
from app.drift.segmenting import Segments
from app.drift.tables import Watch, Window
from app.drift.turns import Turns
from app.kit.actor import Actor
from app.kit.refusal import NotFound

_SAID = (*(name for name in MEASURED if name not in {"basis", "matures_at"}), "kpis")


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A stored window, what now comes out otherwise, and which of its inputs are others."""

    window: Window
    differs: list[str]
    changed: list[str]
    unrecorded: list[str]


async def recompute(
    session: AsyncSession, model: str, number: int, window_id: UUID, *, by: Actor
) -> Recomputed:
    """Measure a window again by its own monitor's settings, and store nothing."""
    version = await catalog.find_version(session, model, number, by=by)
    query = select(Window).filter_by(tenant_id=by.tenant_id, version_id=version.id, id=window_id)
    if by.points is not None:
        query = query.where(Window.point_id.in_(catalog.ids_of(by.tenant_id, by.points)))
    window = await session.scalar(query)
    if window is None:
        raise NotFound("window", str(window_id))
    fresh = await _again(session, window)
    before, now = inputs_of(window.basis), inputs_of(fresh.basis)
    return Recomputed(
        window,
        differs=[name for name in _SAID if _plain(window, name) != _plain(fresh, name)],
        changed=sorted(
            name for name in before.keys() | now.keys()
            if before.get(name) != now.get(name) and name.split(" ")[0] in window.basis
        ),
        unrecorded=sorted(fresh.basis.keys() - window.basis.keys()),
    )  # fmt: skip


def inputs_of(basis: Mapping[str, Any]) -> dict[str, Any]:
    """Return digests by what they are of: of several of a kind, each by its moment."""
    found: dict[str, Any] = {}
    for kind, what in basis.items():
        if kind in {"season", "past"}:
            found |= {f"{kind} {moment}": one for moment, one in what.items()}
        elif kind != "monitor":
            found[kind] = what
    return found


async def _again(session: AsyncSession, window: Window) -> Window:
    tenant_id, place = window.tenant_id, (window.point_id, window.version_id)
    limits = Thresholds(**window.basis.get("monitor", {}))
    traffic = await telemetry.traffic(session, tenant_id, *place)
    baseline = await telemetry.baseline_of(session, tenant_id, window.version_id)
    # As young as it was: what takes labels was judged, or it was not.
    matured = window.since if window.matures_at is not None else None
    series = traffic.series
    segments = Segments(session, tenant_id, place, baseline, limits, series, matured)
    look = Look(limits, baseline, series, segments, matured)
    like = Watch(tenant_id=tenant_id, point_id=window.point_id, version_id=window.version_id)
    fresh = await measure(session, like, look, window.since, window.until)
    begun = window.basis.get("hours", {}).get("since")
    turns = Turns(
        session, tenant_id, traffic, matured,
        begun=datetime.fromisoformat(begun) if begun else None,
    )  # fmt: skip
    if traffic.first_hour is not None and traffic.through is not None:
        await turns.judge(fresh)
    fresh.kpis = window.kpis
    if "kpis" in window.basis:
        fresh.basis = {**fresh.basis, "kpis": window.basis["kpis"]}
        await agreed.judge(session, fresh, limits)
    return fresh


def _plain(window: Window, name: str) -> bytes:
    """Return what a window says as JSON has it, keys in one order."""
    return orjson.dumps(
        getattr(window, name), option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY
    )
