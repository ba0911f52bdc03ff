"""Each kind of asset says of itself what it has to, and is told what it did not say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter, ValidationError

from app.catalog.rules import AssetKind
from app.catalog.specifics import (
    OF,
    Specifics,
    WrongSpecifics,
    expired,
    require_specifics,
    required_of,
)
from tests.catalog.assets import SPECIFICS, content, make_model, publish, specifics
from tests.live import Live
from tests.platform.wire import problem_of, speaker
from tests.ways import DOCUMENT

READ: TypeAdapter[Any] = TypeAdapter(Specifics)
PLAIN = sorted(set(SPECIFICS) - {"ensemble"})
TWO = [{"model": "a", "version": 1}, {"model": "b", "version": 1}]
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("mathematical", {"reference": None}, "equation or reference"),
    ("mathematical", {"assumptions": []}, "assumptions"),
    ("rule_set", {"language": "prolog"}, "language"),
    ("rule_set", {"rule_count": 0}, "rule_count"),
    ("rule_set", {"rule_count": "3"}, "rule_count"),
    ("optimiser", {"direction": "sideways"}, "direction"),
    ("knowledge_graph", {"size": {"entities": 1}}, "relations"),
    ("agent", {"autonomy_level": "full"}, "autonomy_level"),
    ("agent", {"prohibited_actions": []}, "prohibited_actions"),
    ("precalculated_scores", {"valid_until": "2026-06-01T00:00:00Z"}, "after computed_at"),
    ("precalculated_scores", {"computed_at": "2026-06-01T00:00:00"}, "computed_at"),
    ("machine_learning", {"depth": 3}, "depth"),
    ("ensemble", {"members": TWO[:1]}, "members"),
    ("ensemble", {"members": [TWO[0], TWO[0]]}, "a member once"),
    ("ensemble", {"members": TWO, "combiner": "weighted_mean"}, "weight for a@1, b@1"),
    ("ensemble", {"members": [{**TWO[0], "weight": 0}, TWO[1]]}, "weight"),
]


def test_every_kind_says_something_of_its_own() -> None:
    assert OF.keys() == set(AssetKind)
    assert all(OF[kind].model_fields["kind"].annotation for kind in OF)


@pytest.mark.parametrize("kind", AssetKind)
def test_the_example_of_a_kind_fits_it(kind: AssetKind) -> None:
    example = OF[kind].model_json_schema()["examples"][0]

    read = READ.validate_python(example)

    assert type(read) is OF[kind]
    assert all(field.description for name, field in OF[kind].model_fields.items() if name in (
        "algorithm", "assumptions", "conflict_resolution", "solver", "ontology", "escalation", "key"
    ))  # fmt: skip
    require_specifics(kind, read.model_dump(mode="json"))


@pytest.mark.parametrize(("kind", "wrong", "named"), WRONG)
def test_what_a_kind_does_not_allow_is_named(kind: str, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        READ.validate_python(specifics(kind, **wrong))

    assert named in str(refused.value)
    assert kind in str(refused.value)


def test_scores_expire_and_nothing_else_does() -> None:
    until = datetime(2026, 7, 1, tzinfo=UTC)
    said = {"kind": "precalculated_scores", "valid_until": until.isoformat()}

    assert [expired(said, until + timedelta(days=days)) for days in (-1, 0, 1)] == [
        False, True, True,
    ]  # fmt: skip
    assert not expired({"kind": "rule_set"}, until)
    assert not expired(None, until)


@pytest.mark.parametrize("kind", AssetKind)
def test_only_a_learnt_model_may_say_nothing(kind: AssetKind) -> None:
    if kind is AssetKind.MACHINE_LEARNING:
        require_specifics(kind, None)
        return
    with pytest.raises(WrongSpecifics) as refused:
        require_specifics(kind, None)

    assert refused.value.extra["asset_kind"] == kind
    assert refused.value.extra["fields"] == required_of(kind)
    assert refused.value.extra["fields"]
    assert all(field in refused.value.detail for field in (kind, *required_of(kind)))


@pytest.mark.parametrize("kind", PLAIN)
def test_a_version_of_each_kind_is_published_with_it(live: Live, kind: str) -> None:
    model = make_model(live, kind)

    made = publish(live, model, specifics=specifics(kind))

    read = live["aud"].get(f"/v1/models/{model}/versions/1")
    assert {name: read["specifics"][name] for name in SPECIFICS[kind]} == SPECIFICS[kind]
    assert read["content_digest"] == made["content_digest"]


def test_the_digest_covers_what_the_version_says_of_its_kind(live: Live) -> None:
    model = make_model(live, "rule_set")

    few = publish(live, model, specifics=specifics("rule_set"))
    many = publish(live, model, specifics=specifics("rule_set", rule_count=4))
    same = publish(live, model, specifics=specifics("rule_set"))

    assert few["content_digest"] == same["content_digest"] != many["content_digest"]


@pytest.mark.parametrize("sent", [None, specifics("optimiser")])
def test_a_rule_set_without_its_specifics_is_refused(live: Live, sent: Any) -> None:
    path = f"/v1/models/{make_model(live, 'rule_set')}/versions"

    answer = speaker(live, "dev").post(path, json=content(specifics=sent))

    refused = problem_of(answer, 422, "wrong_specifics")
    assert refused["asset_kind"] == "rule_set"
    assert refused["fields"] == ["language", "rule_count", "conflict_resolution"]
    assert "rule_set" in refused["detail"]
    assert live["dev"].get(path)["items"] == []


def test_a_missing_field_is_named_with_the_kind(live: Live) -> None:
    path = f"/v1/models/{make_model(live, 'rule_set')}/versions"
    sent = specifics("rule_set")
    del sent["language"]

    refused = problem_of(
        speaker(live, "dev").post(path, json=content(specifics=sent)), 422, "invalid"
    )

    assert [error["at"] for error in refused["errors"]] == ["body.specifics.rule_set.language"]


def test_scores_do_not_lie_where_a_source_may_not(live: Live) -> None:
    path = f"/v1/models/{make_model(live, 'precalculated_scores')}/versions"
    sent = specifics("precalculated_scores", location="file:///etc/passwd")

    answer = speaker(live, "dev").post(path, json=content(specifics=sent))

    problem_of(answer, 422, "bad_source")


def test_the_document_shows_the_shape_of_each_kind() -> None:
    shown = DOCUMENT["components"]["schemas"]["VersionIn"]["properties"]["specifics"]
    union = next(part for part in shown["anyOf"] if "oneOf" in part)

    assert union["discriminator"]["propertyName"] == "kind"
    assert set(union["discriminator"]["mapping"]) == set(AssetKind)
    whole = {**union, "components": DOCUMENT["components"]}
    for kind in PLAIN:
        jsonschema.validate(specifics(kind), whole)
