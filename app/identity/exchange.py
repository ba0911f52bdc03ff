"""The exchange of a CI token for a key: read the rule, have the keys, judge, mint.

Anybody may knock here, so little is spent on him: a bucket for what is wrong, a header that is read
before the database is, and a few database connections for all who come. No session is open while an
issuer is asked.
"""

import asyncio
import logging
import math
import time
from uuid import UUID

from app.identity import tokens, trust
from app.identity.issuers import Issuers
from app.kit.bucket import Buckets
from app.kit.refusal import RateLimited
from app.platform.db import ALL_TENANTS, Database
from app.platform.http import Peer, WrongCredentials
from app.platform.outbound import Outbound

logger = logging.getLogger(__name__)

RATE, BURST = 20.0, 60
_CONNECTIONS = 4


class Exchange:
    """Exchanges tokens in one process."""

    def __init__(self, database: Database, outbound: Outbound, wrong: WrongCredentials) -> None:
        self._database = database
        self._issuers = Issuers(outbound)
        self._wrong = wrong
        self._buckets = Buckets(rate=RATE, burst=BURST)
        self._connections = asyncio.Semaphore(_CONNECTIONS)

    async def __call__(self, rule_id: UUID, token: str, peer: Peer) -> trust.Exchanged:
        """Return a key for a token that a rule trusts."""
        try:
            # Junk is counted against who sends it: nobody uses up what a rule's own jobs need.
            with self._wrong.counted(peer):
                return await self._exchange(rule_id, token)
        except tokens.TokenRefused as refusal:
            extra = {"rule": str(rule_id), "reason": refusal.reason}
            logger.info("token refused", extra=extra)
            raise

    async def _exchange(self, rule_id: UUID, token: str) -> trust.Exchanged:
        kid = tokens.kid_of(token)
        async with self._connections, self._database.session(ALL_TENANTS) as session:
            rule, now = await trust.terms_of(session, rule_id)
        key = await self._issuers.key(rule.issuer, kid)
        claims = tokens.open_token(token, key)
        wait = self._buckets.take(rule_id, time.monotonic())
        if wait:
            raise RateLimited("Too many tokens for this rule.", retry_after=math.ceil(wait))
        proof = tokens.judge(
            claims,
            issuer=rule.issuer,
            audience=rule.audience,
            wanted=rule.claims,
            now=now,
        )
        async with self._connections, self._database.transaction(rule.tenant_id) as session:
            return await trust.mint(session, rule, proof)
