"""Bodies of many rows: several media types, packed or not, within a size, a time and a share.

A packed body is unpacked piece by piece in a thread. It is refused as soon as it comes to more than
an unpacked one might have, or to so many times its own size as only a bomb does.
"""

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from app.kit.actor import Actor
from app.kit.refusal import Invalid, Malformed, TooLarge
from app.platform.http.body import Receive, UnsupportedMedia, media_of, read
from app.platform.http.flight import Hold, InFlight
from app.platform.http.query import require_known

JSON = "application/json"
GREATEST_RATIO = 250
"""Events written alike shrink to a fiftieth, at the very best to a hundredth."""
_GZIP = 31
_PIECE = 1 << 16
_SURELY_SMALL = 1 << 20
_AT_ONCE = 1 << 12
_MEMBERS = 10_000
_WHOLE = "Send one whole gzip stream (RFC 1952), or the body as it is, without Content-Encoding."
_THREAD = ThreadPoolExecutor(1, "unpack")
_NOTHING_NAMED: Mapping[str, str] = MappingProxyType({})


class NamedTwice(Invalid):
    """A parameter stands in the query twice."""

    code = "parameter_twice"
    title = "A query parameter stands there twice"
    mend = "Send each query parameter once."


class Upload(NamedTuple):
    """A body, what it says it is, and what the query said."""

    media: str
    body: bytes
    named: Mapping[str, str] = _NOTHING_NAMED


Take = Callable[[Actor, Upload], Coroutine[Any, Any, tuple[int, bytes]]]
"""Takes the caller and what he sent; returns status and JSON bytes."""


@dataclass(frozen=True)
class Bulk:
    """What a hot route of many rows takes."""

    take: Take
    media: tuple[str, ...]
    """The media types it reads, JSON among them."""
    parameters: AbstractSet[str]
    flight: InFlight = field(repr=False)

    async def read(
        self,
        headers: dict[bytes, bytes],
        query: bytes,
        receive: Receive,
        limit: int,
        seconds: float,
    ) -> tuple[Upload, Hold]:
        """Return what was sent, and the hold on it that whoever takes it has to release."""
        named = self._named(query) if query else _NOTHING_NAMED
        media, packed = self._media(headers), _packed(headers)
        limit = min(limit, self.flight.most)
        length = headers.get(b"content-length")
        if length is not None and length.isdigit() and int(length) <= limit:
            self.flight.require_room(int(length))
        hold = self.flight.hold()
        try:
            body = await read(length, receive, limit, seconds, hold.add)
            if packed:
                body = await _unpacked(body, limit, hold)
        except BaseException:
            hold.release()
            raise
        return Upload(media, body, named), hold

    def _named(self, query: bytes) -> Mapping[str, str]:
        require_known(query, self.parameters)
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        found = dict(pairs)
        if len(found) < len(pairs):
            raise NamedTwice("Each query parameter is sent once.")
        return found

    def _media(self, headers: dict[bytes, bytes]) -> str:
        sent = headers.get(b"content-type", b"")
        media = JSON if sent == b"application/json" else media_of(str(sent, "latin-1"))
        if media in self.media:
            return media
        if media.endswith("+json"):
            return JSON
        kinds = ", ".join(self.media)
        raise UnsupportedMedia(
            f"This call reads {kinds}, not {media or 'nothing'}.",
            mend=f"Send one of {kinds}, as it is or with Content-Encoding: gzip.",
        )


def _packed(headers: dict[bytes, bytes]) -> bool:
    sent = headers.get(b"content-encoding")
    if sent is None:
        return False
    encoding = str(sent, "latin-1").strip().lower()
    if encoding in {"gzip", "x-gzip"}:
        return True
    if encoding in {"", "identity"}:
        return False
    raise UnsupportedMedia(
        f"Bodies are read as they are or from gzip, not from {encoding[:40]!r}.",
        mend="Send the body with Content-Encoding: gzip, or as it is.",
    )


async def _unpacked(body: bytes, limit: int, hold: Hold) -> bytes:
    if len(body) <= _AT_ONCE:
        return unpack(body, limit, hold.add)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, unpack, body, limit, hold.add)


def unpack(packed: bytes, limit: int, count: Callable[[int], None]) -> bytes:
    """Return what a gzip body holds, ``limit`` bytes at most; ``count`` is told of each piece."""
    view, at, members = memoryview(packed), 0, 1
    engine, found = zlib.decompressobj(_GZIP), bytearray()
    pending: bytes | memoryview = b""
    while True:
        if not pending and at < len(view):
            pending = view[at : at + _PIECE]
            at += _PIECE
        if engine.eof:
            if not pending:
                return bytes(found)
            engine, members = zlib.decompressobj(_GZIP), members + 1
            if members > _MEMBERS:
                raise Malformed(f"A gzip body has {_MEMBERS} members at most.", mend=_WHOLE)
        try:
            piece = engine.decompress(pending, _PIECE)
        except zlib.error as error:
            raise Malformed(
                "The body is not gzip, as its Content-Encoding says.", mend=_WHOLE
            ) from error
        if not (piece or pending or engine.eof):
            raise Malformed("The gzip body ends before its end.", mend=_WHOLE)
        pending = engine.unused_data if engine.eof else engine.unconsumed_tail
        count(len(piece))
        found += piece
        if len(found) > limit:
            raise TooLarge(f"The body unpacks to more than {limit} bytes.", limit=limit)
        if len(found) > max(_SURELY_SMALL, GREATEST_RATIO * len(packed)):
            raise TooLarge(
                f"The body unpacks to more than {GREATEST_RATIO} times its size.", limit=limit
            )
