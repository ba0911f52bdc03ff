"""Quieting: Alertmanager keeps to itself what was told before it was silenced here.

Each such alert has a silence there, by its labels but severity, until ours are over; it is taken
back as soon as ours are, or the alert is, so that its end is told as it should be. Whose a silence
is, its comment says: those of others, and of other servers, are left alone. Where none can be put
down, the alert stands there all the same: it may be told again, and is never said to be over.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from app.platform.outbound import Fetched, Outbound, OutboundFailed, OutboundRefused

logger = logging.getLogger(__name__)

AUTHOR = "Modelward"
_PATH = "/api/v2/silence"
_COMMENT = "GET /v1/alerts/"
_MOST_BYTES = 8 << 20
_SECONDS = 10.0
_CLOSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Quiet:
    """An alert that is not to be told for a while."""

    alert_id: UUID
    labels: Mapping[str, str]
    until: datetime

    def body(self, known: str | None, now: datetime) -> dict[str, Any]:
        """Return it as a silence of Alertmanager's API v2; another end of one that is known."""
        return {
            **({"id": known} if known else {}),
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in sorted(self.labels.items())
                # What gets worse meanwhile is as quiet.
                if name != "severity"
            ],
            "startsAt": now.isoformat(),
            "endsAt": self.until.isoformat(),
            "createdBy": AUTHOR,
            "comment": f"{_COMMENT}{self.alert_id}",
        }


class Unheard(Exception):
    """Alertmanager did not do what it was asked."""


class Quieting:
    """The silences of one Alertmanager that are ours."""

    def __init__(self, url: str, outbound: Outbound) -> None:
        self._url = url.rstrip("/") + _PATH
        self._outbound = outbound

    async def settle(
        self, wanted: Sequence[Quiet], *, known: Collection[UUID], now: datetime
    ) -> None:
        """Have a silence for each that is wanted, and none for the others that are ``known``."""
        try:
            there = _ours(orjson.loads((await self._call("GET", self._url + "s")).body))
        except (Unheard, ValueError, TypeError) as error:
            # Who cannot be reached at all is said where alerts are sent.
            if wanted:
                logger.warning("Alertmanager took no silences", extra={"reason": str(error)})
            return
        for one in wanted:
            id_, until = there.pop(one.alert_id, (None, now))
            if until < one.until - _CLOSE:
                await self._ask("POST", self._url + "s", one.body(id_, now))
        for alert_id, (id_, _) in there.items():
            if alert_id in known:
                await self._ask("DELETE", f"{self._url}/{id_}")

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> None:
        """Ask for one silence; where it is refused the others are asked for all the same."""
        try:
            await self._call(method, url, body)
        except Unheard as error:
            logger.warning("Alertmanager refused a silence", extra={"reason": str(error)})

    async def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> Fetched:
        headers = {"Content-Type": "application/json", "User-Agent": "Modelward"}
        content = None if body is None else orjson.dumps(body)
        try:
            answer = await self._outbound.fetch(
                method, url, headers=headers, body=content, limit=_MOST_BYTES, seconds=_SECONDS
            )
        except (OutboundFailed, OutboundRefused) as error:
            raise Unheard(error.detail) from error
        if answer.status // 100 != 2:  # noqa: PLR2004 - as RFC 9110 sorts them
            said = answer.body[:300].decode("utf-8", "replace")
            raise Unheard(f"{method} {answer.status}: {said}")
        return answer


def _ours(found: Sequence[Mapping[str, Any]]) -> dict[UUID, tuple[str, datetime]]:
    """Return our silences in force by whose alerts they are: their ids, and their ends.

    What only looks like one of ours is somebody else's.
    """
    ours = {}
    for one in found:
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            if one["createdBy"] == AUTHOR and one["status"]["state"] != "expired":
                before, alert_id = one["comment"].split(_COMMENT)
                ends = datetime.fromisoformat(one["endsAt"])
                if not before:
                    ours[UUID(alert_id)] = one["id"], ends
    return ours
