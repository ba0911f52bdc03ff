"""Digests of what a window was made from, so that it can be said later what of it changed. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from hashlib import sha256

import numpy as np

from app.telemetry import Performance


def digest(parts: Iterable[bytes]) -> str:
    """Return ``sha256:<hex>`` over parts, each with its length."""
    *_, last = digests([parts])
    return last


def digests(steps: Iterable[Iterable[bytes]]) -> Iterator[str]:
    """Yield the digest of nothing, and after each step that of all parts so far."""
    found = sha256()
    yield f"sha256:{found.hexdigest()}"
    for parts in steps:
        for part in parts:
            found.update(len(part).to_bytes(8, "big"))
            found.update(part)
        yield f"sha256:{found.hexdigest()}"


def told(done: Performance) -> bytes:
    """Return all that outcomes said, counts by score as well."""
    values = (getattr(done, one.name) for one in fields(done))
    return b"".join(
        one.tobytes() if isinstance(one, np.ndarray) else f"{float(one)!r};".encode()
        for one in values
    )
