"""What CI jobs and who trusts them say to the server."""

from typing import Any

import httpx

from tests.identity.issuer import AUDIENCE, RULE, Issuer
from tests.live import Live, unique


def terms(forge: Issuer, account: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": unique("rule"), "provider": "github", "issuer": forge.url, "audience": AUDIENCE,
        "claims": RULE, "principal_id": account["id"], "roles": ["developer"], **changes,
    }  # fmt: skip


def exchange(live: Live, rule: Any, token: str) -> httpx.Response:
    path = f"{live.url}/v1/trust-rules/{rule['id']}:exchange"
    return httpx.post(path, json={"token": token}, timeout=30)


def me(live: Live, key: str) -> httpx.Response:
    return httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {key}"})
