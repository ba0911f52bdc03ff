"""Evidence under a signature, made where the evidence is made: in a CI job, on a laptop."""

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer:
    """An Ed25519 private key, of which the server knows the public half."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @classmethod
    def new(cls) -> "Signer":
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def seed(self) -> bytes:
        """The 32 bytes to keep secret."""
        return self._key.private_bytes_raw()

    @property
    def public_key(self) -> str:
        """The public half, as it is registered."""
        raw = self._key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        return base64.b64encode(raw).decode()

    def registration(self, tenant_id: UUID | str, principal_id: UUID | str) -> dict[str, str]:
        """Return the body that registers the key, with its proof of possession."""
        lines = (
            "modelward signing key v1", f"tenant {tenant_id}", f"principal {principal_id}",
            f"key {self.public_key}",
        )  # fmt: skip
        proof = self._sign("".join(f"{line}\n" for line in lines).encode())
        return {"public_key": self.public_key, "proof": proof}

    def evidence(
        self, case_id: UUID | str, step: str, kind: str, payload: dict[str, Any], *, key_id: str
    ) -> dict[str, Any]:
        """Return the body that submits evidence of this step of this case, signed as of now.

        It is taken once, for a day: what was measured again is signed again.
        """
        at = datetime.now(UTC).isoformat()
        said: Any = {"at": at, "case": str(case_id), "step": step, "kind": kind, "payload": payload}
        signature = {"key_id": key_id, "at": at, "value": self._sign(rfc8785.dumps(said))}
        return {"kind": kind, "payload": payload, "signature": signature}

    def _sign(self, words: bytes) -> str:
        return base64.b64encode(self._key.sign(words)).decode()
