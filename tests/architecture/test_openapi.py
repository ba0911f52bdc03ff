"""The OpenAPI document is committed, complete and true."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.main import make_api
from app.platform.settings import Settings
from tests.ways import KNOCKED

ROOT = Path(__file__).parents[2]
CREATING = {"post", "put", "patch"}
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    api, _, _ = make_api(Settings(), "postgresql://nobody@localhost/none")
    found: dict[str, Any] = api.openapi()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_committed_document_is_the_generated_one(document: dict[str, Any]) -> None:
    committed = json.loads((ROOT / "openapi" / "openapi.json").read_text())

    assert committed == json.loads(json.dumps(document))


def test_operation_ids_read_tag_and_function(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    for name, operation in operations(document):
        tag, _, function = operation["operationId"].partition(":")
        assert [tag] == operation["tags"], name
        assert function.isidentifier(), name


def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    without = []
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = content["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        if not (schema.get("examples") or content.get("example")):
            without.append(name)

    assert without == []


def test_every_operation_documents_its_refusals_as_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refusals = {code: r for code, r in operation["responses"].items() if code >= "400"}
        assert {"400", "401", "403", "413", "415", "429", "503"} <= refusals.keys(), name
        for code, response in refusals.items():
            assert list(response["content"]) == [PROBLEM], (name, code)


def test_what_a_path_names_may_not_be_there(document: dict[str, Any]) -> None:
    silent = [
        n for n, found in operations(document) if "{" in n and "404" not in found["responses"]
    ]

    assert silent == []


def test_where_a_key_is_paced_the_document_says_so(document: dict[str, Any]) -> None:
    unpaced = {
        operation["operationId"]
        for _, operation in operations(document)
        if "rate_limited" not in operation["responses"]["429"]["content"][PROBLEM]["examples"]
    }

    assert unpaced == {
        "routing:route", "routing:route_many", "telemetry:ingest_events",
        "telemetry:ingest_outcomes", "telemetry:ingest_profile", "openfeature:evaluate_flag",
        "openfeature:evaluate_flags", "openfeature:get_flags_file",
    }  # fmt: skip


def test_every_operation_says_what_it_is_for(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation.get("description") or operation.get("summary"), name


def test_every_operation_that_is_not_public_asks_for_a_key(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        public = name.removeprefix("post ") in KNOCKED
        assert operation.get("security") == (None if public else [{"HTTPBearer": []}]), name


def test_where_if_match_is_asked_for_the_document_requires_it(document: dict[str, Any]) -> None:
    asked = {
        name: found["required"]
        for name, operation in operations(document)
        for found in operation.get("parameters", ())
        if found["name"] == "if-match"
    }

    # They are made by their first PUT; only replacing them takes a condition.
    creating = {name for name, required in asked.items() if not required}
    made = {
        "contract-cases", "deployment-terms", "fallback", "monitor", "{guardrail}", "{kpi}",
        "{scope}", "{target}",
    }  # fmt: skip
    assert {name.rpartition("/")[2] for name in creating} == made
    assert len(asked) > len(creating)
