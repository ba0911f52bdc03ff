"""Requests that came whole, answered where they are parsed.

uvicorn makes a task, a cycle and messages of every request: for most of them nothing, for a
decision more than deciding costs. A request whose head and body arrive together on an idle
connection is offered to the application as a plain call; what it does not take, and whatever comes
in parts, goes the usual way.
"""

from collections.abc import Callable
from http import HTTPStatus

Fields = list[tuple[bytes, bytes]]
AtOnce = Callable[[str, str, Fields, bytes], tuple[tuple[int, Fields, bytes], str] | None]
"""Takes method, path, headers and body; returns an answer and its request's id, or nothing."""

_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Whole:
    """A request whose head was read; its body follows, or does not."""

    __slots__ = ("body", "complete", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.body = b""
        self.complete = False


def path_of(url: bytes) -> str | None:
    """Return the path of a plain URL; nothing of one with a query or an escape."""
    if url[:1] != b"/" or b"?" in url or b"%" in url or b"#" in url:
        return None
    return str(url, "ascii") if url.isascii() else None


def usual(headers: Fields) -> bool:
    """Say whether a body is announced by its length, and nothing else is asked for."""
    return not any(name in _UNUSUAL for name, _ in headers)


def written(status: int, default: Fields, headers: Fields, body: bytes, request_id: str) -> bytes:
    """Return an answer as it goes over the wire."""
    parts = [_STATUS_LINES[status]]
    for name, value in (*default, *headers):
        parts += (name, b": ", value, b"\r\n")
    parts.append(b"content-length: %d\r\nx-request-id: %b\r\n\r\n" % (
        len(body), request_id.encode()
    ))  # fmt: skip
    parts.append(body)
    return b"".join(parts)
