"""Tokens that somebody forged, bent or stole, by name; each is refused."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.identity.issuer import AUDIENCE, Issuer

OWN_RSA = rsa.generate_private_key(65537, 2048)
OWN_EC = ec.generate_private_key(ec.SECP256R1())
Forger = Callable[[Issuer], str]


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(issuer: Issuer, header: Any, payload: Any = None, *, kid: str = "first") -> str:
    """A token of any header and payload, rightly signed by the issuer's RSA key."""
    key = issuer.keys[kid]
    body = f"{part(header)}.{part(issuer.claims() if payload is None else payload)}"
    return f"{body}.{part(jwt.get_algorithm_by_name('RS256').sign(body.encode(), key))}"


def headed(**fields: Any) -> Forger:
    return lambda issuer: signed(issuer, {"alg": "RS256", "kid": "first", "typ": "JWT", **fields})


def telling(**changes: Any) -> Forger:
    return lambda issuer: issuer.token(**changes)


def later(**offsets: float) -> Forger:
    """A token whose times lie so many seconds from now."""

    def forge(issuer: Issuer) -> str:
        changes: dict[str, Any] = {k: int(time.time() + v) for k, v in offsets.items()}
        return issuer.token(**changes)

    return forge


def unsigned(alg: str) -> Forger:
    def forge(issuer: Issuer) -> str:
        return f"{part({'alg': alg, 'kid': 'first'})}.{part(issuer.claims())}."

    return forge


def keyed_with_the_public_key(encoding: Encoding, form: PublicFormat) -> Forger:
    """HS256 with what everybody knows as its secret."""

    def forge(issuer: Issuer) -> str:
        secret = issuer.keys["first"].public_key().public_bytes(encoding, form)
        body = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(issuer.claims())}"
        return f"{body}.{part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"

    return forge


def foreign(algorithm: str, key: Any, kid: str = "first") -> Forger:
    """A token that somebody signed himself."""
    return lambda issuer: jwt.encode(issuer.claims(), key, algorithm, headers={"kid": kid})


def mixed(issuer: Issuer) -> str:
    """A good signature under other claims."""
    head, _, signature = issuer.token().split(".")
    return f"{head}.{part(issuer.claims(ref='refs/heads/other'))}.{signature}"


def cut(issuer: Issuer) -> str:
    return issuer.token().rpartition(".")[0] + "."


def without_kid(issuer: Issuer) -> str:
    return signed(issuer, {"alg": "RS256", "typ": "JWT"})


def own_jwk(issuer: Issuer) -> str:
    """A token that brings its key along."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OWN_RSA.public_key()))
    headers = {"kid": "first", "jwk": public}
    return jwt.encode(issuer.claims(), OWN_RSA, "RS256", headers=headers)


def deep(issuer: Issuer) -> str:
    return signed(issuer, b"[" * 5000)


ELSEWHERE = "https://attacker.example.com/keys"
FORGERIES: dict[str, Forger] = {
    "nothing": lambda _: "",
    "no token": lambda _: "a.b.c",
    "an API key": lambda _: "mwk_" + "a" * 46,
    "not ASCII": lambda _: "é.é.é",
    "too long": telling(padding="x" * 17_000),
    "alg none": unsigned("none"),
    "alg NONE": unsigned("NoNe"),
    "no signature": unsigned("RS256"),
    "signature cut": cut,
    "HS256 with the PEM": keyed_with_the_public_key(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    ),
    "HS256 with the DER": keyed_with_the_public_key(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ),
    "ES256 under an RSA key's name": foreign("ES256", OWN_EC),
    "own RSA key": foreign("RS256", OWN_RSA),
    "own RSA key, RS512": foreign("RS512", OWN_RSA),
    "PS256": lambda issuer: jwt.encode(
        issuer.claims(), issuer.keys["first"], "PS256", headers={"kid": "first"}
    ),
    "RS256 says it is RS512": headed(alg="RS512"),
    "RS256 says it is ES256": headed(alg="ES256"),
    "alg is a list": headed(alg=["RS256"]),
    "no kid": without_kid,
    "kid is no text": headed(kid=7),
    "kid is a path": headed(kid="../../dev/null"),
    "kid is SQL": headed(kid="' UNION SELECT 'x' --"),
    "kid is endless": headed(kid="k" * 5000),
    "unknown kid": headed(kid="unknown"),
    "crit": headed(crit=["exp"]),
    "crit b64": headed(crit=["b64"], b64=False),
    "b64": headed(b64=False),
    "jku": headed(jku=ELSEWHERE),
    "x5u": headed(x5u=ELSEWHERE),
    "x5c": headed(x5c=["MIIB"]),
    "jwk": headed(jwk={"kty": "oct", "k": "AA"}),
    "brings its own key": own_jwk,
    "zip": headed(zip="DEF"),
    "claims exchanged": mixed,
    "header is a list": lambda issuer: signed(issuer, ["RS256"]),
    "header is deep": deep,
    "payload is a list": lambda issuer: signed(issuer, {"alg": "RS256", "kid": "first"}, ["x"]),
    "payload repeats iss": lambda issuer: signed(
        issuer, {"alg": "RS256", "kid": "first"}, b'{"iss":"a","iss":"b"}'
    ),
    "other audience": telling(aud="https://other.example.com"),
    "audience among others": telling(aud=[AUDIENCE, "https://other.example.com"]),
    "no audience": telling(aud=None),
    "audience in other letters": telling(aud=AUDIENCE.upper()),
    "other issuer": telling(iss="https://token.actions.githubusercontent.com"),
    "no issuer": telling(iss=None),
    "expired": later(exp=-1),
    "expired within leeway": later(exp=-30),
    "no exp": telling(exp=None),
    "exp is text": telling(exp="9999999999"),
    "exp is true": telling(exp=True),
    "exp is endless": telling(exp=1e300),
    "exp in a week": later(exp=7 * 86_400),
    "nbf to come": later(nbf=120),
    "iat to come": later(iat=120),
    "no iat": telling(iat=None),
    "nbf is text": telling(nbf="soon"),
    "no jti": telling(jti=None),
    "jti is a number": telling(jti=1),
    "jti is empty": telling(jti=""),
    "jti is endless": telling(jti="j" * 257),
    "other repository": telling(repository_id="75"),
    "same name, other owner": telling(repository_owner_id="66"),
    "repository as a number": telling(repository_id=74),
    "other branch": telling(ref="refs/heads/feature"),
    "branch in a list": telling(ref=["refs/heads/main"]),
    "no repository": telling(repository_id=None),
}
