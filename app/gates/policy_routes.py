from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response

from app.catalog import RiskTier
from app.gates import packs, policies, verdicts
from app.gates.accepting import ACCEPTED, accepted
from app.gates.policy_schemas import (
    PackOut,
    PackSummaryOut,
    PolicyDraftOut,
    PolicyIn,
    PolicyOut,
    PolicyRevisionOut,
    RecomputedOut,
    ReplayCounts,
    ReplayedVerdictOut,
    ReplayIn,
    ReplayOut,
)
from app.gates.rules import BadPolicy, TwoMoments
from app.gates.schemas import VerdictOut
from app.gates.tables import Change, PolicyRevision, Verdict
from app.identity import DecisionDenied
from app.kit.actor import Actor
from app.kit.moment import InTheFuture
from app.kit.names import MOST
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import At, Cursor, IfMatch, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.platform.http.documented import editing

tiers = make_router("/v1/policies", tag="gates")
shelf = make_router("/v1/policy-packs", tag="gates")
judged = make_router("/v1/verdicts", tag="gates")
routers = (tiers, shelf, judged)

Reader = Annotated[Actor, allow("gates:read")]


@tiers.get(
    "/{tier}",
    response_model=PolicyOut,
    response_model_exclude_unset=True,
    responses=responses(NotFound, TwoMoments, InTheFuture),
)
async def get_policy(
    tier: RiskTier,
    actor: Reader,
    session: Session,
    response: Response,
    revision: Annotated[int | None, Query(ge=1, lt=MOST)] = None,
    at: At = None,
) -> PolicyRevision:
    """Return the policy of a risk tier, or as it stood: required steps and their rules."""
    if revision is not None and at is not None:
        raise TwoMoments("Give either revision or at.")
    found = await policies.current(session, actor.tenant_id, tier, revision=revision, at=at)
    etag(response, found.revision)
    return found


@tiers.put(
    "/{tier}",
    response_model=PolicyOut | PolicyDraftOut,
    response_model_exclude_unset=True,
    responses=editing(NotFound, BadPolicy, DecisionDenied) | ACCEPTED,
)
async def replace_policy(
    tier: RiskTier,
    body: PolicyIn,
    expected: IfMatch,
    actor: Annotated[Actor, allow("policy:write")],
    session: Session,
    response: Response,
    validate_only: Annotated[bool, Query(description="Save nothing; say what would be.")] = False,  # noqa: FBT002 - a query parameter goes by name
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> PolicyOut | PolicyDraftOut | Response:
    """Save a new revision, or say what it would be; under change control, ask for it.

    Every rule is compiled and type-checked first.
    """
    if validate_only:
        new = await policies.draft(session, tier, expected=expected, body=body.body, by=actor)
        etag(response, expected)
        return PolicyDraftOut.model_validate({**_plain(new), "validate_only": True})
    saved = await policies.edit(
        session, tier, expected=expected, body=body.body, reason=reason, by=actor
    )
    if isinstance(saved, Change):
        return accepted(saved)
    etag(response, saved.revision)
    return PolicyOut.model_validate(saved)


@tiers.get(
    "/{tier}/revisions",
    response_model=Page[PolicyRevisionOut],
    responses=responses(NotFound, BadCursor),
)
async def list_policy_revisions(
    tier: RiskTier, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List who saved which revision and when, newest first."""
    return await policies.revisions(session, tier, cursor=cursor, limit=limit, by=actor)


@tiers.post("/{tier}:replay", response_model=ReplayOut, responses=responses(NotFound, BadPolicy))
async def replay_policy(
    tier: RiskTier, body: ReplayIn, actor: Reader, session: Session
) -> ReplayOut:
    """Say which of the tier's last verdicts a draft, or a stored revision, would change."""
    found = await verdicts.replay_policy(
        session, tier, body=body.body, revision=body.revision, last=body.last, by=actor
    )
    return _replayed(found)


@shelf.get("", response_model=list[PackSummaryOut], responses=responses())
async def list_policy_packs(actor: Reader) -> list[packs.Pack]:  # noqa: ARG001 - the guard
    """List the policies to start from; each is adopted by saving its body as a tier's policy."""
    return list(packs.PACKS.values())


@shelf.get("/{name}", response_model=PackOut, responses=responses(NotFound))
async def get_policy_pack(
    name: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")],
    actor: Reader,  # noqa: ARG001 - the guard
) -> packs.Pack:
    """Return a policy to start from, complete: every gate, each rule with what it cites."""
    if name not in packs.PACKS:
        raise NotFound("policy pack", name)
    return packs.PACKS[name]


@judged.get("/{verdict_id}", response_model=VerdictOut, responses=responses(NotFound))
async def get_verdict(verdict_id: UUID, actor: Reader, session: Session) -> Verdict:
    """Return what a gate said, with all that it looked at."""
    return await verdicts.verdict_of(session, verdict_id, by=actor)


@judged.post("/{verdict_id}:recompute", response_model=RecomputedOut, responses=responses(NotFound))
async def recompute_verdict(
    verdict_id: UUID, actor: Reader, session: Session
) -> verdicts.Recomputed:
    """Judge a verdict's stored facts by its stored policy again, and say whether it is the same."""
    return await verdicts.recompute(session, verdict_id, by=actor)


def _plain(new: policies.Draft) -> dict[str, Any]:
    return {name: getattr(new, name) for name in ("tier", "revision", "body", "digest", "changes")}


def _replayed(found: verdicts.Replayed) -> ReplayOut:
    moved = [(item.past, item.ruling) for item in found.changes]
    return ReplayOut(
        tier=found.tier,
        revision=found.revision,
        digest=found.digest,
        examined=found.examined,
        complete=found.complete,
        counts=ReplayCounts(
            changed=len(moved),
            unchanged=found.examined - len(moved),
            would_open=sum(new.passed and not old.passed for old, new in moved),
            would_close=sum(old.passed and not new.passed for old, new in moved),
            other_path=sum(old.path != new.path for old, new in moved),
        ),
        changes=[
            ReplayedVerdictOut.model_validate(
                {
                    "verdict_id": item.past.id,
                    "case_id": item.past.case_id,
                    "step": item.past.step,
                    "at": item.past.at,
                    "passed": {"before": item.past.passed, "after": item.ruling.passed},
                    "path": {"before": item.past.path, "after": item.ruling.path},
                    "rules": item.rules,
                },
                from_attributes=True,
            )
            for item in found.changes
        ],
    )
