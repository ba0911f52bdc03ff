"""Requests that came whole, answered before a parser, a task or a message is made of them.

For most requests what uvicorn makes of them is nothing beside what they ask for; for a decision it
is more. A POST whose head is plain and whose body is all there, alone on an idle connection, is
read here and offered to the application as a call. What it does not take, and everything that is
in any way out of the ordinary, goes the usual way, as if this were not here. Pure.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

Fields = dict[bytes, bytes]
AtOnce = Callable[
    [str, Fields, bytes], tuple[tuple[int, list[tuple[bytes, bytes]], bytes], str] | None
]
"""Takes a POST's path, headers and body; returns an answer and its request's id, or nothing."""

# Nothing that two readers of HTTP could understand in two ways: no escapes, no empty or folded
# values, no space before or behind one.
_PLAIN = re.compile(
    rb"POST (/[A-Za-z0-9/._~@:-]{1,400}) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]{1,60}: [\x21-\x7e][\x20-\x7e]{0,4000}\r\n){1,40})\r\n"
)
HEAD_BYTES = 65_536
"""A longer head is refused, the usual way."""
_OTHERWISE = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}


class Whole(NamedTuple):
    """A plain POST; names of headers are in lower case."""

    path: str
    headers: Fields
    body: bytes


def whole(data: bytes) -> Whole | None:
    """Read what came as one plain request, nothing more and nothing less; else nothing."""
    head = _PLAIN.match(data)
    if head is None or head.end() > HEAD_BYTES:
        return None
    lines = head[2].split(b"\r\n")
    lines.pop()
    headers: Fields = {}
    for line in lines:
        name, _, value = line.partition(b": ")
        headers[name.lower()] = value
        if value[-1:] == b" ":
            return None
    length = headers.get(b"content-length", b"")
    if (
        len(headers) < len(lines)
        or not length.isdigit()
        or int(length) != len(data) - head.end()
        or not _OTHERWISE.isdisjoint(headers)
        or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive"
    ):
        return None
    return Whole(str(head[1], "ascii"), headers, data[head.end() :])


def written(
    status: int,
    default: list[tuple[bytes, bytes]],
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    request_id: str,
) -> bytes:
    """Return an answer as it goes over the wire."""
    parts = [_STATUS_LINES[status]]
    for name, value in (*default, *headers):
        parts += (name, b": ", value, b"\r\n")
    ends = b"content-length: %d\r\nx-request-id: %b\r\n\r\n"
    parts += (ends % (len(body), request_id.encode()), body)
    return b"".join(parts)
