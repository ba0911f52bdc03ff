"""What a receiver asks for, how often it is tried, how it knows that it is us. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from enum import StrEnum

from app.kit.refusal import Kind, Refusal

EVERYTHING = "*"
TYPE = r"^(\*|[a-z_]{1,40}(\.[a-z_]{1,40}){0,5}(\.\*)?)$"
"""One type of events, all that begin with a word (`release.*`), or all (`*`)."""
PREFIX = "whsec_"
SECRET_BYTES = 32
MOST_RECEIVERS = 50

MOST_ATTEMPTS = 10
_FACTOR, _LONGEST = 5, 86_400.0
_JITTER = 0.2
RESTING = 3
"""After so many failures in a row a receiver is tried with one event at a time, and rarely."""
_LONGEST_REST = 3600.0
GONE = 410


class State(StrEnum):
    """How far the delivery of one event to one receiver has come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Tried as often as it is tried by itself."""


class Disabled(StrEnum):
    """Why the server itself no longer sends to a receiver."""

    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Nothing has reached it for as long as the setting has patience."""


class TooManyWebhooks(Refusal):
    """Each event is sent to each receiver: there is an end to how many there are."""

    kind = Kind.CONFLICT
    code = "too_many_webhooks"
    title = "Too many webhooks"
    mend = "GET /v1/webhooks lists them; DELETE the path of one that is not needed any more."


class NoSuchPoint(Refusal):
    """A receiver would be told of alerts where there is no decision point, which is never."""

    kind = Kind.INVALID
    code = "no_such_point"
    title = "No such decision point"
    mend = (
        "Name decision points that there are (GET /v1/decision-points lists them), create the one"
        " that is meant first, or leave `points` out to be told of all."
    )


class WebhookInactive(Refusal):
    """Nothing is sent to a receiver that is switched off."""

    kind = Kind.CONFLICT
    code = "webhook_inactive"
    title = "The webhook is switched off"
    mend = 'PATCH /v1/webhooks/{webhook_id} with {"active": true} first.'


def wants(asked: Iterable[str], kind: str) -> bool:
    """Say whether a receiver asked for events of this type."""
    return any(
        item in {EVERYTHING, kind} or (item.endswith(".*") and kind.startswith(item[:-1]))
        for item in asked
    )


def show(secret: bytes) -> str:
    """Return a secret as Standard Webhooks writes it."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secrets: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` of a message: one for each secret that is in force."""
    signed = b"%b.%d.%b" % (event_id.encode(), timestamp, body)
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        for secret in secrets
    )


def succeeded(code: int) -> bool:
    """Say whether an answer means that the message was taken; a redirect does not."""
    return code // 100 == 2  # noqa: PLR2004 - as RFC 9110 sorts them


def retry_after(attempts: int, first: float, luck: float) -> float | None:
    """Return in how many seconds a message is tried again after so many failed attempts.

    With ``first`` of 5 s the ten attempts take three days. ``luck`` in [0, 1) spreads them, so
    that what failed together does not come back together.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return _spread(min(first * _FACTOR ** (attempts - 1), _LONGEST), luck)


def rest_after(failures: int, first: float, luck: float) -> float:
    """Return how many seconds a receiver is left alone after so many failures in a row."""
    if failures < RESTING:
        return 0.0
    return _spread(min(first * 2 ** min(failures - RESTING, 30), _LONGEST_REST), luck)


def _spread(seconds: float, luck: float) -> float:
    return seconds * (1 - _JITTER + 2 * _JITTER * luck)
