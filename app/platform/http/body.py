"""Reading a body within a size and a time."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any

from app.kit.refusal import Kind, Malformed, Refusal, TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class TooSlow(Refusal):
    """The body did not arrive in time."""

    kind = Kind.MALFORMED
    code = "body_too_slow"
    title = "The body did not arrive in time"
    mend = "Send the body without pauses."


class UnsupportedMedia(Refusal):
    """The body is of a kind or an encoding this call does not read."""

    kind = Kind.UNSUPPORTED
    code = "unsupported_media_type"
    title = "Unsupported media type"
    mend = "Send application/json without Content-Encoding."


def require_json(media_type: str | None, encoding: str | None) -> None:
    """Refuse what is not plain JSON by its own word."""
    require_plain(encoding)
    media = media_of(media_type)
    if media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia(f"This call reads application/json, not {media or 'nothing'}.")


def require_plain(encoding: str | None) -> None:
    """Refuse a compressed body."""
    if (encoding or "identity").strip().lower() != "identity":
        raise UnsupportedMedia("Compressed bodies are not read here.")


def media_of(media_type: str | None) -> str:
    """Return a media type without its parameters."""
    return (media_type or "").partition(";")[0].strip().lower()


async def read(
    length: bytes | None,
    receive: Receive,
    limit: int,
    seconds: float,
    count: Callable[[int], None] | None = None,
) -> bytes:
    """Return the whole body: at most ``limit`` bytes within ``seconds``.

    ``length`` is what Content-Length says, if it says anything; ``count`` is told of each part.
    """
    declared = int(length) if length is not None and length.isdigit() else 0
    if declared > limit:
        raise TooLarge(f"The body has {declared} bytes; {limit} are taken.", limit=limit)
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    message = await _next(receive, seconds, seconds)
    body: bytes = message.get("body", b"")
    if count is not None:
        count(len(body))
    if not message.get("more_body", False):
        return _within(body, limit)
    chunks, size = [body], len(body)
    while message.get("more_body", False):
        message = await _next(receive, deadline - clock(), seconds)
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        if count is not None:
            count(len(chunk))
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.", limit=limit)
    return b"".join(chunks)


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.", limit=limit)
    return body


async def _next(receive: Receive, left: float, seconds: float) -> Message:
    waiting: Any = receive()  # a coroutine, in every ASGI server
    try:
        # What has arrived already needs no clock, and that is nearly every body.
        pending = waiting.send(None)
    except StopIteration as arrived:
        return _connected(arrived.value)
    try:
        async with asyncio.timeout(max(left, 0)):
            message = await _resumed(waiting, pending)
    except TimeoutError as error:
        raise TooSlow(f"The body took longer than allowed ({seconds:.0f} s).") from error
    return _connected(message)


@types.coroutine
def _resumed(waiting: Coroutine[Any, Any, Message], pending: Any) -> Generator[Any, Any, Message]:
    """Go on with a coroutine that was stepped once and gave ``pending`` to wait for."""
    try:
        yield pending
    except BaseException:
        waiting.close()
        raise
    message: Message = yield from waiting
    return message


def _connected(message: Message) -> Message:
    if message["type"] == "http.disconnect":
        raise Malformed("The client went away before its body was complete.")
    return message
