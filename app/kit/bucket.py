"""Token buckets: so many at once, so many a second after that."""

from collections import OrderedDict
from collections.abc import Hashable

_MOST = 10_000
_ROUNDING = 1e-9
"""Seconds that nobody waits for."""


class Bucket:
    """One bucket: the moment at which it is full again says how full it is (GCRA).

    That is one number to keep and one to compare, so that it may stand in everybody's way. With a
    rate of 0 it never empties.
    """

    __slots__ = ("_each", "_full", "_most")

    def __init__(self, *, rate: float, burst: int) -> None:
        self._each = 1 / rate if rate else 0.0
        self._most = (burst - 1) * self._each
        self._full = float("-inf")

    def take(self, now: float) -> float:
        """Take one at ``now`` (s, of a clock that never goes back); return as ``wait`` does."""
        wait = self._full - now - self._most
        if wait > _ROUNDING:
            return wait
        self._full = max(self._full, now) + self._each
        return 0.0

    def spend(self, now: float) -> None:
        """Take one, whether it is there or not: what is owed is waited for later."""
        self._full = max(self._full, now) + self._each

    def wait(self, now: float) -> float:
        """Return 0 if there is one to take, or the seconds until there will be."""
        wait = self._full - now - self._most
        return wait if wait > _ROUNDING else 0.0


class Buckets:
    """A bucket a name, in memory; the least recently used are forgotten, and begin anew full."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._found: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, name: Hashable, now: float) -> float:
        """Take one at ``now`` (s); return 0, or the seconds until there will be one."""
        return self._of(name).take(now)

    def spend(self, name: Hashable, now: float) -> None:
        """Take one, whether it is there or not: what is owed is waited for later."""
        self._of(name).spend(now)

    def wait(self, name: Hashable, now: float) -> float:
        """Return what ``take`` would, and take none."""
        bucket = self._found.get(name)
        return bucket.wait(now) if bucket else 0.0

    def _of(self, name: Hashable) -> Bucket:
        bucket = self._found.pop(name, None) or Bucket(rate=self._rate, burst=self._burst)
        self._found[name] = bucket
        if len(self._found) > _MOST:
            self._found.popitem(last=False)
        return bucket
