"""Tokens of CI systems (JWT), opened with their issuer's keys and judged by one rule. Pure.

How a token is verified is decided by the issuer's key and never by the token: an RSA key verifies
RS256, a P-256 key ES256, and a header that asks for anything else is refused as a whole. Every
refusal reads the same to who brought the token; the reason is for the log.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_decode

from app.identity.claims import Value, matches
from app.kit.refusal import Kind, Malformed, Refusal
from app.kit.strictjson import loads

LONGEST = 16 * 1024
LEEWAY_SECONDS = 60
_LONGEST_LIFE_SECONDS = 86_400
_LONGEST_ID = 256
_MOST_KEYS = 100
_RSA_BITS = range(2048, 8193)
_FORM = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""What a header may say. Not crit, jku, jwk, x5u, x5c, b64, zip: nothing that changes the rules."""


class TokenRefused(Refusal):
    """The token is not one that the rule trusts. Why is in the server's log."""

    kind = Kind.UNAUTHENTICATED
    code = "token_refused"
    title = "This token is not trusted"
    mend = "Compare issuer, audience and claims of the job's token with the trust rule."

    def __init__(self, reason: str) -> None:
        super().__init__("The token does not satisfy the rule, or there is no such rule.")
        self.reason = reason


class TokenUsed(Refusal):
    """The token was exchanged before."""

    kind = Kind.CONFLICT
    code = "token_used"
    title = "A token is exchanged once"
    mend = "Have the CI system issue another token."


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An issuer's key and the one algorithm it is for."""

    algorithm: str
    key: RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Proof:
    """What a good token says."""

    jti: bytes
    """SHA-256 of its own id."""
    expires_at: datetime
    claims: Mapping[str, Any]


def read_keys(jwks: bytes) -> dict[str, PublicKey]:
    """Return the keys of a JWK set that verify RS256 or ES256, by kid; others are passed over."""
    found = loads(jwks)
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise Malformed("A JWK set has a list of keys.")
    keys: dict[str, PublicKey] = {}
    for entry in entries[:_MOST_KEYS]:
        kid = entry.get("kid") if isinstance(entry, dict) else None
        key = _key(entry) if isinstance(kid, str) else None
        if key is not None and isinstance(kid, str):
            keys.setdefault(kid, key)
    return keys


def _key(entry: dict[str, Any]) -> PublicKey | None:
    if "d" in entry or "k" in entry or entry.get("use", "sig") != "sig":
        return None
    algorithms: dict[Any, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm}
    try:
        key = algorithms[entry.get("kty")].from_jwk(entry)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size in _RSA_BITS:
        algorithm = "RS256"
    elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        algorithm = "ES256"
    else:
        return None
    return PublicKey(algorithm, key) if entry.get("alg", algorithm) == algorithm else None


def kid_of(token: str) -> str:
    """Return which key a token says it is signed with, if its header is harmless."""
    form = _FORM.fullmatch(token) if len(token) <= LONGEST else None
    if form is None:
        raise TokenRefused("not a token, or too long")
    header = _json(_decoded(form[1]))
    if unknown := sorted(header.keys() - _HEADER):
        raise TokenRefused(f"header field {unknown[0][:40]}")
    if header.get("alg") not in ("RS256", "ES256"):
        raise TokenRefused("algorithm")
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_ID:
        raise TokenRefused("kid")
    return kid


def open_token(token: str, key: PublicKey) -> dict[str, Any]:
    """Return a token's claims if ``key`` signed it."""
    try:
        signed = jwt.PyJWS(algorithms=[key.algorithm])
        payload = signed.decode(token, key.key, algorithms=[key.algorithm])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise TokenRefused(f"signature: {type(error).__name__}") from error
    return _json(payload)


def judge(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audience: str,
    wanted: Mapping[str, Value],
    now: datetime,
) -> Proof:
    """Return the proof in a token's claims, or refuse; ``now`` is the database's."""
    if claims.get("iss") != issuer:
        raise TokenRefused("issuer")
    if claims.get("aud") not in (audience, [audience]):
        raise TokenRefused("audience")
    moment = now.timestamp()
    expires = _moment(claims, "exp")
    if not moment < expires <= moment + _LONGEST_LIFE_SECONDS:
        raise TokenRefused("expired, or good for more than a day")
    begins = [_moment(claims, name) for name in ("iat", "nbf") if name == "iat" or name in claims]
    if max(begins) > moment + LEEWAY_SECONDS:
        raise TokenRefused("not yet")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
        raise TokenRefused("jti")
    if not matches(wanted, claims):
        raise TokenRefused("claims")
    digest = sha256(jti.encode(errors="surrogatepass")).digest()
    return Proof(digest, datetime.fromtimestamp(expires, UTC), claims)


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused(name)
    return value


def _decoded(part: str) -> bytes:
    try:
        return base64url_decode(part)
    except ValueError as error:
        raise TokenRefused("base64") from error


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = loads(raw)
    except Malformed as error:
        raise TokenRefused("JSON") from error
    if not isinstance(found, dict):
        raise TokenRefused("JSON")
    return found
