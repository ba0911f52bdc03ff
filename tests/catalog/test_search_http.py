"""Search and look-ups over HTTP: strange text, refusals, and the same answer by both ways."""

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.live import Live, champion, make_model, make_version, unique

STRANGE = (
    "%00", "a%00b", "'", '"', "'; DROP TABLE x --", "\\", "%5C%27", "%26%7C!", "a:*", "<->", "(((",
    "%ED%A0%80", "%F0%9F%92%A9", "%FF%FE", "*", "**a*", "a*b*c", "%E2%80%8B", "%CC%81", "%25",
    "x" * 500, "+" * 100, quote("Ω" * 200), quote("ẞ" * 90), quote("ﷺ" * 80), quote("\u0130*"),
)  # fmt: skip


@pytest.fixture(scope="module")
def web(live: Live) -> Iterator[httpx.Client]:
    client = httpx.Client(
        base_url=live.url, headers={"authorization": f"Bearer {live.keys['dev']}"}, timeout=30
    )
    yield client
    client.close()


def test_strange_text_is_searched_or_refused(web: httpx.Client) -> None:
    for field in ("q", "tag"):
        for text in STRANGE:
            answer = web.get(f"/v1/search?{field}={text}")

            assert answer.status_code in {200, 422}, (field, text, answer.text)
            if answer.status_code == 422:
                assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("q=%26%7C", 422, "bad_query"),
        ("q=a*", 422, "bad_query"),
        ("q=" + "x" * 501, 422, "invalid"),
        ("stage=nowhere", 422, "invalid"),
        ("owner=nobody-here", 404, "not_found"),
        ("model=nothing-here", 404, "not_found"),
        ("cursor=x", 400, "bad_cursor"),
        ("limit=201", 422, "invalid"),
        ("words=a", 422, "unknown_parameter"),
    ],
)
def test_what_cannot_be_searched_for_is_a_problem(
    web: httpx.Client, query: str, status: int, code: str
) -> None:
    answer = web.get(f"/v1/search?{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_version_is_found_once_it_is_registered_and_as_it_is_edited(live: Live) -> None:
    model, word = make_model(live), unique("word").replace("-", "")
    number = make_version(live, model)
    path = f"/v1/models/{model}/versions/{number}"
    version = live["dev"].get(path)

    live["dev"].patch(path, {"tags": {"note": word}}, revision=version["revision"])

    (hit,) = live["dev"].get("/v1/search", q=f"{word[:8]}*", model=model)["items"]
    assert (hit["version_id"], hit["matched"]) == (version["id"], ["tags"])


def test_an_alias_is_answered_by_both_ways_alike(live: Live, web: httpx.Client) -> None:
    model = make_model(live)
    for number in (make_version(live, model), make_version(live, model)):
        live["dev"].put(f"/v1/models/{model}/aliases/stable", {"number": number})
        path = f"/v1/models/{model}/aliases/stable"
        version = live["dev"].get(f"/v1/models/{model}/versions/{number}")

        answer = web.get(path)

        assert answer.json() == {"name": "stable", "number": number, "version_id": version["id"]}
    # What the quick way does not find, the other one answers.
    assert web.get(f"/v1/models/{model}/aliases/latest").json()["number"] == number
    for path in (f"/v1/models/{model}/aliases/none", "/v1/models/none/aliases/stable"):
        refused = web.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    web.delete(f"/v1/models/{model}/aliases/stable")
    assert web.get(f"/v1/models/{model}/aliases/stable").status_code == 404


def test_a_champion_is_answered_by_both_ways_alike(live: Live, web: httpx.Client) -> None:
    place = champion(live)
    path = f"/v1/decision-points/{place.point}/champion"

    quick = web.get(path)

    dated = web.get(path, params={"at": quick.json()["since"]})
    assert quick.status_code == 200
    assert quick.json() == dated.json()
    assert quick.headers["content-type"] == dated.headers["content-type"]


def test_the_quick_way_asks_who_calls(live: Live, web: httpx.Client) -> None:
    path = "/v1/decision-points/any/champion"

    assert httpx.get(live.url + path).status_code == 401
    application = {"authorization": f"Bearer {live.keys['app']}"}
    refused = httpx.get(live.url + path, headers=application)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert web.get(path).json()["code"] == "not_found"
