"""A token issuer as a process of its own: its keys are rotated, it is slowed, it fails.

``python -m tests.identity.issuer`` prints its port. It serves what was last put to it.
"""

import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

DISCOVERY = "/.well-known/openid-configuration"
AUDIENCE = "https://models.example.com"
CLAIMS = {
    "repository_id": "74", "repository_owner_id": "65", "repository": "acme/price",
    "ref": "refs/heads/main", "sub": "repo:acme/price:ref:refs/heads/main", "run_id": "9001",
}  # fmt: skip
RULE = {"repository_id": "74", "repository_owner_id": "65", "ref": "refs/heads/main"}


class Handler(BaseHTTPRequestHandler):
    """Answers as the control put to it says, and counts."""

    state: dict[str, Any] = {"answers": {}, "seconds": 0.0, "down": False}  # noqa: RUF012 - one server, one state
    asked: Counter[str] = Counter()  # noqa: RUF012 - likewise
    lock = threading.Lock()

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.state.update(body)
        self._answer(200, {})

    def do_GET(self) -> None:
        if self.path == "/asked":
            self._answer(200, self.asked)
            return
        with self.lock:
            self.asked[self.path] += 1
        time.sleep(self.state["seconds"])
        answer = self.state["answers"].get(self.path)
        if self.state["down"] or answer is None:
            self._answer(503, {})
        elif "location" in answer:
            self._answer(302, {}, location=answer["location"])
        else:
            self._answer(200, answer)

    def _answer(self, status: int, body: Any, **headers: str) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Issuer:
    """The control of an issuer process, and its private keys."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.keys: dict[str, Any] = {}
        self.rotate("first")

    def rotate(self, *kids: str, rsa_bits: int = 2048) -> None:
        """Serve these keys and no others; names that begin with "ec" are of a curve."""
        for kid in kids:
            if kid not in self.keys:
                self.keys[kid] = (
                    ec.generate_private_key(ec.SECP256R1())
                    if kid.startswith("ec")
                    else rsa.generate_private_key(65537, rsa_bits)
                )
        self.serve({"keys": [self.jwk(kid) for kid in kids]})

    def serve(self, jwks: Any, **discovery: Any) -> None:
        place = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **discovery}
        self.put(answers={DISCOVERY: place, "/jwks": jwks})

    def put(self, **state: Any) -> None:
        httpx.put(f"{self.url}/", json=state).raise_for_status()

    def asked(self) -> dict[str, int]:
        found: dict[str, int] = httpx.get(f"{self.url}/asked").json()
        return found

    def jwk(self, kid: str) -> dict[str, Any]:
        key = self.keys[kid]
        curve = isinstance(key, ec.EllipticCurvePrivateKey)
        kind: Any = ECAlgorithm if curve else RSAAlgorithm
        found: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
        return {**found, "kid": kid, "use": "sig", "alg": "ES256" if curve else "RS256"}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a job's token; what is changed to ``None`` is left out."""
        now = int(time.time())
        found = {
            **CLAIMS, "iss": self.url, "aud": AUDIENCE, "iat": now, "nbf": now - 5,
            "exp": now + 300, "jti": uuid.uuid4().hex, **changes,
        }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}

    def token(self, kid: str = "first", **changes: Any) -> str:
        """A job's token, as the issuer signs it."""
        key = self.keys[kid]
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
        return jwt.encode(self.claims(**changes), key, algorithm, headers={"kid": kid})


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Run an issuer; end it, by its process, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.identity.issuer"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Issuer(process, int(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
