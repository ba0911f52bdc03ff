"""A tenant whose policies may be edited: tests of other things share one whose may not."""

from collections.abc import Iterator

import pytest

from tests.live import Live, lift_control
from tests.tenants import another


@pytest.fixture(scope="session")
def ruled(live: Live) -> Iterator[Live]:
    with another(live) as found:
        lift_control(found, "policy")
        yield found
