"""What is missing of a version's documentation is named, with the call that supplies it."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from app.catalog.content import completeness, content_of, digest_over
from app.catalog.rules import AssetKind
from tests.catalog.assets import content, make_model, publish, specifics
from tests.live import Live

MODEL_ID = UUID(int=1)
WHOLE: dict[str, Any] = {
    "source": "urn:model:test",
    "digest": "sha256:" + "0" * 64,
    "signature": {
        "inputs": [
            {"name": "demand", "type": "number", "unit": "MW", "description": "Of a region."},
            {"name": "day", "type": "category", "description": "Of the week."},
        ]
    },
    "training_data": {"reference": "s3://data", "digest": "sha256:" + "1" * 64, "rows": 10},
    "lineage": {"commit": "9f2c1e7", "repository": "https://git.example.com/a", "parents": []},
    "card": {
        "summary": "s", "intended_use": "i", "limitations": "l", "metrics": {"auc": 0.8},
        "documents": ["https://docs.example.com"],
    },
    "specifics": specifics("mathematical"),
}  # fmt: skip
LACKING: list[tuple[str, Any, list[str]]] = [
    ("digest", None, ["digest"]),
    ("card.limitations", " ", ["card.limitations"]),
    ("card.summary", "", ["card.summary"]),
    ("card.intended_use", "\n", ["card.intended_use"]),
    ("card.metrics", {}, ["card.metrics"]),
    ("card.documents", [], ["card.documents"]),
    ("training_data.digest", None, ["training_data.digest"]),
    ("training_data.rows", None, ["training_data.rows"]),
    ("lineage.commit", None, ["lineage.commit"]),
    ("lineage.repository", "", ["lineage.repository"]),
    ("specifics", None, ["specifics"]),
    ("signature.inputs", [{"name": "x"}], [
        "signature.inputs.x.description", "signature.inputs.x.unit",
    ]),
    ("signature.inputs", [{"name": "x", "type": "category"}], ["signature.inputs.x.description"]),
]  # fmt: skip


@dataclass(frozen=True)
class Described:
    name: str = "price"
    kind: AssetKind = AssetKind.MATHEMATICAL


@dataclass(frozen=True)
class Written:
    digest: str | None
    source: str
    signature: dict[str, Any]
    training_data: dict[str, Any]
    lineage: dict[str, Any]
    card: dict[str, Any]
    specifics: dict[str, Any] | None
    model_id: UUID = MODEL_ID
    content_digest: str = field(default="")


def written(**changes: Any) -> Written:
    said = deepcopy(WHOLE)
    for place, value in changes.items():
        outer, _, inner = place.partition(".")
        if inner:
            said[outer][inner] = value
        else:
            said[outer] = value
    plain = Written(**said)
    return Written(**said, content_digest=digest_over(MODEL_ID, content_of(plain)))


def test_a_version_that_says_everything_lacks_nothing() -> None:
    assert completeness(written(), Described()) == []


@pytest.mark.parametrize(("place", "value", "fields"), LACKING)
def test_what_is_missing_is_named_with_what_supplies_it(
    place: str, value: Any, fields: list[str]
) -> None:
    gaps = completeness(written(**{place: value}), Described())

    assert [gap["field"] for gap in gaps] == fields
    assert all(gap["problem"] for gap in gaps)
    assert all("POST /v1/models/price/versions" in gap["mend"] for gap in gaps)


def test_content_that_was_edited_beside_the_server_is_noticed() -> None:
    version = written()
    version.card["summary"] = "something else"

    assert [gap["field"] for gap in completeness(version, Described())] == ["content_digest"]


def test_the_server_says_what_is_missing_and_when_nothing_is(live: Live) -> None:
    model = make_model(live, "mathematical")
    publish(live, model, **WHOLE)
    publish(live, model, specifics=specifics("mathematical"), card=content()["card"])
    path = f"/v1/models/{model}/versions"

    whole = live["aud"].get(f"{path}/1/completeness")
    bare = live["aud"].get(f"{path}/2/completeness")

    assert whole == {"complete": True, "gaps": []}
    assert bare["complete"] is False
    assert {"card.limitations", "lineage.commit", "signature.inputs.x.unit"} < {
        gap["field"] for gap in bare["gaps"]
    }
