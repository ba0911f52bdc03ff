"""The keys of token issuers, in memory.

Keys are looked up by discovery at the issuer itself. Whatever tokens arrive, an issuer is asked at
most once a minute, by one request for all who wait; while it is down its last good keys are kept.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.identity.tokens import PublicKey, TokenRefused, read_keys
from app.kit.refusal import Refusal, Unavailable
from app.kit.strictjson import loads
from app.platform.outbound import SECONDS, Outbound, OutboundFailed

logger = logging.getLogger(__name__)

ASKED_SECONDS = 60.0
_OLD_SECONDS = 600.0
"""Keys older than this are looked up again while they go on being used."""
_MOST = 1000
_LIMIT = 256 * 1024


@dataclass(slots=True)
class _Issuer:
    url: str
    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    good: float = float("-inf")
    asked: float = float("-inf")
    flight: "asyncio.Task[None] | None" = None


class Issuers:
    """Issuers that trust rules name, and their keys."""

    def __init__(self, outbound: Outbound, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbound = outbound
        self._clock = clock
        self._known: OrderedDict[str, _Issuer] = OrderedDict()

    async def key(self, url: str, kid: str) -> PublicKey:
        """Return an issuer's key; an unknown one is asked for, but not more than once a minute."""
        issuer = self._issuer(url)
        found = issuer.keys.get(kid)
        if found is not None:
            if self._clock() - issuer.good > _OLD_SECONDS:
                self._ask(issuer)
            return found
        flight = self._ask(issuer)
        if flight is not None:
            await asyncio.shield(flight)
            found = issuer.keys.get(kid)
        if found is not None:
            return found
        if not issuer.keys:
            raise Unavailable("The issuer's keys cannot be read at the moment.")
        raise TokenRefused("unknown kid")

    def _issuer(self, url: str) -> _Issuer:
        issuer = self._known.pop(url, None) or _Issuer(url)
        self._known[url] = issuer
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return issuer

    def _ask(self, issuer: _Issuer) -> "asyncio.Task[None] | None":
        """Return the request under way, a new one if a minute has passed, or ``None``."""
        if issuer.flight is not None:
            return issuer.flight
        if self._clock() - issuer.asked < ASKED_SECONDS:
            return None
        issuer.asked = self._clock()
        issuer.flight = asyncio.create_task(self._refresh(issuer))
        return issuer.flight

    async def _refresh(self, issuer: _Issuer) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                keys = await self._fetch(issuer.url)
        except (Refusal, TimeoutError) as error:
            reason = str(error)[:200]
            logger.warning("an issuer's keys", extra={"issuer": issuer.url, "reason": reason})
        else:
            issuer.keys, issuer.good = keys, self._clock()
        finally:
            issuer.flight = None

    async def _fetch(self, url: str) -> dict[str, PublicKey]:
        place = loads(await self._get(url.rstrip("/") + "/.well-known/openid-configuration"))
        if not isinstance(place, dict) or place.get("issuer") != url:
            raise OutboundFailed("The discovery document is another issuer's.")
        uri = place.get("jwks_uri")
        if not isinstance(uri, str):
            raise OutboundFailed("The discovery document names no jwks_uri.")
        keys = read_keys(await self._get(uri))
        if not keys:
            raise OutboundFailed("The issuer has no key that verifies RS256 or ES256.")
        return keys

    async def _get(self, url: str) -> bytes:
        answer = await self._outbound.fetch(
            "GET", url, headers={"Accept": "application/json"}, limit=_LIMIT
        )
        if answer.status != 200:  # noqa: PLR2004 - what an answer with a document has
            raise OutboundFailed(f"{url} answered {answer.status}.")
        return answer.body
