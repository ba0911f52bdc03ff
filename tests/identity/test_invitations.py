"""A person's first key is made by the person: out of a code that works once."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from app.client import Problem, redeem
from app.identity import keys
from app.platform.embedded import EmbeddedPostgres
from tests.live import Live, unique
from tests.platform.wire import problem_of, speaker, together
from tests.tenants import another

KEY, UNKNOWN = keys.make(), keys.make(keys.INVITATION)


@pytest.fixture(scope="module")
def live(live: Live) -> Iterator[Live]:
    """A tenant of our own: what is changed by hand here, its log does not vouch for."""
    with another(live) as found:
        yield found


@pytest.fixture
def person(live: Live) -> Any:
    return live.admin.post("/v1/principals", {"name": unique("person"), "roles": ["developer"]})


def invite(live: Live, person: Any) -> Any:
    return live.admin.post(f"/v1/principals/{person['id']}:invite")


def path_of(person: Any) -> str:
    return f"/v1/principals/{person['id']}"


def knock(live: Live, code: Any, **fields: Any) -> httpx.Response:
    return httpx.post(f"{live.url}/v1/invitations:redeem", json={"code": code, **fields})


def test_a_code_becomes_its_persons_key(live: Live, person: Any) -> None:
    invitation = invite(live, person)

    answer = knock(live, invitation["code"], days=30)

    made = answer.json()
    found = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {made['key']}"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"mwi_[A-Za-z0-9]{46}", invitation["code"])
    assert (made["principal_id"], made["issuer_id"]) == (person["id"], person["id"])
    assert (made["roles"], made["points"]) == (None, None)
    assert found.json()["name"] == person["name"]


def test_of_many_who_bring_the_same_code_one_gets_a_key(live: Live, person: Any) -> None:
    code = invite(live, person)["code"]

    answers = together(12, lambda _: knock(live, code))

    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 11
    for answer in answers:
        if answer.status_code == 401:
            problem_of(answer, 401, "bad_invitation")
    assert len(live.admin.get(f"/v1/principals/{person['id']}/keys")["items"]) == 1


def test_the_newest_invitation_is_the_only_one(live: Live, person: Any) -> None:
    first, second = invite(live, person)["code"], invite(live, person)["code"]

    problem_of(knock(live, first), 401, "bad_invitation")
    assert knock(live, second).status_code == 201
    problem_of(knock(live, second), 401, "bad_invitation")


def test_an_invitation_ends_with_its_time_and_with_its_person(live: Live, person: Any) -> None:
    late = invite(live, person)["code"]
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url, autocommit=True) as db:
        (hours,) = db.execute(
            "SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM identity_invitation"
            " WHERE prefix = %s",
            [late[:12]],
        ).fetchone() or (0,)
        db.execute("UPDATE identity_invitation SET expires_at = now() WHERE prefix = %s",
                   [late[:12]])  # fmt: skip
    problem_of(knock(live, late), 401, "bad_invitation")
    assert hours == 72

    code = invite(live, person)["code"]
    live.admin.post(f"/v1/principals/{person['id']}:disable")
    problem_of(knock(live, code), 401, "bad_invitation")


HOSTILE = {
    "empty": "", "short": "x", "prefix": "mwi_", "unchecked": "mwi_" + "A" * 46, "a key": KEY.text,
    "unknown": UNKNOWN.text, "not ASCII": "mwi_" + "é" * 46, "SQL": "' OR 1=1 --",
    "a path": "../" * 16,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_code_is_nobodys(live: Live, name: str) -> None:
    problem_of(knock(live, HOSTILE[name]), 401, "bad_invitation")


@pytest.mark.parametrize("code", [None, 1, [], {}, "x" * 201])
def test_what_is_no_code_is_no_request(live: Live, code: Any) -> None:
    problem_of(knock(live, code), 422, "invalid")


def test_an_invitation_is_no_key_and_a_key_no_invitation(live: Live, person: Any) -> None:
    code = invite(live, person)["code"]

    answer = httpx.get(f"{live.url}/v1/me", headers={"Authorization": f"Bearer {code}"})

    problem_of(answer, 401, "unauthenticated")
    problem_of(knock(live, live.keys["dev"]), 401, "bad_invitation")


def test_invitations_are_told_to_the_audit_log_without_their_codes(live: Live, person: Any) -> None:
    code = invite(live, person)["code"]
    key = redeem(live.url, code)

    entries = live["aud"].get("/v1/audit", stream=f"principal:{person['id']}")["items"]

    told = {entry["action"]: entry for entry in entries}
    assert told["principal.invited"]["details"]["prefix"] == code[:12]
    assert told["invitation.redeemed"]["details"]["prefix"] == code[:12]
    assert told["key.issued"]["details"]["prefix"] == key[:12]
    assert code not in str(entries)
    assert key not in str(entries)
    with psycopg.connect(EmbeddedPostgres(live.data_dir).url) as db:
        rows = db.execute("SELECT t::text FROM identity_invitation t").fetchall()
    assert code not in str(rows)
    assert code[4:] not in live.log.read_text(errors="replace")


def test_a_service_account_is_not_invited(live: Live) -> None:
    app = live["app"].get("/v1/me")["id"]

    with pytest.raises(Problem) as refusal:
        live.admin.post(f"/v1/principals/{app}:invite")

    assert refusal.value.code == "not_a_person"


def test_a_code_needs_no_header_and_minds_none(live: Live, person: Any) -> None:
    code = invite(live, person)["code"]
    headers = {"Authorization": "Bearer nonsense", "Idempotency-Key": "mine"}

    answer = httpx.post(f"{live.url}/v1/invitations:redeem", json={"code": code}, headers=headers)

    assert answer.status_code == 201


def test_of_invitations_made_at_once_one_holds(live: Live, person: Any) -> None:
    made = together(8, lambda _: speaker(live, "admin").post(f"{path_of(person)}:invite"))

    codes = [answer.json()["code"] for answer in made if answer.status_code == 201]
    statuses = [knock(live, code).status_code for code in codes]
    assert len(codes) == 8
    assert sorted(statuses) == [201] + [401] * 7


def test_who_redeems_while_another_is_made_is_answered(live: Live, person: Any) -> None:
    for _ in range(10):
        code = invite(live, person)["code"]

        def act(number: int, code: str = code) -> httpx.Response:
            if number:
                return knock(live, code)
            return speaker(live, "admin").post(f"{path_of(person)}:invite")

        made, redeemed = together(2, act)

        assert made.status_code == 201
        assert redeemed.status_code in {201, 401}
