from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from app.identity import DecisionDenied
from app.kit.actor import Actor, OutOfScope
from app.kit.page import BadCursor, Page, Rows
from app.kit.refusal import NotFound
from app.kit.revision import ConditionMissing, Stale
from app.notifications import deliveries, webhooks
from app.notifications.rules import NoSuchPoint, State, TooManyWebhooks, WebhookInactive
from app.notifications.schemas import (
    DeliveryOut,
    RotateIn,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
    WebhookWithSecretOut,
)
from app.notifications.tables import Delivery, Webhook
from app.platform.http import Cursor, IfMatch, Limit, Session, allow, etag, responses
from app.platform.http import router as make_router
from app.platform.outbound import Outbound, OutboundRefused

router = make_router("/v1/webhooks", tag="webhooks")

Reader = Annotated[Actor, allow("notifications:read")]
Manager = Annotated[Actor, allow("notifications:manage")]


async def _one(session: Session, webhook: Webhook, by: Actor) -> dict[str, Any]:
    return (await webhooks.shown(session, [webhook], by=by))[0]


def _check(request: Request, url: str) -> None:
    outbound: Outbound = request.app.state.outbound
    outbound.check(url)


@router.post(
    "",
    status_code=201,
    response_model=WebhookWithSecretOut,
    responses=responses(TooManyWebhooks, OutboundRefused, DecisionDenied, OutOfScope, NoSuchPoint),
)
async def create_webhook(
    body: WebhookIn, actor: Manager, session: Session, request: Request, response: Response
) -> dict[str, Any]:
    """Have what happens from now on POSTed to an address; its secret is shown this once.

    Each message is a CloudEvent, signed as Standard Webhooks says. It comes at least once, with the
    same `webhook-id` each time, mostly in the order in which things became known. Any 2xx takes it;
    410 switches the webhook off.
    """
    _check(request, body.url)
    webhook, secret = await webhooks.create_webhook(
        session, url=body.url, types=body.types, description=body.description,
        alerts=body.alerts.model_dump(), by=actor,
    )  # fmt: skip
    response.headers["Cache-Control"] = "no-store"
    etag(response, webhook.revision)
    return await _one(session, webhook, actor) | {"secret": secret}


@router.get("", response_model=Page[WebhookOut], responses=responses(BadCursor))
async def list_webhooks(
    actor: Reader, session: Session, cursor: Cursor = None, limit: Limit = 50
) -> Rows[dict[str, Any]]:
    """List where events go, each address with how it does."""
    return await webhooks.list_webhooks(session, cursor=cursor, limit=limit, by=actor)


@router.get("/{webhook_id}", response_model=WebhookOut, responses=responses(NotFound))
async def get_webhook(
    webhook_id: UUID, actor: Reader, session: Session, response: Response
) -> dict[str, Any]:
    """Return a webhook; its secret is not among it."""
    webhook = await webhooks.webhook_of(session, webhook_id, by=actor)
    etag(response, webhook.revision)
    return await _one(session, webhook, actor)


@router.patch(
    "/{webhook_id}",
    response_model=WebhookOut,
    responses=responses(
        NotFound,
        ConditionMissing,
        Stale,
        OutboundRefused,
        DecisionDenied,
        OutOfScope,
        NoSuchPoint,
    ),
)
async def edit_webhook(
    webhook_id: UUID,
    body: WebhookPatch,
    expected: IfMatch,
    actor: Manager,
    session: Session,
    request: Request,
    response: Response,
) -> dict[str, Any]:
    """Change a webhook, or switch it off and on."""
    changes = body.model_dump(mode="json", exclude_unset=True)
    if "url" in changes:
        await webhooks.webhook_of(session, webhook_id, by=actor)
        _check(request, changes["url"])
    webhook = await webhooks.edit_webhook(
        session, webhook_id, expected=expected, changes=changes, by=actor
    )
    etag(response, webhook.revision)
    return await _one(session, webhook, actor)


@router.delete(
    "/{webhook_id}", status_code=204, responses=responses(NotFound, DecisionDenied, OutOfScope)
)
async def delete_webhook(webhook_id: UUID, actor: Manager, session: Session) -> None:
    """Remove a webhook with its secrets and what was on its way to it."""
    await webhooks.delete_webhook(session, webhook_id, by=actor)


@router.post(
    "/{webhook_id}:rotate",
    response_model=WebhookWithSecretOut,
    responses=responses(NotFound, DecisionDenied, OutOfScope),
)
async def rotate_secret(
    webhook_id: UUID, body: RotateIn, actor: Manager, session: Session, response: Response
) -> dict[str, Any]:
    """Give a webhook a new secret, shown this once; for a while both sign."""
    webhook, secret = await webhooks.rotate_secret(
        session, webhook_id, overlap_hours=body.overlap_hours, by=actor
    )
    response.headers["Cache-Control"] = "no-store"
    return await _one(session, webhook, actor) | {"secret": secret}


@router.post(
    "/{webhook_id}:test",
    status_code=202,
    response_model=DeliveryOut,
    responses=responses(NotFound, WebhookInactive, DecisionDenied, OutOfScope),
)
async def test_webhook(webhook_id: UUID, actor: Manager, session: Session) -> Delivery:
    """Send a webhook an event of its own, whatever types it asked for."""
    return await deliveries.test_webhook(session, webhook_id, by=actor)


@router.get(
    "/{webhook_id}/deliveries",
    response_model=Page[DeliveryOut],
    responses=responses(NotFound, BadCursor),
)
async def list_deliveries(
    webhook_id: UUID,
    actor: Reader,
    session: Session,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Rows[Delivery]:
    """List what was sent and is to be sent, newest first; what is done with is kept 30 days."""
    return await deliveries.list_deliveries(
        session, webhook_id, state=state, cursor=cursor, limit=limit, by=actor
    )


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}:redeliver",
    status_code=202,
    response_model=DeliveryOut,
    responses=responses(NotFound, WebhookInactive, DecisionDenied, OutOfScope),
)
async def redeliver(
    webhook_id: UUID, delivery_id: UUID, actor: Manager, session: Session
) -> Delivery:
    """Send an event once more, under the same id; its attempts are counted anew."""
    return await deliveries.redeliver(session, webhook_id, delivery_id, by=actor)
