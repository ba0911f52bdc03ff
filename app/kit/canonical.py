"""One byte form for one meaning (RFC 8785), so that digests can be recomputed by anyone."""

import hashlib
from typing import Any

import orjson
import rfc8785


def plain(value: Any) -> Any:
    """Reduce UUIDs, times, enums and Pydantic-free dataclasses to plain JSON values."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))


def canonical(value: Any) -> bytes:
    """Return the canonical JSON bytes of a plain value."""
    return rfc8785.dumps(value)


def digest(value: Any) -> str:
    """Return ``sha256:<hex>`` over the canonical JSON of ``value``."""
    return "sha256:" + hashlib.sha256(canonical(plain(value))).hexdigest()
