"""Signed evidence, as tests make it."""

from typing import Any

from app.client import Client, Signer


def registered(client: Client, signer: Signer, principal_id: str | None = None) -> Any:
    """The signer's key as the server keeps it."""
    me = client.get("/v1/me")
    owner = principal_id or me["id"]
    body = signer.registration(me["tenant_id"], owner)
    return client.post(f"/v1/principals/{owner}/signing-keys", body)


def submit_signed(client: Client, case: Any, step: str, kind: str, payload: dict[str, Any]) -> Any:
    """Evidence under a key made for it."""
    signer = Signer.new()
    key = registered(client, signer)["id"]
    body = signer.evidence(case["id"], step, kind, payload, key_id=key)
    return client.post(f"/v1/cases/{case['id']}/steps/{step}/evidence", body)
