"""Whether the endpoint that applications are given is one that was tested. Pure.

Tested is an address that a version was called at, by the server or by who signed what he found,
without a failure. A test elsewhere, on a staging host say, is none of this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}
_OPEN_INFERENCE = "open_inference_v2"


@dataclass(frozen=True, slots=True)
class Trial:
    """A proven integration test of a version, as it stands on record."""

    endpoint: str | None
    passed: bool
    agreed: bool
    """Whether its cases are those that the point keeps, or of a signer with no part in it."""
    base: bool = False
    """Whether the endpoint is what the Open Inference Protocol's paths lie under."""

    @classmethod
    def of(cls, payload: dict[str, Any], in_force: str | None) -> Self:
        """Return what evidence ``integration`` says, whoever measured it.

        By the cases ``in_force`` at the point, which nobody chose who made the version, it is
        agreed what was tried: rules ask for the same of a release.
        """
        endpoint, signed = payload.get("endpoint"), payload.get("signed_by")
        cases, failures = payload.get("cases"), payload.get("failures")
        return cls(
            endpoint=endpoint if isinstance(endpoint, str) else None,
            passed=_count(cases) > 0 and _count(failures) == 0,
            agreed=signed.get("part") is None
            if isinstance(signed, dict)
            else in_force is not None
            and payload.get("cases_from") == in_force
            and payload.get("cases_part") is None,
            base=payload.get("protocol") == _OPEN_INFERENCE,
        )

    def at(self, endpoint: str) -> bool:
        """Say whether an endpoint was called by it."""
        if self.endpoint is None:
            return False
        mine, theirs = normal(self.endpoint), normal(endpoint)
        return mine == theirs or (self.base and f"{theirs}/".startswith(f"{mine}/v2/"))


def _count(value: Any) -> float:
    """Return a number as it was submitted; what is none counts as a failure."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else -1


def is_address(endpoint: str | None) -> bool:
    """Say whether an endpoint is one that can be called over HTTP."""
    return endpoint is not None and endpoint.lower().startswith(("https://", "http://"))


def normal(url: str) -> str:
    """Return an address as others of the same meaning read: RFC 3986, 6.2.3."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        return url
    if "@" in parts.netloc:
        return url  # whoever is named there is no part of an address that was tested without him
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS.get(parts.scheme):
        shown = f"{shown}:{port}"
    return urlunsplit((parts.scheme, shown, parts.path.rstrip("/"), parts.query, ""))


def standing(endpoint: str | None, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what is known of an endpoint by the trials on record, the newest first.

    ``tested`` is nothing only where nothing is to be called. Of what the server cannot call it
    counts alone who signed what he found there, and took no part in the version.
    """
    named = list(dict.fromkeys(one.endpoint for one in trials if one.endpoint is not None))
    here = [one for one in trials if endpoint is not None and one.at(endpoint)]
    if not is_address(endpoint):
        here = [one for one in here if one.agreed]
    found, why = _judged(endpoint, here, named, nameless=bool(trials))
    agreed = any(one.passed and one.agreed for one in here) if found else None
    if agreed is False:
        why = "Its cases were not agreed, or are of who made the version."
    return {
        "endpoint": endpoint,
        "tested": found,
        "agreed": agreed,
        "tested_endpoints": named,
        "why": why,
    }


def _judged(
    endpoint: str | None, here: Sequence[Trial], named: Sequence[str], *, nameless: bool
) -> tuple[bool | None, str | None]:
    if endpoint is None:
        return None, "Applications are given no endpoint."
    if here:
        newest = here[0].passed
        return newest, None if newest else "Its newest test failed."
    if not is_address(endpoint):
        return False, (
            "The server cannot call it, and nobody who took no part in the version has signed a"
            " test of it (evidence `integration` that names this `endpoint`)."
        )
    if named:
        return False, f"Tested was {', '.join(named)}."
    if nameless:
        return False, "Whoever signed the test did not say which endpoint was called."
    return False, "No integration test of the version is on record."


def together(own: dict[str, Any], others: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is known of all endpoints that a version answers at: its own, and its instances'.

    ``tested`` and ``agreed`` are of the least of them, and ``why`` says which that is.
    """
    every = [(None, own), *others.items()]
    worst: dict[str, bool | None] = {}
    for name in ("tested", "agreed"):
        said = [one[name] for _, one in every if one[name] is not None]
        worst[name] = all(said) if said else None
    why = [
        one["why"] if key is None else f"Instance {key}: {one['why']}"
        for key, one in every
        if one["tested"] is False or one["agreed"] is False
    ]
    return {
        **own,
        **worst,
        "why": " ".join(why) or (None if worst["tested"] else own["why"]),
        "instances": [
            {"key": key, **{name: one[name] for name in ("endpoint", "tested", "agreed", "why")}}
            for key, one in others.items()
        ],
    }
