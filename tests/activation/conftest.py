"""A server that may call this machine, with places to be called."""

from collections.abc import Iterator

import pytest

from tests.activation.health import Health, health_server
from tests.conftest import home
from tests.live import Live, start


@pytest.fixture(scope="session")
def works() -> Iterator[Live]:
    """A running server whose worker may call loopback addresses."""
    with home() as directory, start(directory, outbound_loopback="true") as found:
        yield found


@pytest.fixture
def health() -> Iterator[Health]:
    with health_server() as found:
        yield found
