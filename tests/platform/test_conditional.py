"""Nobody overwrites what he has not seen."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.live import Live, champion, lift_control, make_model, make_point, make_version
from tests.platform.wire import problem_of, speaker, together

KINDS = ("model", "version", "point", "plan", "policy", "monitor", "kpi")


@dataclass(frozen=True)
class Edited:
    """What can be edited: where, how, by whom; ``bodies`` are two that differ."""

    method: str
    path: str
    who: str
    bodies: tuple[Any, Any]


@pytest.fixture(scope="module")
def edited(live: Live) -> dict[str, Edited]:
    model, point, place = make_model(live), make_point(live), champion(live)
    make_version(live, model)
    policy = live.admin.get("/v1/policies/medium")["body"]
    lift_control(live, "policy")
    kpi = {"name": "k", "unit": "AUD"}
    plans: tuple[Any, Any] = ({"shadows": []}, {"segments": [{"name": "all"}]})
    found = {
        "model": Edited("PATCH", f"/v1/models/{model}", "dev", _two("purpose")),
        "version": Edited("PATCH", f"/v1/models/{model}/versions/1", "dev", _tags()),
        "point": Edited("PATCH", f"/v1/decision-points/{point}", "ops", _two("description")),
        "plan": Edited("PUT", f"/v1/decision-points/{place.point}/plan", "ops", plans),
        "policy": Edited("PUT", "/v1/policies/medium", "admin", ({"body": policy},) * 2),
        "monitor": Edited(
            "PUT", f"/v1/decision-points/{point}/monitor", "ops", ({"hits": 1}, {"hits": 2})
        ),
        "kpi": Edited(
            "PUT", f"/v1/decision-points/{point}/kpis/k", "ops",
            ({**kpi, "threshold": 1}, {**kpi, "threshold": 2}),
        ),
    }  # fmt: skip
    for name in ("monitor", "kpi"):  # these two are made by their first PUT
        made = edit(live, found[name], None)
        assert made.status_code == 200, made.text
        assert made.headers["etag"] == '"1"'
    return found


def _two(field: str) -> tuple[Any, Any]:
    return {field: "one"}, {field: "two"}


def _tags() -> tuple[Any, Any]:
    return {"tags": {"a": "one"}}, {"tags": {"a": "two"}}


def edit(live: Live, what: Edited, tag: str | None, *, body: int = 0) -> httpx.Response:
    headers = {} if tag is None else {"If-Match": tag}
    return speaker(live, what.who).request(
        what.method, what.path, json=what.bodies[body], headers=headers
    )


def current(live: Live, kind: str, what: Edited) -> str:
    """Return the ETag of the resource as it stands; a KPI is listed, with its revision."""
    if kind == "kpi":
        (found,) = live[what.who].get(what.path.removesuffix("/k"))["items"]
        return f'"{found["revision"]}"'
    return str(speaker(live, what.who).get(what.path).headers["etag"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_without_a_condition_is_refused(
    live: Live, edited: dict[str, Edited], kind: str
) -> None:
    before = current(live, kind, edited[kind])

    problem_of(edit(live, edited[kind], None), 428, "condition_missing")

    assert current(live, kind, edited[kind]) == before


@pytest.mark.parametrize("tag", ['"0"', '"999999"', '"abc"', "", "*", '"-1"', '""', "9" * 4000])
@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_of_another_state_is_refused(
    live: Live, edited: dict[str, Edited], kind: str, tag: str
) -> None:
    before = current(live, kind, edited[kind])

    problem_of(edit(live, edited[kind], tag), 412, "condition_stale")

    assert current(live, kind, edited[kind]) == before


def test_a_condition_of_five_thousand_digits_is_stale_too(
    live: Live, edited: dict[str, Edited]
) -> None:
    problem_of(edit(live, edited["model"], "9" * 5000), 412, "condition_stale")


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_of_the_present_state_is_taken_and_moves_the_etag(
    live: Live, edited: dict[str, Edited], kind: str
) -> None:
    what = edited[kind]
    for turn in range(2):
        before = current(live, kind, what)

        answer = edit(live, what, before, body=turn)

        assert answer.status_code == 200, answer.text
        after = answer.headers["etag"]
        assert int(after.strip('"')) == int(before.strip('"')) + 1
        assert current(live, kind, what) == after
        problem_of(edit(live, what, before), 412, "condition_stale")


def test_a_weak_etag_as_proxies_make_them_is_taken(live: Live, edited: dict[str, Edited]) -> None:
    tag = current(live, "model", edited["model"])

    assert edit(live, edited["model"], f"W/{tag}").status_code == 200


def test_the_edit_that_was_refused_is_not_there(live: Live) -> None:
    model = make_model(live)
    what = Edited("PATCH", f"/v1/models/{model}", "dev", _two("purpose"))
    edit(live, what, '"1"', body=0)

    edit(live, what, '"1"', body=1)

    assert live["dev"].get(what.path)["purpose"] == "one"


@pytest.mark.parametrize("kind", KINDS)
def test_of_edits_that_race_on_one_state_one_wins(
    live: Live, edited: dict[str, Edited], kind: str
) -> None:
    what = edited[kind]
    for _ in range(6):
        tag = current(live, kind, what)

        answers = together(4, lambda n, tag=tag: edit(live, what, tag, body=n % 2))  # type: ignore[misc]

        assert [a.status_code for a in answers].count(200) == 1
        for answer in answers:
            if answer.status_code != 200:
                problem_of(answer, 409 if answer.status_code == 409 else 412)
        assert int(current(live, kind, what).strip('"')) == int(tag.strip('"')) + 1
