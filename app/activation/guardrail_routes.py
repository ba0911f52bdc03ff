"""Guardrails of a decision point, and what did not hold them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app import gates, identity
from app.activation import guardrails
from app.activation.guardrail_tables import Action, Breach, Guardrail, Taken
from app.activation.rules import BadCondition
from app.kit.actor import Actor
from app.kit.input import Input
from app.kit.names import NAME
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.platform.http import (
    Cursor,
    IfMatch,
    IfMatchToReplace,
    Limit,
    Session,
    allow,
    etag,
    responses,
)
from app.platform.http import router as make_router
from app.platform.http.documented import editing

router = make_router("/v1/decision-points/{key}", tag="guardrails")

Name = Annotated[str, Path(pattern=NAME)]
Reader = Annotated[Actor, allow("telemetry:read")]
Writer = Annotated[Actor, allow("monitor:write")]
Reason = Annotated[str, Query(max_length=2000)]


class GuardrailIn(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "when": "performance.labelled >= 200 && performance.accuracy < 0.7",
                    "within_minutes": 1440,
                    "min_events": 500,
                    "action": "rollback",
                }
            ]
        },
    )

    when: str = Field(
        min_length=1,
        max_length=4000,
        description="CEL over drift, performance, kpi and traffic of the newest 24 hours, or since"
        " the swap if that is later, minutes_since_swap, and alerts that stand now: how many by"
        " state, severity and kind (`alerts.firing`, `alerts.critical`, `alerts.business`), and"
        " `alerts.open` with kind, subject, severity, state of each; true: what `action` says."
        " Of the newest 10,000 events of that time, while raw events are kept: latency as"
        " `latency_ms` of events says it (`latency.measured >= 100 && latency.p95_ms >"
        " latency.budget_ms`, the contract's; also p50_ms, p99_ms, max_ms, over_budget); and"
        " errors, whose `errors.share` came back with neither score nor prediction. What was not"
        " measured is null, and who compares null gets no answer.",
    )
    within_minutes: int | None = Field(
        None, ge=1, le=5_256_000, description="Only so long after the swap; null: always."
    )
    min_events: int = Field(
        100, ge=0, le=10**9, description="Events in those hours before it is asked at all."
    )
    action: Action = Action.ROLLBACK


class GuardrailOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    when: str
    within_minutes: int | None
    min_events: int
    action: Action
    revision: int
    at: datetime


class GuardrailSeenOut(GuardrailOut):
    judges_from: datetime | None = Field(
        description="Since when it judges the present champion: the swap, or the whole hour after"
        " a stop that it made was lifted, or after he was brought back in spite of what a guardrail"
        " had rolled him back for; null where nobody is champion."
    )


class SaysOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version_id: UUID = Field(description="The present champion.")
    events: int = Field(description="In the hours that count; fewer than `min_events`: not asked.")
    breached: bool | None = Field(description="Null where it has no answer: `error` says why.")
    error: str | None


class GuardrailSetOut(GuardrailOut):
    says: SaysOut | None = Field(
        None, description="What the condition says of the present facts; null without a champion."
    )


class BreachOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    guardrail: str
    revision: int
    when: str
    version_id: UUID = Field(description="The champion that did not hold it.")
    seat_id: UUID
    facts: dict[str, Any] = Field(description="What was measured, and the condition asked of.")
    action: Action = Field(description="What it was to lead to.")
    taken: Taken = Field(description="What it did lead to.")
    why: str | None = Field(description="Why it was another thing, or what failed.")
    restored_id: UUID | None = Field(description="The version that answers again.")
    stop_id: UUID | None
    occasion: int = Field(description="Counted from 1: how often it has spoken of this seat.")
    at: datetime


@router.get(
    "/guardrails", response_model=Page[GuardrailOut], responses=responses(NotFound, BadCursor)
)
async def list_guardrails(
    key: Name, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[Guardrail]:
    """List the conditions under which a champion does not stay here."""
    return await guardrails.list_guardrails(session, key, cursor=cursor, limit=limit, by=actor)


@router.get(
    "/guardrails/{guardrail}", response_model=GuardrailSeenOut, responses=responses(NotFound)
)
async def get_guardrail(
    key: Name, guardrail: Name, actor: Reader, session: Session, response: Response
) -> GuardrailSeenOut:
    """Return a guardrail; its ETag guards edits."""
    found = await guardrails.guardrail_of(session, key, guardrail, by=actor)
    etag(response, found.revision)
    since = await guardrails.judges_from(session, found)
    terms = GuardrailOut.model_validate(found).model_dump()
    return GuardrailSeenOut(**terms, judges_from=since)


@router.put(
    "/guardrails/{guardrail}",
    response_model=GuardrailSetOut,
    responses=editing(NotFound, BadCondition, identity.DecisionDenied) | gates.ACCEPTED,
)
async def set_guardrail(
    key: Name,
    guardrail: Name,
    body: GuardrailIn,
    expected: IfMatchToReplace,
    actor: Writer,
    session: Session,
    response: Response,
    reason: Reason = "",
) -> Any:
    """Say under which condition a champion is rolled back, stopped, validated again, or told of.

    It is asked every ten seconds, over the events of a window that slides: the newest 24 hours, the
    present one among them, or since the swap if that is later. Hours are those of the events' own
    time and count whole: what the version did earlier in the hour of the swap, as challenger, is
    among it, and nothing from the hours before. The facts say it as `traffic.since`. A breach acts
    once for each time that a version is champion, and anew once a stop that it made was lifted:
    from the next whole hour on, as `judges_from` says. Who is brought back in spite of what a
    guardrail rolled him back for (`accept_cause`) is judged by all of them from the next whole hour
    on, and by alerts that are newer. A rollback passes over whoever was returned, retired or rolled
    back from since he won; where nobody is left, or who is left is not approved any more, a
    declared version or constant answers instead; without one, nothing moves and the breach is only
    told. A condition that fails moves nothing.

    `hold` is for whom a ramp brings in; `validate` opens a validation of the version, if none is
    open, in which a validator may send it back. A condition about `alerts` speaks again when a
    newer alert fires; about them alone it wants `min_events` 0.

    A condition that asks for what nobody measures, or compares what cannot be compared, is refused
    with the place and the names there are; KPIs are those that are agreed here. `says` is what it
    says of the present champion.
    """
    found = await guardrails.edit_guardrail(
        session, key, guardrail, expected=expected, fields=body.model_dump(), reason=reason,
        by=actor,
    )  # fmt: skip
    if isinstance(found, gates.Change):
        return gates.accepted(found)
    assert found is not None  # noqa: S101 - with fields, there is one
    etag(response, found.revision)
    said = await guardrails.says_now(session, found)
    terms = GuardrailOut.model_validate(found).model_dump()
    return GuardrailSetOut(**terms, says=SaysOut.model_validate(said) if said else None)


@router.delete(
    "/guardrails/{guardrail}",
    status_code=204,
    response_model=None,
    responses=editing(NotFound, identity.DecisionDenied) | gates.ACCEPTED,
)
async def remove_guardrail(
    key: Name,
    guardrail: Name,
    expected: IfMatch,
    actor: Writer,
    session: Session,
    reason: Reason = "",
) -> Any:
    """Watch no longer by a guardrail; what did not hold it stays on record."""
    change = await guardrails.edit_guardrail(
        session, key, guardrail, expected=expected, fields=None, reason=reason, by=actor
    )
    return gates.accepted(change) if isinstance(change, gates.Change) else Response(status_code=204)


@router.get("/breaches", response_model=Page[BreachOut], responses=responses(NotFound, BadCursor))
async def list_breaches(
    key: Name, actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[Breach]:
    """List what did not hold a guardrail here, with what was measured and done: newest first."""
    return await guardrails.list_breaches(session, key, cursor=cursor, limit=limit, by=actor)
