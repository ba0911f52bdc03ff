"""HTTP as the tests of the edge speak it: any method, any bytes, answers as they came."""

import http.client
import select
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tests.live import Live

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
JSON = {"Content-Type": "application/json"}


def problem_of(response: "httpx.Response | Answer", status: int, code: str | None = None) -> Any:
    """Return the problem document of a refusal, after looking at its manners."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) >= MEMBERS
    assert document["status"] == status
    assert document["type"] == f"urn:modelward:problem:{document['code']}"
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["title"]
    assert document["detail"]
    if code is not None:
        assert document["code"] == code, document
    return document


def require_4xx(response: "httpx.Response | Answer") -> Any:
    """Return the problem document of an answer that must be the caller's fault."""
    assert 400 <= response.status_code < 500, response.text
    return problem_of(response, response.status_code)


def speaker(live: Live, who: str) -> httpx.Client:
    """Return the HTTP client of one of ``live``'s people, without the manners of ``Client``."""
    return live[who]._http


@dataclass
class Answer:
    """One answer as it was read from a socket."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        return httpx.Response(200, content=self.content).json()


class Line:
    """A TCP connection to a server, on which anything may be said."""

    def __init__(self, live: Live, *, seconds: float = 15) -> None:
        address = httpx.URL(live.url)
        assert address.port is not None
        self._socket = socket.create_connection((address.host, address.port), timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, raw: bytes) -> None:
        self._socket.sendall(raw)

    def end(self) -> None:
        """Say that nothing more will be said."""
        self._socket.shutdown(socket.SHUT_WR)

    def answered(self, seconds: float = 0) -> bool:
        """Say whether there is something to read, or the end, within ``seconds``."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def answer(self) -> Answer | None:
        """Read one answer; ``None`` if the server has hung up without one."""
        response = http.client.HTTPResponse(self._socket)
        try:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return None
        finally:
            response.close()

    def hear(self) -> bytes:
        """Read what has come; nothing at the end."""
        return self._socket.recv(65_536)

    def hung_up(self) -> bool:
        """Read until the server hangs up; ``False`` if it does not."""
        try:
            while self._socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        return True


def head(method: str, path: str, key: str | None, **headers: str | int) -> bytes:
    """Return a request's head."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@contextmanager
def connected(live: Live, raw: bytes, *, seconds: float = 15) -> Iterator[Line]:
    """Open a line and say ``raw``."""
    with Line(live, seconds=seconds) as line:
        line.say(raw)
        yield line


def told(live: Live, raw: bytes, *, seconds: float = 15) -> Answer | None:
    """Say ``raw`` on a line of its own; return the answer."""
    with connected(live, raw, seconds=seconds) as line:
        return line.answer()


def together(count: int, act: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """Act ``count`` times at the same moment."""
    barrier = threading.Barrier(count)

    def one(number: int) -> httpx.Response:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
