"""A CI job's token becomes a key of minutes: once, for the right job, and for nothing more."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.client import Client, Problem
from tests.identity.forgeries import FORGERIES
from tests.identity.issuer import Issuer
from tests.identity.jobs import exchange, me, terms
from tests.live import Live
from tests.platform.wire import problem_of, together


@pytest.mark.parametrize("kid", ["first", "ec-first"])
def test_a_jobs_token_becomes_a_key_of_minutes(
    near: Live, forge: Issuer, rule: Any, account: Any, kid: str
) -> None:
    token = forge.token(kid)

    answer = exchange(near, rule, token)

    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (made["principal"], made["roles"]) == (account["name"], ["developer"])
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    found = me(near, made["key"]).json()
    assert (found["name"], found["person_id"]) == (account["name"], account["owner_id"])


def test_the_key_ends_with_its_token_or_its_minutes(
    near: Live, forge: Issuer, account: Any
) -> None:
    rule = near["dev"].post("/v1/trust-rules", terms(forge, account, max_minutes=1))
    soon = int(time.time()) + 30

    short = exchange(near, rule, forge.token(exp=soon)).json()
    long = exchange(near, rule, forge.token(exp=soon + 3600)).json()

    assert datetime.fromisoformat(short["expires_at"]).timestamp() == soon
    assert soon < datetime.fromisoformat(long["expires_at"]).timestamp() < soon + 45


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused_and_told_nothing(
    near: Live, forge: Issuer, rule: Any, name: str
) -> None:
    answer = exchange(near, rule, FORGERIES[name](forge))

    document = problem_of(answer, 401, "token_refused")
    assert document["detail"] == "The token does not satisfy the rule, or there is no such rule."
    assert "reason" not in document


def test_nobody_elses_rule_and_no_rule_look_the_same(near: Live, forge: Issuer, rule: Any) -> None:
    near.admin.post(f"/v1/trust-rules/{rule['id']}:disable")

    for found in (rule, {"id": str(uuid.uuid4())}):
        problem_of(exchange(near, found, forge.token()), 401, "token_refused")


def test_of_fifty_uses_of_one_token_one_makes_a_key(
    near: Live, forge: Issuer, rule: Any, account: Any
) -> None:
    token = forge.token()

    answers = together(50, lambda _: exchange(near, rule, token))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"token_used"}
    assert len(list(near.admin.pages(f"/v1/principals/{account['id']}/keys"))) == 1


def test_a_token_is_used_up_for_every_rule_of_its_issuer(
    near: Live, forge: Issuer, rule: Any, account: Any
) -> None:
    other = near["dev"].post("/v1/trust-rules", terms(forge, account))
    token = forge.token()

    assert exchange(near, rule, token).status_code == 201
    problem_of(exchange(near, other, token), 409, "token_used")


def test_too_many_tokens_for_a_rule_are_told_to_wait(near: Live, forge: Issuer, rule: Any) -> None:
    token = forge.token(ref="refs/heads/other")
    path = f"/v1/trust-rules/{rule['id']}:exchange"

    # Together: one after the other they may be slower than what a rule is allowed.
    with httpx.Client(base_url=near.url) as http, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: http.post(path, json={"token": token}), range(240)))

    late = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {401, 429}
    assert int(late[0].headers["retry-after"]) >= 1
    problem_of(late[0], 429, "rate_limited")
    other = near.admin.get(f"/v1/trust-rules/{rule['id']}")
    assert other["disabled_at"] is None


def test_junk_for_a_rule_does_not_use_up_what_its_jobs_need(
    near: Live, forge: Issuer, rule: Any
) -> None:
    with httpx.Client(base_url=near.url) as http:
        path = f"/v1/trust-rules/{rule['id']}:exchange"
        junk = {http.post(path, json={"token": "a.b.c"}).status_code for _ in range(150)}

    assert junk == {401}
    assert exchange(near, rule, forge.token()).status_code == 201


def test_the_exchange_is_told_to_the_audit_log_without_token_or_key(
    near: Live, forge: Issuer, rule: Any, account: Any
) -> None:
    token = forge.token()
    key = exchange(near, rule, token).json()["key"]

    entries = near["aud"].get("/v1/audit", stream=f"principal:{account['id']}")["items"]

    told = next(entry for entry in entries if entry["action"] == "token.exchanged")["details"]
    assert (told["rule"], told["roles"]) == (rule["id"], ["developer"])
    assert told["claims"]["repository_id"] == "74"
    assert told["claims"]["ref"] == "refs/heads/main"
    assert len(told["jti"]) == 64
    for secret in (token, key, token.rpartition(".")[2], key[12:-6]):
        assert secret not in str(entries)
        assert secret not in near.log.read_text(errors="replace")


def test_a_ci_key_makes_no_keys(near: Live, forge: Issuer, rule: Any, account: Any) -> None:
    key = exchange(near, rule, forge.token()).json()["key"]

    with Client(near.url, key) as client, pytest.raises(Problem) as refusal:
        client.post(f"/v1/principals/{account['id']}/keys", {"days": 1})

    assert refusal.value.code == "beyond_own_rights"


@pytest.mark.parametrize("end", ["rule", "account"])
def test_what_ends_a_rule_or_its_account_ends_its_keys_within_five_seconds(
    near: Live, forge: Issuer, rule: Any, account: Any, end: str
) -> None:
    key = exchange(near, rule, forge.token()).json()["key"]
    assert me(near, key).status_code == 200
    path = {"rule": f"/v1/trust-rules/{rule['id']}", "account": f"/v1/principals/{account['id']}"}

    near.admin.post(f"{path[end]}:disable")

    deadline = time.monotonic() + 5
    while me(near, key).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    problem_of(exchange(near, rule, forge.token()), 401, "token_refused")


def test_an_account_that_lost_its_roles_lends_them_to_no_token(
    near: Live, forge: Issuer, rule: Any, account: Any
) -> None:
    key = exchange(near, rule, forge.token()).json()["key"]
    assert me(near, key).status_code == 200

    near.admin.post(f"/v1/principals/{account['id']}:assign", {"roles": ["auditor"]})

    deadline = time.monotonic() + 5
    while me(near, key).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    problem_of(exchange(near, rule, forge.token()), 401, "token_refused")
