"""A trust rule ties one project, by ids that are never given twice, to one account."""

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.client import Client, Problem
from app.identity.claims import Provider, UnstableClaims, matches, require_stable, traced
from tests.live import Live, unique

GITHUB = {"repository_id": "74", "repository_owner_id": "65"}
ISSUER = "https://token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("provider", "claims"),
    [
        (Provider.GITHUB, GITHUB),
        (Provider.GITHUB, {**GITHUB, "ref": "refs/heads/main", "environment": "prod"}),
        (Provider.GITHUB, {**GITHUB, "job_workflow_ref": "a/b/.github/workflows/c.yml@main"}),
        (Provider.GITLAB, {"project_id": "22"}),
        (Provider.GITLAB, {"project_id": "22", "ref_protected": "true", "namespace_id": "7"}),
        (Provider.GENERIC, {"service_account_id": 7}),
    ],
)
def test_ids_that_are_never_given_twice_are_trusted(
    provider: Provider, claims: dict[str, Any]
) -> None:
    require_stable(provider, claims)


@pytest.mark.parametrize(
    ("provider", "claims", "word"),
    [
        (Provider.GITHUB, {**GITHUB, "sub": "repo:acme/price:ref:refs/heads/main"}, "names"),
        (Provider.GITLAB, {"project_id": "22", "sub": "project_path:a/b"}, "names"),
        (Provider.GENERIC, {"sub": "x"}, "names"),
        (Provider.GITHUB, {"repository_id": "74"}, "repository_owner_id"),
        (Provider.GITHUB, {"repository_owner_id": "65"}, "repository_id"),
        (Provider.GITHUB, {"repository": "acme/price"}, "repository_id"),
        (Provider.GITHUB, {**GITHUB, "repository": "acme/price"}, "repository"),
        (Provider.GITHUB, {**GITHUB, "actor": "dana"}, "actor"),
        (Provider.GITHUB, {}, "repository_id"),
        (Provider.GITLAB, {"project_path": "acme/price"}, "project_id"),
        (Provider.GITLAB, {"project_id": "22", "user_login": "dana"}, "user_login"),
        (Provider.GENERIC, {}, "at least one"),
        (Provider.GENERIC, {"aud": "x"}, "aud"),
    ],
)
def test_names_that_somebody_else_may_take_over_are_not(
    provider: Provider, claims: dict[str, Any], word: str
) -> None:
    with pytest.raises(UnstableClaims, match=word):
        require_stable(provider, claims)


SCALARS = st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "1", "true", "0", "False"])


@settings(max_examples=300, deadline=None)
@given(SCALARS, SCALARS)
def test_a_claim_matches_what_it_is_and_nothing_like_it(wanted: Any, told: Any) -> None:
    same = (type(wanted), wanted) == (type(told), told)

    assert matches({"c": wanted}, {"c": told, "other": 1}) == same
    assert not matches({"c": wanted}, {})
    assert not matches({"c": wanted}, {"c": [told]})


def test_what_is_kept_of_a_token_is_text_of_bounded_length() -> None:
    told = {"ref": "r" * 999, "run_id": 7, "repository": "a\0b", "sub": "x", "actor": "dana"}

    assert traced(told) == {"ref": "r" * 200}


@pytest.fixture
def account(live: Live) -> Any:
    roles = ["developer", "application", "committee"]
    body = {"name": unique("ci"), "kind": "service", "owner": "dev", "roles": roles}
    return live.admin.post("/v1/principals", body)


def terms(account: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": unique("rule"), "provider": "github", "issuer": ISSUER, "audience": "us",
        "claims": GITHUB, "principal_id": account["id"], "roles": ["developer"], **changes,
    }  # fmt: skip


def test_a_rule_is_kept_as_it_was_given(live: Live, account: Any) -> None:
    body = terms(account, max_minutes=5)

    made = live["dev"].post("/v1/trust-rules", body)

    assert {name: made[name] for name in body} == body
    assert live["aud"].get(f"/v1/trust-rules/{made['id']}") == made
    assert made in list(live["aud"].pages("/v1/trust-rules", limit=1))
    assert made["created_by"] == live["dev"].get("/v1/me")["id"]
    entries = live["aud"].get("/v1/audit", stream=f"trust_rule:{made['id']}")["items"]
    assert entries[0]["action"] == "trust_rule.created"
    assert entries[0]["details"]["claims"] == GITHUB


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"roles": ["auditor"]}, "beyond_own_rights"),
        ({"roles": ["committee"]}, "beyond_own_rights"),
        ({"roles": ["administrator"]}, "beyond_own_rights"),
        ({"roles": []}, "invalid"),
        ({"claims": {"sub": "x"}}, "unstable_claims"),
        ({"claims": {**GITHUB, "ref": ["a"]}}, "invalid"),
        ({"claims": {**GITHUB, "ref": None}}, "invalid"),
        ({"claims": {**GITHUB, "ref": ""}}, "invalid"),
        ({"max_minutes": 16}, "invalid"),
        ({"max_minutes": 0}, "invalid"),
        ({"audience": ""}, "invalid"),
        ({"issuer": "ftp://example.com"}, "invalid"),
        ({"issuer": "http://example.com"}, "address_refused"),
        ({"issuer": "http://127.0.0.1:1"}, "address_refused"),
        ({"issuer": "https://user:pass@example.com"}, "address_refused"),
        ({"issuer": "https://example.com?x=1"}, "invalid"),
        ({"provider": "jenkins"}, "invalid"),
        ({"principal_id": str(uuid.uuid4())}, "not_found"),
        ({"name": "a b"}, "invalid"),
    ],
)
def test_a_rule_that_trusts_too_much_is_not_saved(
    live: Live, account: Any, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Problem) as refusal:
        live["dev"].post("/v1/trust-rules", terms(account, **changes))

    assert refusal.value.code == code, refusal.value.document


def test_a_rule_is_for_a_service_account_that_is_there(live: Live, account: Any) -> None:
    person = live["dev"].get("/v1/me")
    taken = live["dev"].post("/v1/trust-rules", terms(account))["name"]
    with pytest.raises(Problem) as human:
        live["dev"].post("/v1/trust-rules", terms(person))
    with pytest.raises(Problem) as twice:
        live["dev"].post("/v1/trust-rules", terms(account, name=taken))
    live.admin.post(f"/v1/principals/{account['id']}:disable")
    with pytest.raises(Problem) as gone:
        live["dev"].post("/v1/trust-rules", terms(account))

    found = [refusal.value.code for refusal in (human, twice, gone)]
    assert found == ["not_an_account", "already_exists", "disabled"]


def test_a_rule_ends_once_and_stays_to_be_seen(live: Live, account: Any) -> None:
    made = live["dev"].post("/v1/trust-rules", terms(account))

    first = live.admin.post(f"/v1/trust-rules/{made['id']}:disable")
    again = live.admin.post(f"/v1/trust-rules/{made['id']}:disable")

    assert first["disabled_at"] == again["disabled_at"] is not None
    assert live.admin.get(f"/v1/trust-rules/{made['id']}")["disabled_at"]


def test_a_key_for_some_decision_points_makes_no_rule_for_all(live: Live, account: Any) -> None:
    own = live.admin.get("/v1/me")["id"]
    key = live.admin.post(f"/v1/principals/{own}/keys", {"days": 1, "points": ["p"]})["key"]

    with Client(live.url, key) as client, pytest.raises(Problem) as refusal:
        client.post("/v1/trust-rules", terms(account))

    assert refusal.value.code == "out_of_scope"


def test_who_answers_for_an_account_says_whose_tokens_it_trusts(live: Live, account: Any) -> None:
    with pytest.raises(Problem) as administrator:
        live.admin.post("/v1/trust-rules", terms(account))
    with pytest.raises(Problem) as stranger:
        live["val"].post("/v1/trust-rules", terms(account, roles=["application"]))
    machine = live.admin.post("/v1/trust-rules", terms(account, roles=["application"]))

    assert administrator.value.code == stranger.value.code == "beyond_own_rights"
    assert machine["roles"] == ["application"]
