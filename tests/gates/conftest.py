"""A server whose policies may be edited: tests of other things share one whose may not."""

from collections.abc import Iterator

import pytest

from tests.conftest import home
from tests.live import Live, lift_control, start


@pytest.fixture(scope="session")
def ruled() -> Iterator[Live]:
    with home() as directory, start(directory) as found:
        lift_control(found, "policy")
        yield found
