"""How answers leave: head and body as one, those of one turn of the loop one after another."""

import asyncio
from typing import Any

_CONTINUE = b"HTTP/1.1 100 "


class Flush:
    """Sends what the connections of one turn of the event loop have to send, one after another.

    Answers that leave together wake a client once; a client on the same machine, or a proxy, else
    sleeps between any two of them, and waking it costs more than deciding.
    """

    def __init__(self) -> None:
        self._waiting: list[Answers] = []

    def later(self, answers: "Answers") -> None:
        """Send after the requests that are ready now were served."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(answers)

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answers in waiting:
            answers.flush()


class Answers:
    """A connection's transport that sends an answer's head and the beginning of its body as one.

    uvicorn writes them one after the other, and each write is a packet.
    """

    def __init__(self, transport: Any, flush: Flush) -> None:
        self._transport = transport
        self._flush = flush
        self._held = b""
        self._parts = 0

    def write(self, data: bytes) -> None:
        """Hold a head and what follows it; send the rest at once."""
        if not self._parts and data.startswith(_CONTINUE):
            self._transport.write(data)
            return
        self._parts += 1
        if self._parts == 1:
            self._held += data
        elif self._parts == 2:  # noqa: PLR2004 - the beginning of the body
            self._held += data
            self._flush.later(self)
        else:
            self.flush()
            self._transport.write(data)

    def whole(self, data: bytes) -> None:
        """Send an answer that is one piece already."""
        self._held += data
        self._flush.later(self)

    def end(self) -> None:
        """End an answer, one without a body too."""
        if self._parts == 1:
            self._flush.later(self)
        self._parts = 0

    def flush(self) -> None:
        """Send what is held."""
        if self._held and not self._transport.is_closing():
            self._transport.write(self._held)
        self._held = b""

    def is_closing(self) -> bool:
        """Say whether the connection is at its end."""
        return bool(self._transport.is_closing())

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()
