from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query

from app.catalog import BadEndpoint, RiskTier
from app.gates import approvals, docket, listing, service
from app.gates import cases as dockets
from app.gates.attesting import Sealed
from app.gates.listing import CaseState
from app.gates.rules import (
    AlreadyDecided,
    ApprovalVoid,
    CaseClosed,
    NotAStep,
    NotRequired,
    NotTheRequester,
    Overtaken,
    ReservedFact,
    SelfApproval,
    SignedLongAgo,
    VersionOfNoModel,
)
from app.gates.schemas import (
    ApprovalGivenOut,
    ApprovalIn,
    ApprovalOut,
    CaseOut,
    CaseRowOut,
    DocketOut,
    EvidenceGivenOut,
    EvidenceIn,
    EvidenceOut,
    StepOut,
)
from app.gates.steps import CaseKind
from app.gates.tables import Case
from app.identity import BadSignature, DecisionDenied, Role, SigningKeyRefused
from app.kit.actor import Actor
from app.kit.names import MOST, NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import Cursor, Limit, Session, allow, responses
from app.platform.http import router as make_router

cases = make_router("/v1/cases", tag="gates")

StepName = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$")]
Reader = Annotated[Actor, allow("gates:read")]


@cases.get(
    "",
    response_model=Page[CaseRowOut],
    responses=responses(NotFound, BadCursor, VersionOfNoModel),
)
async def list_cases(
    actor: Reader,
    session: Session,
    model: Annotated[str | None, Query(pattern=NAME)] = None,
    version: Annotated[
        int | None, Query(ge=1, lt=MOST, description="Of `model`; then in order of opening.")
    ] = None,
    kind: CaseKind | None = None,
    state: Annotated[CaseState | None, Query(description="open: those that go on.")] = None,
    decision_point: Annotated[str | None, Query(pattern=NAME)] = None,
    tier: RiskTier | None = None,
    waits_for: Annotated[
        Role | None,
        Query(description="Open cases with a step that waits for an approval of this role."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[dict[str, Any]]:
    """List validations, releases and activations, newest first, and for what and whom they wait.

    Of one version they stand in order of opening.
    """
    found = await listing.list_cases(
        session, model=model, number=version, kind=kind, state=state, point_key=decision_point,
        tier=tier, role=waits_for, cursor=cursor, limit=limit, by=actor,
    )  # fmt: skip
    return Rows([listing.shown(item) for item in found.items], found.next_cursor)


@cases.post(
    "/{case_id}:withdraw",
    response_model=CaseOut,
    responses=responses(NotFound, NotTheRequester, CaseClosed, DecisionDenied),
)
async def withdraw(case_id: UUID, actor: Reader, session: Session) -> Case:
    """End a case that its requester no longer pursues."""
    return await dockets.withdraw(session, case_id, by=actor)


@cases.get("/{case_id}", response_model=DocketOut, responses=responses(NotFound))
async def get_case(case_id: UUID, actor: Reader, session: Session) -> dict[str, Any]:
    """Return the docket of a validation, release or activation: steps, evidence, verdicts."""
    case = await dockets.case_of(session, case_id, by=actor)
    return {
        **CaseOut.model_validate(case).model_dump(),
        "steps": [StepOut.model_validate(state) for state in await docket.states(session, case)],
        **await docket.papers(session, case),
    }


@cases.post(
    "/{case_id}/steps/{step}/evidence",
    status_code=201,
    response_model=EvidenceGivenOut,
    responses=responses(
        NotFound, NotAStep, CaseClosed, DecisionDenied, ReservedFact, BadSignature,
        SigningKeyRefused, SignedLongAgo, Overtaken, BadEndpoint,
    ),
)  # fmt: skip
async def add_evidence(
    case_id: UUID,
    step: StepName,
    body: EvidenceIn,
    actor: Annotated[Actor, allow("gates:evidence")],
    session: Session,
) -> EvidenceGivenOut:
    """Record a fact that the step's gate looks at; who signs it is written into it."""
    sent = body.signature
    sealed = None if sent is None else Sealed(sent.key_id, sent.at, sent.value)
    given = await service.add_evidence(
        session, case_id, step, kind=body.kind, payload=body.payload, sealed=sealed, by=actor
    )
    readers = await service.read_by(session, given)
    return EvidenceGivenOut(**EvidenceOut.model_validate(given).model_dump(), read_by=readers)


@cases.post(
    "/{case_id}/steps/{step}/approvals",
    status_code=201,
    response_model=ApprovalGivenOut,
    responses=responses(
        NotFound,
        NotAStep,
        CaseClosed,
        SelfApproval,
        AlreadyDecided,
        ApprovalVoid,
        NotRequired,
        DecisionDenied,
    ),
)
async def decide(
    case_id: UUID,
    step: StepName,
    body: ApprovalIn,
    actor: Annotated[Actor, allow("gates:approve")],
    session: Session,
) -> ApprovalGivenOut:
    """Approve or reject a step as it stands now; never one's own work."""
    given = await approvals.decide(
        session, case_id, step,
        approved=body.approved, reason=body.reason, digest=body.digest, by=actor,
    )  # fmt: skip
    asked = await approvals.asked_in(session, given)
    return ApprovalGivenOut(**ApprovalOut.model_validate(given).model_dump(), asked=asked)
