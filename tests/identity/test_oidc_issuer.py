"""The server and the issuers it trusts: asked rarely, waited for briefly, remembered."""

import time
from typing import Any

import httpx
import pytest

from app.client import Problem
from tests.identity.issuer import DISCOVERY, Issuer, issuer
from tests.identity.jobs import exchange, terms
from tests.live import Live, unique
from tests.platform.wire import problem_of, speaker, together


def test_whatever_kids_arrive_the_issuer_is_asked_once_a_minute(near: Live, account: Any) -> None:
    with issuer() as other:
        rule = near["dev"].post("/v1/trust-rules", terms(other, account))
        good = together(8, lambda _: exchange(near, rule, other.token()))
        other.keys["stranger"] = other.keys["first"]
        strange = together(30, lambda _: exchange(near, rule, other.token("stranger")))
        asked = other.asked()

    assert {answer.status_code for answer in good} == {201}
    assert {answer.status_code for answer in strange} == {401}
    assert asked == {DISCOVERY: 1, "/jwks": 1}


def test_an_issuer_that_was_never_reached_is_waited_for(near: Live, account: Any) -> None:
    with issuer() as other:
        other.put(down=True)
        rule = near["dev"].post("/v1/trust-rules", terms(other, account))
        answer = exchange(near, rule, other.token())

    problem_of(answer, 503, "unavailable")
    assert "retry-after" in answer.headers


def test_a_slow_issuer_holds_up_nobody_else(near: Live, account: Any) -> None:
    with issuer() as other:
        other.put(seconds=30)
        rule = near["dev"].post("/v1/trust-rules", terms(other, account))

        reader = speaker(near, "dev")

        def act(number: int) -> httpx.Response:
            return exchange(near, rule, other.token()) if number < 20 else reader.get("/v1/models")

        began = time.monotonic()
        answers = together(24, act)
        took = time.monotonic() - began
        other.process.kill()

    assert [answer.status_code for answer in answers] == [503] * 20 + [200] * 4
    assert took < 10


def test_loopback_is_not_called_without_the_setting(live: Live, forge: Issuer) -> None:
    body = {"name": unique("ci"), "kind": "service", "owner": "dev", "roles": ["developer"]}
    made = live.admin.post("/v1/principals", body)

    with pytest.raises(Problem) as refusal:
        live["dev"].post("/v1/trust-rules", terms(forge, made))
    assert refusal.value.code == "address_refused"

    secure = terms(forge, made, issuer=forge.url.replace("http:", "https:"))
    rule = live["dev"].post("/v1/trust-rules", secure)
    problem_of(exchange(live, rule, forge.token()), 503, "unavailable")


def test_while_its_issuer_is_gone_a_jobs_token_still_counts(near: Live, account: Any) -> None:
    with issuer() as other:
        rule = near["dev"].post("/v1/trust-rules", terms(other, account))
        assert exchange(near, rule, other.token()).status_code == 201
        other.process.kill()
        other.process.wait(10)
        other.keys["new"] = other.keys["first"]

        known, strange = (
            exchange(near, rule, other.token()),
            exchange(near, rule, other.token("new")),
        )

    assert known.status_code == 201
    problem_of(strange, 401, "token_refused")


@pytest.mark.slow
def test_a_key_the_issuer_changed_is_known_within_a_minute(near: Live, account: Any) -> None:
    with issuer() as other:
        rule = near["dev"].post("/v1/trust-rules", terms(other, account))
        assert exchange(near, rule, other.token()).status_code == 201
        other.rotate("second")

        began = time.monotonic()
        while exchange(near, rule, other.token("second")).status_code != 201:
            assert time.monotonic() - began < 65
            time.sleep(1)
        asked = other.asked()

    assert asked == {DISCOVERY: 2, "/jwks": 2}
