"""Experiments: what each segment's arms have shown since their plan began, and what follows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kit.actor import Actor
from app.kit.refusal import NotFound
from app.platform.db import clock
from app.routing import seats, service, stops
from app.routing.promoting import Advice, Observed, Standing, stand
from app.routing.sequences import Sums, difference, mismatch
from app.routing.spec import Champion, Multivariate, Plan, Segment, Split
from app.routing.strategies import Written
from app.routing.tables import PlanRevision

_SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Arm:
    """An arm with its version and its days since the experiment began."""

    written: Written
    version_id: UUID
    series: tuple[UUID, ...]
    days: list[telemetry.Day]


async def experiments_of(session: AsyncSession, key: str, *, by: Actor) -> dict[str, Any]:
    """Return what the experiments of a point's plan have shown, in the plan's order."""
    point = await catalog.point_by_key(session, key, by=by)
    row = await service.current_plan(session, by.tenant_id, point.id)
    if row is None:
        raise NotFound("routing plan of", key)
    plan = Plan.model_validate(row.spec)
    champion = await seats.champion_of(session, by.tenant_id, point.id)
    now = await clock(session)
    series = await telemetry.series_of(session, by.tenant_id, point.id)
    stopped = await stops.stopped(session, by.tenant_id, point.id)
    held = {stop.version_id for stop in stopped}
    found = [
        await _experiment(session, point, row, segment, champion.version_id, now, series, held)
        for segment in plan.segments
        if champion is not None and not isinstance(segment.strategy, Champion)
    ]
    return {"decision_point": key, "plan_revision": row.revision, "experiments": found}


async def _experiment(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    row: PlanRevision,
    segment: Segment,
    champion: UUID,
    now: datetime,
    series: Sequence[telemetry.Series],
    held: set[UUID | None],
) -> dict[str, Any]:
    since = await _since(session, row, segment)
    arms = await _arms(session, point, segment, champion, since, series)
    units = await telemetry.units_lately(
        session, point.tenant_id, [one for arm in arms for one in arm.series], since
    )
    weights = {arm.written.name: arm.written.weight for arm in arms}
    seen = {arm.written.name: sum(units.get(one, 0) for one in arm.series) for arm in arms}
    # A bandit moves its weights: its arms have the shares of no one moment.
    fixed = isinstance(segment.strategy, Split | Multivariate)
    unlikely = mismatch(seen, weights) if fixed else None
    as_activated = [a for a in arms if a.version_id == champion and not a.written.parameters]
    control = as_activated[0] if as_activated else arms[0]
    strategy = segment.strategy
    assert not isinstance(strategy, Champion)  # noqa: S101 - those are no experiments
    binary, lower = strategy.reward == "binary", strategy.better == "lower"
    # Posteriors of many arms are drawn for longer than others should wait.
    found = await asyncio.to_thread(
        stand,
        Observed(
            arms={arm.written.name: _sums(arm.days, binary=binary) for arm in arms},
            control=control.written.name,
            binary=binary,
            lower_is_better=lower,
            days=(now - since).total_seconds() / _SECONDS_A_DAY,
            mismatch=unlikely,
            stopped=[a.written.name for a in arms if held & {a.version_id, None}],
            measured=bool(as_activated),
            fixed=fixed,
        ),
    )
    return {
        "segment": segment.name,
        "strategy": strategy.kind,
        "reward": strategy.reward,
        "better": strategy.better,
        "since": since,
        "control": control.written.name,
        "arms": [_shown(arm, found, units=seen, binary=binary) for arm in arms],
        "over_time": _over_time(arms, control, binary=binary, lower=lower),
        "mismatch_p": unlikely,
        "regret": _regret(arms, binary=binary, lower=lower),
        "best": found.best,
        "advice": found.advice,
        "lacking": found.lacking,
        "next": await _next(session, point, arms, found, champion),
    }


async def _since(session: AsyncSession, row: PlanRevision, segment: Segment) -> datetime:
    """Return since when the same units have come to a segment that stood as it is.

    What stands before it, and the holdout, decide who comes to it; what stands behind does not.
    """
    rows = await session.scalars(
        select(PlanRevision)
        .where(
            PlanRevision.tenant_id == row.tenant_id,
            PlanRevision.point_id == row.point_id,
            PlanRevision.revision <= row.revision,
        )
        .order_by(PlanRevision.revision.desc())
    )
    names = [one["name"] for one in row.spec["segments"]]
    upto = names.index(segment.name) + 1
    asked, since = _population(row, upto), row.at
    for one in rows:
        if _population(one, upto) != asked:
            break
        since = one.at
    return since


def _population(row: PlanRevision, upto: int) -> bytes:
    return orjson.dumps([row.spec["segments"][:upto], row.spec.get("holdout")])


async def _arms(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    segment: Segment,
    champion: UUID,
    since: datetime,
    series: Sequence[telemetry.Series],
) -> list[_Arm]:
    named = {(arm.model, arm.version) for arm in segment.strategy.named}
    ids = await catalog.version_ids(session, point.tenant_id, named)
    arms = []
    for written in segment.strategy.written():
        if not written.weight:
            continue  # nobody is given to it
        version_id = champion
        if written.model is not None and written.version is not None:
            version_id = ids[written.model, written.version]
        own = tuple(
            one.id for one in series if (one.arm, one.version_id) == (written.name, version_id)
        )
        days = await telemetry.days_of(session, point.tenant_id, own, since)
        arms.append(_Arm(written, version_id, own, days))
    return arms


def _sums(days: Sequence[telemetry.Day], *, binary: bool) -> Sums:
    if not days:
        return Sums(0, 0.0, 0.0)
    found = days[-1].performance
    if binary:
        return Sums(found.rewarded, float(found.conversions), float(found.conversions))
    return Sums(found.rewarded, found.reward, found.reward_squared)


def _shown(arm: _Arm, found: Standing, *, units: dict[str, int], binary: bool) -> dict[str, Any]:
    name, sums = arm.written.name, _sums(arm.days, binary=binary)
    interval = found.differences.get(name)
    return {
        "arm": name,
        "version_id": arm.version_id,
        "parameters": arm.written.parameters,
        "weight": arm.written.weight,
        "exposures": arm.days[-1].events if arm.days else 0,
        "units_lately": units[name],
        "rewarded": sums.n,
        "mean": sums.mean if sums.n else None,
        "standard_error": (sums.variance / sums.n) ** 0.5 if sums.n else None,
        "p_best": found.p_best[name],
        "expected_loss": found.expected_loss[name],
        "gain": interval and {
            "difference": interval.difference, "low": interval.low, "high": interval.high,
        },
    }  # fmt: skip


def _over_time(
    arms: Sequence[_Arm], control: _Arm, *, binary: bool, lower: bool
) -> list[dict[str, Any]]:
    """Return each arm's gain over the control as it stood at the end of each day."""
    found = []
    for arm in arms:
        for day in arm.days if arm is not control else ():
            before = [one for one in control.days if one.until <= day.until]
            upto = [one for one in arm.days if one.until <= day.until]
            mine, its = _sums(upto, binary=binary), _sums(before, binary=binary)
            interval = difference(its, mine) if lower else difference(mine, its)
            if interval is not None:
                found.append(
                    {
                        "arm": arm.written.name,
                        "until": day.until,
                        "difference": interval.difference,
                        "low": interval.low,
                        "high": interval.high,
                    }
                )
    return found


def _regret(arms: Sequence[_Arm], *, binary: bool, lower: bool) -> float | None:
    """Return what all rewards together lack to those of the arm that earned most a unit."""
    sums = [found for arm in arms if (found := _sums(arm.days, binary=binary)).n]
    if not sums:
        return None
    turned = -1 if lower else 1
    best = max(turned * one.mean for one in sums)
    return sum(one.n * (best - turned * one.mean) for one in sums)


async def _next(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    arms: Sequence[_Arm],
    found: Standing,
    champion: UUID,
) -> str | None:
    """Return the call that follows: the evidence promotes nobody, people do."""
    if found.advice is not Advice.PROMOTE:
        return None
    arm = next(one for one in arms if one.written.name == found.best)
    seat = await seats.open_seat(session, point.tenant_id, point.id, arm.version_id)
    parameters = {**(seat.parameters if seat else {}), **arm.written.parameters}
    if arm.version_id == champion:
        return f"Have a version released that answers as {orjson.dumps(parameters).decode()}."
    body = {
        "model": arm.written.model,
        "version": arm.written.version,
        "decision_point": point.key,
        "endpoint": seat.endpoint if seat else None,
        "parameters": parameters,
    }
    said = {name: value for name, value in body.items() if value}
    return f"POST /v1/activations {orjson.dumps(said).decode()}"
