"""What leaves the server reaches the public internet, and this machine only if it was allowed."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.platform.outbound import (
    Fetched,
    Outbound,
    OutboundFailed,
    OutboundRefused,
    Resolve,
    is_public,
)
from app.platform.settings import Settings

pytestmark = pytest.mark.anyio

STRICT, NEAR = Settings(), Settings(outbound_loopback=True)
NAME = "models.example.com"

HIDDEN = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # noqa: S104 - an address to refuse
    "169.254.169.254", "100.64.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::8.8.8.8", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.1.2.3", "64:ff9b:1::808:808",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1", "2001:0:4136:e378::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip
OPEN = [
    "8.8.8.8", "1.1.1.1", "140.82.121.4", "2606:4700::1111", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", HIDDEN)
def test_an_address_that_only_this_machine_reaches_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def answering(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that answers differently each time, and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def outbound(settings: Settings, *answers: Sequence[str]) -> Outbound:
    return Outbound(settings, resolve=answering(*answers)[0])


@pytest.mark.parametrize("address", HIDDEN)
async def test_a_name_for_a_hidden_address_is_not_called(address: str) -> None:
    for answer in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        with pytest.raises(OutboundRefused):
            await outbound(STRICT, answer).fetch("GET", f"https://{NAME}/", limit=10)


@pytest.mark.parametrize("settings", [STRICT, NEAR])
@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1"])
async def test_loopback_allowed_is_not_the_local_network(address: str, settings: Settings) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(OutboundRefused):
            await outbound(settings, [address]).fetch("GET", f"{scheme}://{NAME}/", limit=10)


async def test_plain_http_is_for_this_machine_alone() -> None:
    with pytest.raises(OutboundRefused):
        await outbound(NEAR, ["8.8.8.8"]).fetch("GET", f"http://{NAME}/", limit=10)
    with pytest.raises(OutboundRefused):
        await outbound(STRICT, ["127.0.0.1"]).fetch("GET", f"http://{NAME}/", limit=10)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/", "https://localhost./", "https://127.0.0.1/", "https://127.1/",
        "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://0/",
        "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://169.254.169.254/",
        "https://１２７.0.0.1/", "https://user:pass@8.8.8.8/", "https://8.8.8.8/#x",
        "http://8.8.8.8/", "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "//8.8.8.8",
        "https://", "https:///x", "", "nonsense", "https://[::1", "https://a b/", "https://8.8.8.8:x/",
        "https://\0/", "javascript:alert(1)", "https://[fe80::1%25lo]/",
    ],
)  # fmt: skip
async def test_however_it_is_spelled_this_machine_is_not_called(url: str) -> None:
    with pytest.raises((OutboundRefused, OutboundFailed)) as refusal:
        await Outbound(STRICT).fetch("GET", url, limit=10, seconds=2)

    if "8.8.8.8" not in url:
        assert not isinstance(refusal.value.__cause__, ConnectionError)


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
