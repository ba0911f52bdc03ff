"""A key for some decision points changes nothing that is about all of them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.identity import ROLES, Role
from tests.live import Live
from tests.platform.wire import problem_of
from tests.system.holdings import nothing
from tests.tenants import another
from tests.ways import WAYS, Way, example_of, operation_of

OWN = {"POST /v1/principals/{principal_id}/keys"}
"""Within its points a key makes others."""
TAGS = {"identity", "decision-rights"}
WRITING = [
    way
    for way in WAYS
    if way.method != "GET" and TAGS & set(operation_of(way)["tags"]) and str(way) not in OWN
]


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


@pytest.fixture(scope="module")
def narrow(bank: Live) -> Iterator[dict[str, httpx.Client]]:
    """Callers with keys of an administrator and of who decides, for one decision point."""
    found = {name: narrowed(bank, bank.people[name]) for name in ("admin", "com")}
    yield found
    for client in found.values():
        client.close()


def narrowed(bank: Live, client: Any) -> httpx.Client:
    path = f"/v1/principals/{client.get('/v1/me')['id']}/keys"
    key = client.post(path, {"days": 1, "points": ["one"]})["key"]
    return httpx.Client(
        base_url=bank.url, headers={"Authorization": f"Bearer {key}", "If-Match": '"1"'}
    )


def test_every_writing_route_of_identity_is_tried() -> None:
    assert len(WRITING) >= 12
    assert all(way.permission for way in WRITING)


@pytest.mark.parametrize("way", WRITING, ids=str)
def test_a_narrowed_key_is_refused_by_every_verb_of_identity(
    narrow: dict[str, httpx.Client], way: Way
) -> None:
    who = "admin" if way.permission in ROLES[Role.ADMINISTRATOR] else "com"

    answer = narrow[who].request(way.method, way.url(nothing), json=example_of(way))

    assert problem_of(answer, 403, "out_of_scope")["points"] == ["one"]


def test_it_reads_and_makes_keys_within_its_points(
    bank: Live, narrow: dict[str, httpx.Client]
) -> None:
    own = f"/v1/principals/{bank.admin.get('/v1/me')['id']}/keys"

    made = narrow["admin"].post(own, json={"days": 1})
    listed = narrow["admin"].get("/v1/principals")

    assert (made.status_code, made.json()["points"]) == (201, ["one"])
    assert listed.status_code == 200
