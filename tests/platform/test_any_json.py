"""Any JSON at any call that takes a body: an answer or a problem, never a fault of ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity import ROLES, Role
from tests.live import Live, make_model, make_point, make_version, start
from tests.platform.wire import require_4xx
from tests.strategies import JSON, TEXTS
from tests.system.holdings import hold

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
FUZZ = settings(max_examples=12, deadline=None, derandomize=True)

HOSTILE: st.SearchStrategy[Any] = st.sampled_from(
    ["", " ", "\n", "\x7f", "\ufffe", "\U0010ffff", "a" * 3000, "../../etc/passwd", "%00",
     "'; DROP TABLE catalog_model; --", "file:///etc/passwd", "0", "-1", "true", "null",
     "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "00000000-0000-0000-0000-000000000000",
     0, -1, 0.5, -0.0, 2**31, 2**53 - 1, 1e15, True, False, None, [], {}, [[]], [None], {"": None}]
)  # fmt: skip


def calls() -> dict[str, tuple[str, str, Any]]:
    """Return method, path and a good body of every operation that takes one, by its id."""
    found = {}
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None:
                name = body["schema"].get("$ref", "").rpartition("/")[2]
                good = body.get("example", body["schema"].get("examples", [None])[0])
                if good is None:
                    good = DOCUMENT["components"]["schemas"][name]["examples"][0]
                found[operation["operationId"]] = (method, path, good)
    return found


CALLS = calls()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of our own: what we do to it would confuse other tests."""
    with start(tmp_path_factory.mktemp("any")) as found:
        yield found


@pytest.fixture(scope="module")
def names(home: Live) -> dict[str, Any]:
    """What stands for the parameters of a path: one of everything, and an open validation."""
    held, model = hold(home), make_model(home)
    body = {"model": model, "version": make_version(home, model)}
    case = home["dev"].post("/v1/validations", body)
    step = "technical_validation"
    return {**held.things, "case_id": case["id"], "step": step, "account": held.account}


class Everyone:
    """Two callers who have every role between them; no one person may."""

    def __init__(self, http: httpx.Client, keys: tuple[str, str]) -> None:
        self._http, self._keys = http, keys

    def request(self, method: str, path: str, *, json: Any) -> httpx.Response:
        for key in self._keys:
            headers = {"Authorization": f"Bearer {key}", "If-Match": '"1"'}
            answer = self._http.request(method, path, json=json, headers=headers)
            if answer.status_code != 403:
                break
        return answer


@pytest.fixture(scope="module")
def everyone(home: Live) -> Iterator[Everyone]:
    _, key = home.newcomer(*(role.value for role in ROLES if role is not Role.ADMINISTRATOR))
    with httpx.Client(base_url=home.url, timeout=10) as http:
        yield Everyone(http, (key, home.admin_key))


def real(good: Any, names: dict[str, Any]) -> Any:
    """Return an example that speaks of what exists."""
    known = {
        "model": names["name"], "decision_point": names["key"], "owner": "ops",
        "case_id": names["case_id"], "step": names["step"], "principal_id": names["account"],
    }  # fmt: skip
    if isinstance(good, dict):
        return {k: known.get(k) or real(v, names) for k, v in good.items()}
    return [real(item, names) for item in good] if isinstance(good, list) else good


@st.composite
def bent(draw: st.DrawFn, good: Any) -> Any:
    """Draw ``good`` with something changed, lost, added or repeated, here and there."""
    if draw(st.integers(0, 7)) == 0:
        return draw(JSON | HOSTILE)
    if isinstance(good, dict):
        found = {k: draw(bent(v)) for k, v in good.items() if draw(st.integers(0, 11))}
        if draw(st.integers(0, 7)) == 0:
            found[draw(TEXTS)] = draw(JSON)
        return found
    if isinstance(good, list):
        return [draw(bent(item)) for item in good * draw(st.sampled_from([0, 1, 1, 1, 2]))]
    return good


def require_answer(http: Everyone, call: str, names: dict[str, Any], body: Any) -> None:
    method, path, _ = CALLS[call]
    answer = http.request(method, path.format(**names), json=body)
    assert answer.status_code < 500, (body, answer.text)
    if answer.status_code >= 400:
        require_4xx(answer)


@pytest.mark.parametrize("call", CALLS)
@FUZZ
@given(body=JSON)
def test_any_json_is_answered(
    everyone: Everyone, names: dict[str, Any], call: str, body: Any
) -> None:
    require_answer(everyone, call, names, body)


@pytest.mark.parametrize("call", CALLS)
@FUZZ
@given(data=st.data())
def test_a_good_body_that_was_bent_is_answered(
    everyone: Everyone, names: dict[str, Any], call: str, data: st.DataObject
) -> None:
    require_answer(everyone, call, names, data.draw(bent(real(CALLS[call][2], names))))


@pytest.mark.parametrize("call", CALLS)
def test_every_good_body_is_understood(
    everyone: Everyone, names: dict[str, Any], call: str
) -> None:
    method, path, good = CALLS[call]

    answer = everyone.request(method, path.format(**names), json=real(good, names))

    assert answer.status_code < 500, answer.text
    assert answer.status_code not in {400, 415}, answer.text


@pytest.fixture
def fresh(home: Live, names: dict[str, Any]) -> dict[str, Any]:
    """The same, at a decision point of which nothing is set yet."""
    return {**names, "key": make_point(home)}


def put(good: Any, path: str, value: Any) -> Any:
    """Return a copy of ``good`` with ``value`` at a dotted path."""
    found = json.loads(json.dumps(good))
    *way, last = path.split(".")
    inner = found
    for step in way:
        inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
    inner[last] = value
    return found


@pytest.mark.parametrize("value", [2**53, 1_732_386_896_000_000_000, 2**63 - 1])
@pytest.mark.parametrize(
    ("call", "path"),
    [
        ("gates:add_evidence", "payload.finished_ns"),
        ("catalog:register_version", "training_data.rows"),
        ("drift:set_monitor", "min_rows"),
    ],
)
def test_a_whole_number_beyond_2_to_53_is_no_fault_of_ours(
    everyone: Everyone, fresh: dict[str, Any], call: str, path: str, value: int
) -> None:
    require_answer(everyone, call, fresh, put(real(CALLS[call][2], fresh), path, value))


@pytest.mark.parametrize(
    ("call", "path", "value"),
    [
        ("catalog:register_version", "card.metrics.auc", "nan"),
        ("catalog:register_version", "card.metrics.auc", "-Infinity"),
        ("drift:set_monitor", "psi", "inf"),
        ("drift:set_monitor", "psi", "1e400"),
        ("catalog:create_point", "contract.events_per_minute", "inf"),  # the list is lost to it
    ],
)
def test_a_number_that_is_not_finite_is_refused_as_text_too(
    everyone: Everyone, fresh: dict[str, Any], call: str, path: str, value: str
) -> None:
    method, route, good = CALLS[call]
    body = put(real(good, fresh), path, value)

    answer = everyone.request(method, route.format(**fresh), json=body)

    assert answer.status_code in {400, 422}, answer.text
