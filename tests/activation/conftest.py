"""Places to be called."""

from collections.abc import Iterator

import pytest

from tests.activation.health import Health, health_server


@pytest.fixture
def health() -> Iterator[Health]:
    with health_server() as found:
        yield found
