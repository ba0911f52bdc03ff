"""Classification: how grave a model is, judged again when somebody learns more.

Whoever registers a model says first what is at stake. A validator or the committee may raise that
at once; to lower it is an edit under change control. Approvals cover the tier, so that nothing goes
into production on a judgement made for less.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, identity
from app.catalog import RiskTier
from app.gates import changes
from app.gates.events import ChangeApproved
from app.gates.tables import Change
from app.identity import Action, Governed
from app.kit.actor import Actor
from app.kit.revision import require_current


async def classify(
    session: AsyncSession, name: str, tier: RiskTier, *, expected: int, reason: str, by: Actor
) -> catalog.Model | Change:
    """Put a model into another risk tier, or ask for it where that asks less of it."""
    model = await catalog.model_of(session, name, by=by, lock=True)
    require_current(expected, model.revision)
    for side in {model.risk_tier, tier}:
        await identity.require_right(session, by, Action.CLASSIFY, tier=side, model=name)
    if list(RiskTier).index(tier) < list(RiskTier).index(model.risk_tier):
        change = await changes.propose(
            session, Governed.TIER, f"model {name}",
            expected=expected, before={"risk_tier": model.risk_tier},
            after={
                "model": name, "risk_tier": tier,
                "barred": sorted(await catalog.developers_of(session, model) | {model.owner_id}),
                "part": "owns the model or developed it",
            },
            scope={"tier": model.risk_tier, "model": name}, reason=reason, by=by,
        )  # fmt: skip
        if change is not None:
            return change
    return await catalog.classify(session, name, tier, expected=expected, reason=reason, by=by)


async def apply_tier(session: AsyncSession, event: ChangeApproved) -> None:
    """Carry out an approved change of a model's tier."""
    if event.kind == Governed.TIER and event.expected is not None:
        asked = event.after
        change = await session.get_one(Change, (event.tenant_id, event.change_id))
        await catalog.classify(
            session, asked["model"], RiskTier(asked["risk_tier"]),
            expected=event.expected, reason=change.reason,
            by=await identity.acting(session, event.tenant_id, event.requester_id),
        )  # fmt: skip
