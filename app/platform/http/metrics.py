"""What the event loop counts: plain numbers, read when somebody scrapes.

prometheus-client's own counters take a lock for each step, which on the decision path costs as
much as the decision. Here one thread counts, so nothing needs one.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS = (*map(str, _BUCKETS), "+Inf")


class HttpMetrics(Collector):
    """Requests by route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        """By route: how many took how long, bucket by bucket, then the sum of seconds."""
        registry.register(self)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        cells = self._seconds.get(route)
        if cells is None:
            cells = self._seconds[route] = [0.0] * (len(_BOUNDS) + 1)
        cells[bisect_left(_BUCKETS, seconds)] += 1
        cells[-1] += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Yield what was counted."""
        requests = CounterMetricFamily(
            "modelward_http_requests", "Requests answered.", labels=["route", "status"]
        )
        for (route, status), count in list(self._requests.items()):
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily(
            "modelward_http_seconds", "Seconds to the last byte of the answer.", labels=["route"]
        )
        for route, cells in list(self._seconds.items()):
            buckets = list(zip(_BOUNDS, accumulate(cells[:-1]), strict=True))
            seconds.add_metric([route], buckets, cells[-1])
        yield requests
        yield seconds


class PlainCounter(Collector):
    """A counter that only the event loop's thread steps."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name, self._documentation = name, documentation
        self.value = 0
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the count."""
        yield CounterMetricFamily(self._name, self._documentation, value=self.value)
