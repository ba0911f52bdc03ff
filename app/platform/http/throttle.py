"""Only so many wrong credentials from an address, in each process."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

from app.kit.bucket import Buckets
from app.kit.refusal import Kind, RateLimited, Refusal
from app.platform.http.guard import Peer
from app.platform.settings import Settings

logger = logging.getLogger(__name__)

_SUBNET_BITS = 64


class TooManyWrongCredentials(RateLimited):
    """Too many wrong keys or codes came from this address; no other one is looked at for now."""

    code = "too_many_wrong_credentials"
    title = "Too many wrong credentials"
    mend = "Send a valid API key, or a valid code, after Retry-After seconds."


class WrongCredentials:
    """Counts wrong keys and invitation codes by the network they come from.

    After too many of them nothing more from there is looked up, so that guessing costs no query.
    Many share an address: a key that is known already must not have to pass here.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        rate, burst = settings.wrong_credentials_per_second, settings.wrong_credentials_burst
        self._buckets = Buckets(rate=rate, burst=burst)
        self._clock = clock

    @contextmanager
    def counted(self, peer: Peer) -> Iterator[None]:
        """Let ``peer`` try a credential inside, and count it if nobody is let in by it.

        Only failures are counted, once they are known: after a start hundreds of good keys come at
        the same moment. Wrong ones that do are all looked up, and waited for later.
        """
        network = network_of(peer)
        wait = self._buckets.wait(network, self._clock())
        if wait:
            raise TooManyWrongCredentials(
                "Too many wrong keys or codes came from this address.", retry_after=math.ceil(wait)
            )
        try:
            yield
        except Refusal as refusal:
            if refusal.kind is Kind.UNAUTHENTICATED:
                self._count(network)
            raise

    def _count(self, network: str) -> None:
        now = self._clock()
        self._buckets.spend(network, now)
        if self._buckets.wait(network, now):
            logger.warning("too many wrong credentials", extra={"network": network})


def network_of(peer: Peer) -> str:
    """Return what one caller has to himself: an IPv4 address, or all 2⁶⁴ of an IPv6 subnet."""
    host = peer[0] if peer else ""
    try:
        address = ip_address(host)
    except ValueError:  # a socket in the file system, or what a trusted proxy made up
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    subnet = int(address) >> _SUBNET_BITS << _SUBNET_BITS
    return f"{IPv6Address(subnet)}/{_SUBNET_BITS}"
