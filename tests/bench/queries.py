"""Searches of every kind, one after the other on one connection, and how long each took."""

import http.client
import json
import time
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from tests.bench.servers import BenchFailed
from tests.bench.shop import Shop

KINDS: dict[str, dict[str, str]] = {
    "nothing": {},
    "common word": {"q": "regression"},
    "two common words": {"q": "logistic demand"},
    "four common words": {"q": "logistic price forecast bidding"},
    "middling word": {"q": "term17"},
    "rare word": {"q": "rare77"},
    "rare and common": {"q": "rare77 logistic"},
    "word of the older half": {"q": "elderly"},
    "words of either half": {"q": "elderly modern"},
    "older half and a team": {"q": "elderly", "tag": "team:team-3"},
    "unknown word": {"q": "nosuchword"},
    "short prefix": {"q": "re*"},
    "prefix": {"q": "calib*"},
    "prefix of many words": {"q": "rare7*"},
    "kind": {"kind": "mathematical"},
    "tier": {"risk_tier": "high"},
    "stage": {"stage": "candidate"},
    "owner": {"owner": "dana"},
    "tag": {"tag": "team:team-7"},
    "tag's key": {"tag": "reviewed"},
    "model": {"model": "shop-3"},
    "common word, stage": {"q": "quarterly", "stage": "released"},
    "common word, every filter": {
        "q": "regression", "kind": "mathematical", "risk_tier": "medium", "stage": "retired",
        "owner": "dana", "tag": "team:team-3", "model": "shop-1",
    },
    "rare word, stage and tier": {"q": "rare77", "stage": "retired", "risk_tier": "low"},
    "filters that exclude each other": {"kind": "mathematical", "model": "shop-0"},
}  # fmt: skip


def searches(url: str, shop: Shop, rounds: int) -> dict[str, list[float]]:
    """Ask each kind ``rounds`` times, in turns; return the milliseconds. Pages go on as well."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"authorization": f"Bearer {shop.keys[0]}"}
    times: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "next page")}

    def ask(kind: str, query: dict[str, str], *, count: bool) -> str | None:
        began = time.perf_counter()
        connection.request("GET", f"/v1/search?{urlencode(query)}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != HTTPStatus.OK:
            raise BenchFailed(f"A search for {query} was refused: {body!r}")
        if count:
            times[kind].append((time.perf_counter() - began) * 1000)
        cursor: str | None = json.loads(body)["next_cursor"]
        return cursor

    try:
        for turn in range(rounds + 1):
            for kind, query in KINDS.items():
                cursor = ask(kind, query, count=turn > 0)
                if cursor is not None and kind == "common word":
                    ask("next page", {**query, "cursor": cursor}, count=turn > 0)
    finally:
        connection.close()
    return times
