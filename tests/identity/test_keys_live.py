"""Keys: shown once, kept nowhere, and dead within five seconds of their end."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, unique
from tests.platform.wire import problem_of
from tests.tenants import another

PROMISED = 5.0
SPELLINGS = ("Bearer", "bearer", "BEARER", "bEARER", "beArer", "beaRer", "beareR", "BeareR")


class Holder:
    """Somebody with a key of his own."""

    def __init__(self, live: Live, role: str = "application", **issued: str) -> None:
        self.url = live.url
        self.id, self.first = live.newcomer(role)
        made = self.make(**issued)
        self.key: str = made.json()["key"]
        self.key_id: str = made.json()["id"]
        self.issued: dict[str, Any] = made.json()

    def make(self, **headers: str) -> httpx.Response:
        """Make a key with the first one."""
        headers["Authorization"] = f"Bearer {self.first}"
        path = f"{self.url}/v1/principals/{self.id}/keys"
        return httpx.post(path, json={"days": 1}, headers=headers)

    def ask(self, scheme: str = "Bearer") -> int:
        headers = {"Authorization": f"{scheme} {self.key}"}
        return httpx.get(f"{self.url}/v1/me", headers=headers).status_code

    def ask_hot(self) -> int:
        headers = {"Authorization": f"Bearer {self.key}"}
        path = f"{self.url}/v1/decision-points/none/route"
        return httpx.post(path, json={"unit": "u"}, headers=headers).status_code


def seconds_until(refused: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not refused():
        assert time.monotonic() - began < 3 * PROMISED, "it works for ever"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def live(live: Live) -> Iterator[Live]:
    """A tenant of their own: keys are made to end by hand here, and its log must not mind."""
    with another(live) as found:
        yield found


@contextmanager
def database(live: Live) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url, autocommit=True) as connection:
        yield connection


def revoke(live: Live, holder: Holder) -> None:
    live.admin.post(f"/v1/keys/{holder.key_id}:revoke")


def expire(live: Live, holder: Holder) -> None:
    with database(live) as db:
        db.execute("UPDATE identity_key SET expires_at = now() WHERE id = %s", [holder.key_id])


def disable(live: Live, holder: Holder) -> None:
    live.admin.post(f"/v1/principals/{holder.id}:disable")


ENDS: dict[str, Callable[[Live, Holder], None]] = {
    "revoked": revoke, "expired": expire, "disabled": disable,
}  # fmt: skip


def test_keys_in_use_stop_within_five_seconds_of_their_end(live: Live) -> None:
    holders = {end: Holder(live) for end in ENDS}
    for holder in holders.values():
        assert (holder.ask(), holder.ask_hot()) == (200, 404)

    for end, holder in holders.items():
        ENDS[end](live, holder)

    began = time.monotonic()
    for holder in holders.values():
        seconds_until(lambda holder=holder: holder.ask() == holder.ask_hot() == 401)  # type: ignore[misc]
    assert time.monotonic() - began <= PROMISED
    assert {holder.ask() for holder in holders.values() for _ in range(5)} == {401}


@pytest.mark.parametrize("end", ENDS)
def test_a_key_that_ended_before_its_first_use_never_works(live: Live, end: str) -> None:
    holder = Holder(live)

    ENDS[end](live, holder)

    assert (holder.ask(), holder.ask_hot()) == (401, 401)


def test_a_revoked_key_stops_however_the_header_is_spelled(live: Live) -> None:
    holder = Holder(live)
    assert {holder.ask(scheme) for scheme in SPELLINGS} == {200}

    revoke(live, holder)

    took = seconds_until(lambda: {holder.ask(scheme) for scheme in SPELLINGS} == {401})
    assert took <= PROMISED


def test_other_keys_of_the_same_person_go_on(live: Live) -> None:
    holder = Holder(live)
    other = holder.make().json()["key"]
    revoke(live, holder)
    seconds_until(lambda: holder.ask() == 401)

    answer = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {other}"})

    assert answer.status_code == 200


def test_who_answers_for_a_bot_takes_it_along(live: Live) -> None:
    person, name = Holder(live), unique("bot")
    owner = next(p["name"] for p in live.admin.pages("/v1/principals") if p["id"] == person.id)
    body = {"name": name, "kind": "service", "owner": owner, "roles": ["application"]}
    bot = live.admin.post("/v1/principals", body)
    key = live.equipped(bot["id"])

    disable(live, person)

    sent = {"Authorization": f"Bearer {key}"}
    took = seconds_until(lambda: httpx.get(f"{live.url}/v1/me", headers=sent).status_code == 401)
    assert took <= PROMISED


def test_a_revocation_is_told_once_and_may_be_repeated(live: Live) -> None:
    holder = Holder(live)

    first = live.admin.post(f"/v1/keys/{holder.key_id}:revoke")
    again = live.admin.post(f"/v1/keys/{holder.key_id}:revoke")

    assert first["revoked_at"] == again["revoked_at"] is not None
    assert "key" not in first


def test_one_ends_ones_own_key_but_nobody_elses(live: Live) -> None:
    holder, other = Holder(live), Holder(live)
    mine = {"Authorization": f"Bearer {holder.key}"}

    theirs = httpx.post(f"{live.url}/v1/keys/{other.key_id}:revoke", headers=mine)
    own = httpx.post(f"{live.url}/v1/keys/{holder.key_id}:revoke", headers=mine)
    nobodys = httpx.post(f"{live.url}/v1/keys/{uuid.uuid4()}:revoke", headers=mine)

    problem_of(theirs, 403, "beyond_own_rights")
    assert own.status_code == 200
    problem_of(nobodys, 404, "not_found")
    assert other.ask() == 200


def test_a_key_is_shown_once(live: Live) -> None:
    holder = Holder(live)
    listed = httpx.get(
        f"{live.url}/v1/principals", headers={"Authorization": f"Bearer {live.admin_key}"}
    )
    revoked = live.admin.post(f"/v1/keys/{holder.key_id}:revoke")
    entries = live.admin.get("/v1/audit", stream=f"principal:{holder.id}")
    keys = live.admin.get(f"/v1/principals/{holder.id}/keys")["items"]

    assert re.fullmatch(r"mwk_[A-Za-z0-9]{46}", holder.key)
    assert holder.key.startswith(holder.issued["prefix"])
    for seen in (listed.text, str(revoked), str(entries), str(keys)):
        assert holder.key not in seen
    assert [key["prefix"] for key in keys] == [holder.issued["prefix"], holder.first[:12]]
    told = {entry["action"] for entry in entries["items"]}
    assert told >= {"principal.created", "key.issued", "key.revoked"}


def places(live: Live, text: str) -> list[str]:
    """Return the tables that hold ``text``, as text or as bytes, in any column."""
    found = []
    with database(live) as db:
        tables = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("SELECT count(*) FROM {} t WHERE t::text LIKE ANY (%s)").format(
                sql.Identifier(schema, table)
            )
            (count,) = db.execute(
                query, [[f"%{text}%", f"%{text.encode().hex()}%"]]
            ).fetchone() or (0,)
            if count:
                found.append(table)
    assert len(tables) > 20
    return found


def use(live: Live, holder: Holder) -> None:
    """Use a key well and badly, everywhere it might be written down."""
    good = {"Authorization": f"Bearer {holder.key}"}
    broken = {"Authorization": f"Bearer {holder.key[:-1]}"}
    with httpx.Client(base_url=live.url) as http:
        for headers in (good, broken, {"Authorization": f"Basic {holder.key}"}):
            http.get("/v1/me", headers=headers)
            http.post("/v1/events", content=b"{", headers=headers)
            http.post("/v1/models", json={"name": 1}, headers=headers)
            http.request("GET", "/v1/nothing", headers=headers)
        http.get("/v1/me", headers={**good, "X-Request-ID": "quoted"})


def test_the_key_is_written_down_nowhere(live: Live) -> None:
    holder = Holder(live)

    use(live, holder)
    revoke(live, holder)

    assert places(live, holder.key) == []
    assert "identity_key" in places(live, holder.issued["prefix"])
    logs = [live.log, *live.data_dir.rglob("server.log")]
    assert len(logs) == 2
    for log in logs:
        assert holder.key.removeprefix("mwk_")[8:-6] not in log.read_text(errors="replace")


def repeated(live: Live) -> tuple[Holder, httpx.Response]:
    """Issue a key twice under one Idempotency-Key."""
    again = {"Idempotency-Key": uuid.uuid4().hex}
    holder = Holder(live, **again)
    return holder, holder.make(**again)


def test_a_key_whose_issue_is_repeated_is_neither_kept_nor_shown_again(live: Live) -> None:
    holder, answer = repeated(live)

    assert (answer.status_code, answer.json()["code"]) == (409, "shown_once")
    assert answer.headers["idempotency-replayed"] == "true"
    assert holder.key not in answer.text
    assert places(live, holder.key) == []
    assert len(live.admin.get(f"/v1/principals/{holder.id}/keys")["items"]) == 2


def test_the_refusal_to_show_a_key_again_is_a_problem_like_any_other(live: Live) -> None:
    problem_of(repeated(live)[1], 409, "shown_once")


@pytest.mark.anyio
async def test_a_hundred_keys_that_are_new_to_a_process_come_at_once(live: Live) -> None:
    holder = Holder(live)
    keys = [holder.make().json()["key"] for _ in range(100)]
    async with httpx.AsyncClient(
        base_url=live.url, limits=httpx.Limits(max_connections=len(keys)), timeout=30
    ) as client:
        path = "/v1/decision-points/none/route"
        answers = await asyncio.gather(
            *(
                client.post(path, json={"unit": "u"}, headers={"Authorization": f"Bearer {key}"})
                for key in keys
            )
        )

    # Nobody's connection to the database was busy, and everybody was known.
    assert {answer.status_code for answer in answers} == {404}
