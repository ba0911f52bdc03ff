"""Calls to addresses that somebody configured: webhooks, issuers of tokens.

Whoever may name an address must not reach what only this machine can. So a name is resolved once,
every address it has must be public (or, of hosts that a setting names, private), and the connection
goes to one of those very addresses, with the name kept for TLS and the Host header. No redirect is
followed, no proxy of the environment used, nothing decompressed, and the answer's size and time are
bounded.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property

import httpx

from app.kit.refusal import Kind, Refusal
from app.platform.settings import Settings

SECONDS = 5.0
MOST_PORT = 65_535
_ADDRESSES = 4
"""So many of a name's addresses are tried."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b:1::/48",  # NAT64 of the local network
        "100::/64",  # discarded
        "2001::/32",  # Teredo
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)


class OutboundRefused(Refusal):
    """An address that the server does not call."""

    kind = Kind.INVALID
    code = "address_refused"
    title = "Not an address the server calls"
    mend = (
        "Name an https address that is reachable from the public internet, or have the host put"
        " into MODELWARD_OUTBOUND_PRIVATE_HOSTS."
    )


class OutboundFailed(Refusal):
    """The other side did not answer, or not as agreed."""

    kind = Kind.UNAVAILABLE
    code = "outbound_failed"
    title = "The other side did not answer"
    mend = "Send the same request again after Retry-After seconds."


class OutboundLate(OutboundFailed):
    """The other side did not answer in time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer as it came; redirects are answers too. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: Address) -> bool:
    """Say whether an address, and the one it hides, belongs to the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _hidden(address)
        if inner is not None:
            return is_public(inner)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NEVER)
    )


def _hidden(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to this one end at."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def is_loopback(address: Address) -> bool:
    """Say whether an address is this machine's own."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in ("100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::/32")
)
"""Where clouds tell a machine its secrets, in ranges that are otherwise an organisation's."""


def is_inside(address: Address) -> bool:
    """Say whether an address is of an organisation's own network, and no machine's own."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    told = any(address in network for network in _METADATA)
    return not told and any(address in network for network in _INSIDE)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return a name's addresses, as the system knows them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Outbound:
    """The way out of one process."""

    def __init__(self, settings: Settings, *, resolve: Resolve = resolve) -> None:
        self._loopback = settings.outbound_loopback
        names = settings.outbound_private_hosts.split(",")
        self._private = frozenset(name.strip().lower() for name in names if name.strip())
        self._resolve = resolve

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def check(self, url: str) -> httpx.URL:
        """Return ``url`` if its form is acceptable; what it resolves to is seen at each call."""
        try:
            found = httpx.URL(url)
            host, port = found.host, found.port  # a name may turn out to be none when it is read
        except (httpx.InvalidURL, UnicodeError) as error:
            raise OutboundRefused(f"{url[:200]!r} is not a URL.") from error
        if found.scheme != "https" and not (self._loopback and found.scheme == "http"):
            raise OutboundRefused("Only https is called.")
        if port is not None and not 0 < port <= MOST_PORT:
            raise OutboundRefused(f"There is no port {port}.")
        if not host or found.userinfo or found.fragment:
            raise OutboundRefused("A URL names a host, no user and no fragment.")
        return found

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        limit: int,
        seconds: float = SECONDS,
    ) -> Fetched:
        """Call ``url`` and return at most ``limit`` bytes of answer within ``seconds``."""
        target = self.check(url)
        try:
            async with asyncio.timeout(seconds):
                return await self._call(method, target, httpx.Headers(headers), body, limit)
        except (httpx.HTTPError, OSError, TimeoutError, UnicodeError) as error:
            raise _failed(target, error) from error

    async def _call(
        self,
        method: str,
        target: httpx.URL,
        headers: httpx.Headers,
        body: bytes | None,
        limit: int,
    ) -> Fetched:
        addresses = await self._addresses(target)
        host = target.raw_host.decode("ascii")
        headers["Host"] = target.netloc.decode("ascii")
        headers["Accept-Encoding"] = "identity"
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False)
        failed: Exception = OutboundFailed(f"{target.host} has no address.")
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=None) as client:  # noqa: S113 - the caller's clock runs
            for address in addresses:
                request = client.build_request(
                    method,
                    target.copy_with(host=address),
                    headers=headers,
                    content=body,
                    extensions={"sni_hostname": host},
                )
                try:
                    response = await client.send(request, stream=True, follow_redirects=False)
                except httpx.ConnectError as error:
                    failed = error
                    continue
                try:
                    return await _read(response, limit)
                finally:
                    await response.aclose()
        raise failed

    @asynccontextmanager
    async def keep(self, url: str, *, connections: int) -> AsyncIterator["Kept"]:
        """Open a line to ``url``'s host, for many calls over so many connections that stay open.

        The name is resolved this once: every call goes to an address that was judged here.
        """
        target = self.check(url)
        try:
            async with asyncio.timeout(SECONDS):
                addresses = await self._addresses(target)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise _failed(target, error) from error
        if not addresses:
            raise OutboundFailed(f"{target.host} has no address.")
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        transport = httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, limits=limits)
        async with transport:
            yield Kept(target, addresses, transport)

    async def _addresses(self, target: httpx.URL) -> list[str]:
        """Resolve once; refuse if any address is one that must not be reached."""
        port = target.port or (443 if target.scheme == "https" else 80)
        found = [
            ipaddress.ip_address(text.partition("%")[0])
            for text in await self._resolve(target.raw_host.decode("ascii"), port)
        ]
        inside = target.host.lower() in self._private
        for address in found:
            if self._loopback and is_loopback(address):
                continue
            reachable = is_public(address) or (inside and is_inside(address))
            if target.scheme != "https" or not reachable:
                raise OutboundRefused(f"{target.host} is not on the public internet.")
        return [str(address) for address in dict.fromkeys(found)][:_ADDRESSES]


class Kept:
    """Connections to one host that stay open, so that what a call takes is not a handshake's."""

    def __init__(
        self, target: httpx.URL, addresses: list[str], transport: httpx.AsyncHTTPTransport
    ) -> None:
        self._target = target
        self._addresses = addresses
        self._transport = transport
        self._headers = {
            "Host": target.netloc.decode("ascii"),
            "Accept-Encoding": "identity",
            "Accept": "application/json",
        }
        self._sni = target.raw_host.decode("ascii")

    async def call(
        self, method: str, path: str, *, body: bytes | None = None, limit: int, seconds: float
    ) -> Fetched:
        """Call a path of the host; at most ``limit`` bytes of answer, within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                return await self._call(method, path, body, limit)
        except TimeoutError as error:
            raise OutboundLate(f"no answer within {seconds:g} s") from error
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            raise _failed(self._target, error) from error

    async def _call(self, method: str, path: str, body: bytes | None, limit: int) -> Fetched:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        for number, address in enumerate(self._addresses):
            request = httpx.Request(
                method,
                self._target.copy_with(host=address, raw_path=path.encode("ascii")),
                headers=headers,
                content=body,
                extensions={"sni_hostname": self._sni, "timeout": {}},
            )
            try:
                response = await self._transport.handle_async_request(request)
            except httpx.ConnectError:
                if number + 1 == len(self._addresses):
                    raise
                continue
            if number:  # later calls begin with the one that answers
                self._addresses = [address]
            try:
                return await _read(response, limit)
            finally:
                await response.aclose()
        raise OutboundFailed(f"{self._target.host} has no address.")


def _failed(target: httpx.URL, error: Exception) -> OutboundFailed:
    return OutboundFailed(f"{target.host} did not answer ({type(error).__name__}).")


async def _read(response: httpx.Response, limit: int) -> Fetched:
    """Read as it came, up to the limit."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise OutboundFailed(f"The answer is longer than {limit} bytes.")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Fetched(response.status_code, headers, bytes(body))
