"""Token buckets: so many at once, so many a second after that."""

from collections import OrderedDict
from collections.abc import Hashable

_MOST = 10_000


class Buckets:
    """A bucket a name, in memory; the least recently used are forgotten, and begin anew full."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._found: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, name: Hashable, now: float) -> float:
        """Take one at ``now`` (s); return 0, or the seconds until there will be one."""
        left, at = self._found.pop(name, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._found[name] = (left if wait else left - 1, now)
        if len(self._found) > _MOST:
            self._found.popitem(last=False)
        return wait
