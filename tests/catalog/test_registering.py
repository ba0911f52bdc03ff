"""Registrations that come together: each is as if it had come alone."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from app.audit import verify
from app.audit.tree import LOG
from app.bus import make_bus
from app.identity import default_tenant
from app.platform.coalescing import Coalesced
from app.platform.db import ALL_TENANTS, Database
from app.platform.settings import Settings
from tests.catalog.assets import content, make_model, make_version, specifics
from tests.live import Live
from tests.tenants import database_of

pytestmark = pytest.mark.anyio
TENANT = uuid4()


async def together(live: Live, sent: list[tuple[str, dict[str, Any], dict[str, str]]]) -> list[Any]:
    """Send registrations at once, each with its model, content and own headers."""
    bearer = {"authorization": f"Bearer {live.keys['dev']}"}
    limits = httpx.Limits(max_connections=len(sent))
    async with httpx.AsyncClient(
        base_url=live.url, headers=bearer, limits=limits, timeout=60
    ) as client:
        return await asyncio.gather(
            *(
                client.post(f"/v1/models/{model}/versions", json=body, headers=headers)
                for model, body, headers in sent
            )
        )


def numbers(answers: list[Any]) -> list[int]:
    return sorted(answer.json()["number"] for answer in answers if answer.status_code == 201)


async def test_who_is_refused_takes_no_number_and_hurts_nobody(live: Live) -> None:
    first, second = make_model(live), make_model(live, "rule_set")
    good, ruled = content(), content(specifics=specifics("rule_set"))
    bad = [
        (first, content(source="file:///../etc"), "bad_source"),
        (first, ruled, "wrong_specifics"),
        (second, good, "wrong_specifics"),
        (first, content(lineage={"parents": [900]}), "not_found"),
        ("nobody-s-model", good, "not_found"),
    ]
    sent: list[tuple[str, dict[str, Any], dict[str, str]]] = []
    for turn in range(12):
        sent += [(first, good, {}), (second, ruled, {"idempotency-key": f"{second}-{turn}"})]
        sent += [(second, ruled, {})]
        sent += [(model, body, {}) for model, body, _ in bad]
    answers = await together(live, sent)

    refused = [answer for answer in answers if answer.status_code != 201]
    assert sorted(answer.json()["code"] for answer in refused) == sorted(
        code for _, _, code in bad * 12
    )
    of = {
        model: [answer for (to, _, _), answer in zip(sent, answers, strict=True) if to == model]
        for model in (first, second)
    }
    assert numbers(of[first]) == [*range(1, 13)]
    assert numbers(of[second]) == [*range(1, 25)]
    assert live["dev"].get(f"/v1/models/{first}")["last_number"] == 12
    assert all(answer.headers["etag"] == '"1"' for answer in of[first] if answer.is_success)


async def test_each_has_its_entry_its_event_and_its_search_row_once(live: Live) -> None:
    model, member, other = make_model(live, "ensemble"), make_version(live), make_version(live)
    named = [{"model": one, "version": 1} for one in (member, other)]
    inside = content(specifics=specifics("ensemble", members=named), tags={"word": model})
    answers = await together(live, [(model, inside, {})] * 20)
    ids = {answer.json()["id"] for answer in answers}
    url = database_of(live)
    with psycopg.connect(url) as connection:
        events = connection.execute(
            "SELECT data ->> 'version_id' FROM notifications_outbox WHERE data ->> 'model' = %s",
            (model,),
        ).fetchall()
    database = Database(url, Settings(), make_bus())
    try:
        async with database.session(ALL_TENANTS) as session:
            tenant = await default_tenant(session)
        report = await verify(database, tenant)
    finally:
        await database.close()

    # Other tests age the reigns and cases of this server by hand, which is found as well.
    ours = {LOG, *(f"version:{version}" for version in ids)}
    assert report.entries > len(ids)
    assert [fault for fault in report.faults if fault.stream in ours] == []
    assert len(ids) == 20
    assert sorted(version for (version,) in events) == sorted(ids)
    found = live["dev"].get(f"/v1/search?model={model}&tag=word:{model}&limit=100")["items"]
    assert sorted(hit["version_id"] for hit in found) == sorted(ids)
    for number in (1, 20):
        history = live["dev"].get(f"/v1/models/{model}/versions/{number}/history")["items"]
        assert [entry["action"] for entry in history] == ["version.published"]
        members = live["dev"].get(f"/v1/models/{model}/versions/{number}/members")["items"]
        assert [one["model"] for one in members] == [member, other]


async def test_a_key_that_comes_again_beside_others_is_answered_as_before(live: Live) -> None:
    model = make_model(live)
    keyed = (model, content(), {"idempotency-key": f"{model}-once"})
    first = await together(live, [keyed] + [(model, content(), {})] * 10)
    again = await together(live, [keyed] + [(model, content(), {})] * 10)

    assert again[0].json() == first[0].json()
    assert numbers(first + again[1:]) == [*range(1, 22)]


async def test_what_fails_together_is_written_one_by_one_and_only_the_poison_is_told() -> None:
    written: list[list[int]] = []
    gate = asyncio.Event()

    async def commit(_: Any, jobs: list[int]) -> list[int]:
        await gate.wait()
        written.append(jobs)
        if 3 in jobs:
            raise ValueError(jobs)
        return [job * 10 for job in jobs]

    write: Coalesced[UUID, int, int] = Coalesced(
        commit, nobodys_fault=lambda _: False, lanes=2, each=1, most=4
    )
    callers = [asyncio.create_task(write(TENANT, job)) for job in range(8)]
    await asyncio.sleep(0)
    callers[2].cancel()
    gate.set()
    told = await asyncio.gather(*callers, return_exceptions=True)

    assert written == [[0, 1, 2, 3], [0], [1], [2], [3], [4, 5, 6, 7]]
    assert [one for one in told if isinstance(one, int)] == [0, 10, 40, 50, 60, 70]
    assert isinstance(told[2], asyncio.CancelledError)
    assert isinstance(told[3], ValueError)


def test_the_short_way_answers_as_the_long_one_does(live: Live) -> None:
    model = make_model(live)
    url = f"{live.url}/v1/models/{model}/versions"
    bodies = [
        content(), content(source=7), content(source="file:///x"), content(unheard_of=1),
        content(digest="no"), [], {},
    ]  # fmt: skip
    own = {"id", "number", "created_at", "request_id"}

    def asked(client: httpx.Client, body: Any, **headers: str) -> tuple[Any, ...]:
        answer = client.post(url, json=body, headers=headers)
        shown = {name: value for name, value in answer.json().items() if name not in own}
        names = ("content-type", "etag")
        assert answer.headers["x-request-id"]
        return answer.status_code, shown, *(answer.headers.get(name) for name in names)

    with httpx.Client(headers={"authorization": f"Bearer {live.keys['dev']}"}) as client:
        short = [asked(client, body) for body in bodies]
        long = [
            asked(client, body, **{"idempotency-key": f"{model}-{turn}"})
            for turn, body in enumerate(bodies)
        ]

        assert short == long
        assert [answer[0] for answer in short] == [201, *[422] * 6]
        for sent in (b'{"source": 1, "source": 2}', b"{", b""):
            refused = client.post(url, content=sent, headers={"content-type": "application/json"})
            assert refused.status_code == (400 if sent else 422)
        assert client.post(url, content=b"x", headers={"content-type": "x/y"}).status_code == 415
        assert client.post(f"{url}?x=1", json=content()).status_code == 422


async def test_who_was_answered_together_is_waited_for_and_nobody_else() -> None:
    sizes: list[int] = []

    async def commit(_: UUID, jobs: list[int]) -> list[int]:
        sizes.append(len(jobs))
        await asyncio.sleep(0.005)
        return jobs

    write: Coalesced[UUID, int, int] = Coalesced(
        commit, nobodys_fault=lambda _: False, lanes=2, each=1, most=64, patience=0.2
    )

    async def come_again(number: int, times: int) -> None:
        for turn in range(times):
            # Those who were answered at once do not come at once.
            await asyncio.sleep(0.001 * number)
            assert await write(TENANT, number * 100 + turn) == number * 100 + turn

    async with asyncio.timeout(10):
        await asyncio.gather(*(come_again(number, 6) for number in range(8)))
        assert sizes[0] == 1
        assert sizes.count(8) >= 4
        began = asyncio.get_running_loop().time()
        await write(uuid4(), 1)
        assert asyncio.get_running_loop().time() - began < 0.1
