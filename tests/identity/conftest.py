"""A server that trusts CI tokens, and an issuer of them; the tests of a worker share both."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import home
from tests.identity.issuer import Issuer, issuer
from tests.identity.jobs import terms
from tests.live import Live, start, unique


@pytest.fixture(scope="session")
def near() -> Iterator[Live]:
    """A server that may call itself."""
    with home() as directory, start(directory, outbound_loopback="true") as found:
        yield found


@pytest.fixture(scope="session")
def forge() -> Iterator[Issuer]:
    with issuer() as found:
        found.rotate("first", "ec-first")
        yield found


@pytest.fixture
def account(near: Live) -> Any:
    body = {"name": unique("ci"), "kind": "service", "owner": "dev", "roles": ["developer"]}
    return near.admin.post("/v1/principals", body)


@pytest.fixture
def rule(near: Live, forge: Issuer, account: Any) -> Any:
    return near["dev"].post("/v1/trust-rules", terms(forge, account))
