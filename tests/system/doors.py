"""What those need who try the ways around the gates."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.client import Client, Problem
from tests.live import Live

STEP = "management_and_governance"


def refused(client: Client, path: str, body: Any = None) -> Problem:
    with pytest.raises(Problem) as refusal:
        client.post(path, body)
    return refusal.value


def newcomer(bank: Live, *roles: str) -> tuple[str, str, Client]:
    person, key = bank.newcomer(*roles)
    name = next(p["name"] for p in bank.admin.pages("/v1/principals") if p["id"] == person)
    return person, name, Client(bank.url, key)


def a_version(model: str) -> dict[str, Any]:
    return {
        "source": f"urn:model:{model}",
        "digest": "sha256:" + "0" * 64,
        "signature": {"inputs": [{"name": "x"}]},
        "training_data": {"reference": "made here"},
        "card": {"summary": "A test.", "intended_use": "A test."},
    }


def soon(client: Client, path: str, body: Any) -> Any:
    """Do what new roles allow: they reach every key within five seconds."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return client.post(path, body)
        except Problem:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()
