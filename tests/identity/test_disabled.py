"""Who was disabled stays out, whatever he is named for."""

import pytest

from app.client import Problem
from tests.live import Live, unique


def test_a_disabled_person_gets_no_key_and_answers_for_nothing(live: Live) -> None:
    admin, name = live.admin, unique("gone")
    person = admin.post("/v1/principals", {"name": name, "kind": "person", "roles": ["developer"]})
    account = {"name": unique("bot"), "kind": "service", "owner": name, "roles": ["application"]}
    orphan = admin.post("/v1/principals", account)
    admin.post(f"/v1/principals/{person['id']}:disable")
    bot = {"name": unique("bot"), "kind": "service", "owner": name, "roles": ["validator"]}
    model = {"name": unique("m"), "risk_tier": "low", "owner": name, "purpose": "p"}

    for who, path, body in (
        (admin, f"/v1/principals/{person['id']}:invite", None),
        (admin, f"/v1/principals/{orphan['id']}/keys", {"days": 1}),
        (admin, f"/v1/principals/{orphan['id']}:enable", None),
        (admin, "/v1/principals", bot),
        (live["dev"], "/v1/models", {**model, "kind": "rule_set"}),
    ):
        with pytest.raises(Problem) as refusal:
            who.post(path, body)
        assert refusal.value.status in {409, 422}, path
        assert refusal.value.code in {"disabled", "owner_required"}, refusal.value
