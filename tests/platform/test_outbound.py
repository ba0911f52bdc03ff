"""What leaves the server reaches the public internet, and this machine only if it was allowed."""

import asyncio
import datetime as dt
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.platform.outbound import Fetched, Outbound, OutboundFailed, OutboundRefused
from tests.platform.resolvers import NAME, NEAR, answering, outbound

pytestmark = pytest.mark.anyio


Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def saying(raw: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return reply


def ok(body: bytes, *headers: str) -> bytes:
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@asynccontextmanager
async def served(
    reply: Reply, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback: its port, and the requests it saw."""
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            await reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def test_a_name_is_resolved_once_and_its_own_address_called() -> None:
    resolve, asked = answering(["127.0.0.1"], ["10.0.0.1"])
    near = Outbound(NEAR, resolve=resolve)
    async with served(saying(ok(b"hello", "X-Thing: 1"))) as (port, seen):
        url = f"http://{NAME}:{port}/path?q=1"
        answer = await near.fetch("GET", url, limit=10)
        assert asked == [NAME]
        with pytest.raises(OutboundRefused):
            await near.fetch("GET", url, limit=10)

    assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"hello", "1")
    assert seen[0].startswith(b"GET /path?q=1 HTTP/1.1\r\n")
    assert f"host: {NAME}:{port}\r\n" in seen[0].decode().lower()
    assert len(seen) == 1


async def test_a_name_that_is_rebound_between_check_and_call_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks the system a second time hears of another address."""

    def lied(*_: object, **__: object) -> Any:
        raise AssertionError("resolved again")

    async with served(saying(ok(b"x"))) as (port, _):
        monkeypatch.setattr(socket, "getaddrinfo", lied)
        answer = await outbound(NEAR, ["127.0.0.1"]).fetch(
            "GET", f"http://{NAME}:{port}/", limit=10
        )

    assert answer.body == b"x"


async def test_a_redirect_is_an_answer() -> None:
    async with served(saying(ok(b"inside"))) as (inner, reached):
        there = f"Location: http://127.0.0.1:{inner}/"
        moved = f"HTTP/1.1 302 Found\r\n{there}\r\nContent-Length: 0\r\n\r\n"
        async with served(saying(moved.encode())) as (port, _):
            answer = await Outbound(NEAR).fetch("GET", f"http://127.0.0.1:{port}/", limit=10)

    assert answer.status == 302
    assert answer.headers["location"].endswith(f":{inner}/")
    assert reached == []


async def test_what_is_sent_arrives_and_a_name_cannot_be_put_in_its_place() -> None:
    async with served(saying(ok(b""))) as (port, seen):
        headers = {"host": "evil.example.com", "webhook-id": "msg_1", "content-type": "text/plain"}
        await Outbound(NEAR).fetch(
            "POST", f"http://127.0.0.1:{port}/hook", headers=headers, body=b"body", limit=10
        )

    head = seen[0].decode().lower()
    assert "webhook-id: msg_1\r\n" in head
    assert "content-length: 4\r\n" in head
    assert [line for line in head.split("\r\n") if line.startswith("host:")] == [
        f"host: 127.0.0.1:{port}"
    ]


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with served(saying(ok(b"direct"))) as (port, _):
        answer = await Outbound(NEAR).fetch("GET", f"http://127.0.0.1:{port}/", limit=10)

    assert answer.body == b"direct"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def test_an_answer_without_end_is_cut_at_the_limit() -> None:
    async with served(endless) as (port, _):
        with pytest.raises(OutboundFailed, match="longer than 1000 bytes"):
            await Outbound(NEAR).fetch("GET", f"http://127.0.0.1:{port}/", limit=1000)


async def test_what_is_compressed_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    async with served(saying(ok(bomb, "Content-Encoding: gzip"))) as (port, seen):
        answer = await Outbound(NEAR).fetch("GET", f"http://127.0.0.1:{port}/", limit=5000)

    assert answer.body == bomb
    assert b"accept-encoding: identity\r\n" in seen[0].lower()


async def trickling(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(20)


@pytest.mark.parametrize("reply", [trickling, silent])
async def test_an_answer_comes_in_time_or_not_at_all(reply: Reply) -> None:
    async with served(reply) as (port, _):
        began = time.monotonic()
        with pytest.raises(OutboundFailed):
            await Outbound(NEAR).fetch(
                "GET", f"http://127.0.0.1:{port}/", limit=1_000_000, seconds=0.5
            )

    assert time.monotonic() - began < 3


@pytest.mark.parametrize("raw", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX", b"\0" * 99])
async def test_nonsense_is_a_failure_of_the_other_side(raw: bytes) -> None:
    async with served(saying(raw)) as (port, _):
        with pytest.raises(OutboundFailed):
            await Outbound(NEAR).fetch("GET", f"http://127.0.0.1:{port}/", limit=1000)


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with served(saying(ok(b"second"))) as (port, _):
        near = outbound(NEAR, ["127.0.0.9", "127.0.0.1"])
        answer = await near.fetch("GET", f"http://{NAME}:{port}/", limit=10)
        with pytest.raises(OutboundFailed):
            await outbound(NEAR, ["127.0.0.9"]).fetch("GET", f"http://{NAME}:{port}/", limit=10)
        with pytest.raises(OutboundFailed):
            await outbound(NEAR, []).fetch("GET", f"http://{NAME}:{port}/", limit=10)

    assert answer.body == b"second"


def certify(directory: Path) -> ssl.SSLContext:
    """Return a server's TLS for ``NAME``; its certificate is in ``directory``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (directory / "key.pem").write_bytes(key.private_bytes(encoding, form, plain))
    (directory / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


async def test_tls_is_verified_for_the_name_and_not_for_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, asked = certify(tmp_path), []
    tls.sni_callback = lambda _, name, __: asked.append(name)

    async def call(name: str, port: int) -> Fetched:
        near = outbound(NEAR, ["127.0.0.1"])
        return await near.fetch("GET", f"https://{name}:{port}/", limit=10)

    async with served(saying(ok(b"secret")), tls) as (port, _):
        with pytest.raises(OutboundFailed):
            await call(NAME, port)  # nobody we trust has signed it
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert (await call(NAME, port)).body == b"secret"
        with pytest.raises(OutboundFailed):
            await call("other.example.com", port)

    assert asked == [NAME, NAME, "other.example.com"]
