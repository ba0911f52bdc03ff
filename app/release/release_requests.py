"""Asking for a release in one call: what has to be so before anything is begun."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, kpi
from app.kit.actor import Actor
from app.kit.refusal import Invalid
from app.platform.db import Json
from app.release import operations
from app.release.operation_rules import OperationKind
from app.release.tables import Operation
from app.release.validators import require_fit


class KpisNotAgreed(Invalid):
    """The release is to be judged by KPIs that nobody agreed on."""

    code = "kpis_not_agreed"
    title = "KPIs that are not agreed on"
    mend = "Agree on them first: PUT /v1/decision-points/{key}/kpis/{kpi}."


class TierDiffers(Invalid):
    """The model is of another risk tier than the caller takes it for."""

    code = "tier_differs"
    title = "Another risk tier"
    mend = "GET /v1/models/{name} says `risk_tier`; PUT /v1/models/{name}/risk-tier changes it."


async def request_release(
    session: AsyncSession,
    *,
    model: str,
    number: int,
    points: Collection[str],
    kpis: Collection[str],
    validator: str | None,
    risk_tier: str | None,
    integration: Json | None,
    by: Actor,
) -> Operation:
    """Ask for the release of a version for decision points; what goes on already is joined."""
    version = await catalog.find_version(session, model, number, by=by)
    tier = (await catalog.model_of(session, model, by=by)).risk_tier
    if risk_tier is not None and risk_tier != tier:
        raise TierDiffers(
            f"{model} is of tier {tier}, not {risk_tier}.",
            risk_tier=tier.value,
            filled={"name": model},
        )
    lacking = []
    for key in points:
        point = await catalog.point_by_key(session, key, by=by)
        agreed = {item.key for item in await kpi.agreements(session, by.tenant_id, point.id)}
        lacking += [{"decision_point": key, "kpi": name} for name in kpis if name not in agreed]
    if lacking:
        first = lacking[0]
        raise KpisNotAgreed(
            f"{first['decision_point']} has no KPI {first['kpi']!r}.",
            missing=lacking,
            filled={"key": first["decision_point"], "kpi": first["kpi"]},
        )
    if validator is not None:
        await require_fit(session, validator, version, by=by)
    about = {
        "model": model, "version": number, "tier": tier.value, "decision_points": list(points),
        "validator": validator,
    }  # fmt: skip
    request = {"integration": integration, "kpis": sorted(kpis)}
    kind = OperationKind.RELEASE_RUN
    going = await operations.same_going(session, kind, about=about, request=request, by=by)
    return going or await operations.begin(session, kind, about=about, request=request, by=by)
