"""An issuer of CI tokens, which the tests of a worker share, and who is trusted with them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.identity.issuer import Issuer, issuer
from tests.identity.jobs import terms
from tests.live import Live, unique


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
