"""Two tenants of one server, for whoever looks at what stands between them."""

from collections.abc import Iterator

import pytest

from tests.live import Live
from tests.system.holdings import Holdings, hold
from tests.tenants import another


@pytest.fixture(scope="session")
def other(live: Live) -> Holdings:
    """What the first tenant has: nobody of ``own`` may learn of it."""
    return hold(live)


@pytest.fixture(scope="session")
def own(live: Live) -> Iterator[Holdings]:
    """What a second tenant has, which serves these tests alone."""
    with another(live) as found:
        yield hold(found)
