"""What a version says of itself beside its content, by the kind of its asset. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator

from app.catalog.rules import AssetKind, require_source
from app.kit.input import Input
from app.kit.names import MOST, NAME
from app.kit.refusal import Invalid

Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=5000)]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class MachineLearning(Input):
    """A model that was learnt from data."""

    model_config = _example(
        kind="machine_learning", algorithm="gradient boosting", framework="LightGBM 4.6"
    )

    kind: Literal["machine_learning"]
    algorithm: Line | None = Field(None, description="The family of models it belongs to.")
    framework: Line | None = Field(None, description="What trained it, with its release.")


class Mathematical(Input):
    """A model that somebody wrote down: a formula and what it assumes."""

    model_config = _example(
        kind="mathematical",
        equation="price = a + b * demand / capacity",
        assumptions=["Demand does not answer to the price within half an hour."],
    )

    kind: Literal["mathematical"]
    equation: Text | None = Field(None, description="Needed where there is no `reference`.")
    reference: Line | None = Field(None, description="Where the equation is published or derived.")
    assumptions: list[Line] = Field(
        min_length=1, max_length=100, description="What has to hold for it to be right."
    )

    @model_validator(mode="after")
    def _written_somewhere(self) -> "Mathematical":
        if self.equation is None and self.reference is None:
            raise ValueError("equation or reference is needed")
        return self


class RuleLanguage(StrEnum):
    """What rules are written in."""

    DMN = "dmn"
    DROOLS = "drools"
    CEL = "cel"
    SQL = "sql"
    OTHER = "other"


class ConflictResolution(StrEnum):
    """What is answered when several rules apply."""

    UNIQUE = "unique"
    """Never more than one applies."""
    FIRST = "first"
    PRIORITY = "priority"
    SPECIFICITY = "specificity"
    ANY = "any"
    """All that apply answer the same."""
    COLLECT = "collect"
    OTHER = "other"


class RuleSet(Input):
    """Rules that people wrote."""

    model_config = _example(
        kind="rule_set", language="dmn", rule_count=42, conflict_resolution="first"
    )

    kind: Literal["rule_set"]
    language: RuleLanguage
    rule_count: int = Field(ge=1, lt=MOST, description="Number of rules.")
    conflict_resolution: ConflictResolution = Field(
        description="Which answer counts when several rules apply; `unique` if never two do."
    )


class Optimiser(Input):
    """A programme that looks for the best of what is allowed."""

    model_config = _example(
        kind="optimiser",
        objective="Cost of dispatch over the next five minutes, in AUD.",
        direction="minimise",
        constraints=["Supply meets demand.", "No line above its rating."],
        solver="HiGHS 1.10",
    )

    kind: Literal["optimiser"]
    objective: Text = Field(description="What is made as small or as large as possible.")
    direction: Literal["minimise", "maximise"]
    constraints: list[Line] = Field(
        max_length=1000, description="What every answer keeps to; empty if there is nothing."
    )
    solver: Line = Field(description="What solves it, with its release.")


class GraphSize(Input):
    """How much a knowledge graph holds."""

    entities: int = Field(ge=0, lt=MOST)
    relations: int = Field(ge=0, lt=MOST)


class KnowledgeGraph(Input):
    """Entities and how they are related."""

    model_config = _example(
        kind="knowledge_graph",
        ontology="https://schema.example.com/grid/2.1",
        entity_types=["Generator", "Line", "Region"],
        relation_types=["feeds", "lies_in"],
        size={"entities": 1200, "relations": 5400},
    )

    kind: Literal["knowledge_graph"]
    ontology: Line = Field(description="The vocabulary it follows, with its release.")
    entity_types: list[Line] = Field(min_length=1, max_length=1000)
    relation_types: list[Line] = Field(min_length=1, max_length=1000)
    size: GraphSize


class Autonomy(StrEnum):
    """How far an agent goes without a person."""

    SUGGESTS = "suggests"
    ACTS_ON_APPROVAL = "acts_on_approval"
    ACTS_AND_REPORTS = "acts_and_reports"
    ACTS_ALONE = "acts_alone"


class Agent(Input):
    """A system that chooses its own next step."""

    model_config = _example(
        kind="agent",
        tools=["read_meter", "draft_bid"],
        base_model="example-llm-4 (2026-05)",
        autonomy_level="acts_on_approval",
        escalation="The trader on duty takes over within five minutes.",
        prohibited_actions=["Send a bid to the market."],
    )

    kind: Literal["agent"]
    tools: list[Line] = Field(
        max_length=500, description="Everything it can call; empty if it only answers."
    )
    base_model: Line = Field(description="The language model it stands on, with its release.")
    autonomy_level: Autonomy
    escalation: Text = Field(description="Who takes over, when, and how fast.")
    prohibited_actions: list[Line] = Field(
        min_length=1, max_length=500, description="What it must never do."
    )


def expires_at(specifics: dict[str, Any] | None) -> datetime | None:
    """Return from when on a version's scores are too old to be used, if it says so of itself."""
    until = (specifics or {}).get("valid_until")
    return None if until is None else datetime.fromisoformat(until)


def expired(specifics: dict[str, Any] | None, now: datetime) -> bool:
    """Say whether what a version says of itself is of scores that are too old to be used."""
    until = expires_at(specifics)
    return until is not None and until <= now


class PrecalculatedScores(Input):
    """Scores that were computed beforehand and are looked up."""

    model_config = _example(
        kind="precalculated_scores",
        computed_at="2026-06-01T02:00:00Z",
        valid_until="2026-07-01T00:00:00Z",
        population="Retail customers of New South Wales with a smart meter.",
        key="customer_id",
        location="s3://scores/churn/2026-06.parquet",
    )

    kind: Literal["precalculated_scores"]
    computed_at: AwareDatetime = Field(description="When the scores were computed.")
    valid_until: AwareDatetime = Field(description="From then on they are too old to be used.")
    population: Text = Field(description="Whom or what there are scores of.")
    key: Line = Field(description="What a score is looked up by.")
    location: str = Field(
        min_length=1, max_length=2000, description="URI of the scores; opaque, never opened here."
    )

    @model_validator(mode="after")
    def _valid_for_a_while(self) -> "PrecalculatedScores":
        if self.valid_until <= self.computed_at:
            raise ValueError("valid_until must be after computed_at")
        return self


class Combiner(StrEnum):
    """How an ensemble makes one answer of its members'."""

    MEAN = "mean"
    WEIGHTED_MEAN = "weighted_mean"
    MAJORITY = "majority"
    MAX = "max"
    STACKING = "stacking"
    OTHER = "other"


class MemberIn(Input):
    """A version that an ensemble asks."""

    model: str = Field(pattern=NAME)
    version: int = Field(ge=1, lt=MOST)
    role: str = Field(
        "member", min_length=1, max_length=64, description="Its part, such as `base` or `meta`."
    )
    weight: float | None = Field(
        None, gt=0, le=1e9, description="Its share, relative to the others'; for a weighted mean."
    )


class Ensemble(Input):
    """Several versions that answer as one."""

    model_config = _example(
        kind="ensemble",
        combiner="weighted_mean",
        members=[
            {"model": "price-direction", "version": 1, "role": "base", "weight": 2},
            {"model": "price-yesterday", "version": 1, "role": "base", "weight": 1},
        ],
    )

    kind: Literal["ensemble"]
    combiner: Combiner
    members: list[MemberIn] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _combinable(self) -> "Ensemble":
        named = [(member.model, member.version) for member in self.members]
        if len(set(named)) < len(named):
            raise ValueError("a version is a member once")
        light = [f"{m.model}@{m.version}" for m in self.members if m.weight is None]
        if self.combiner is Combiner.WEIGHTED_MEAN and light:
            raise ValueError(f"a weighted mean needs a weight for {', '.join(light)}")
        return self


_Specifics = (
    MachineLearning | Mathematical | RuleSet | Optimiser | KnowledgeGraph | Agent
    | PrecalculatedScores | Ensemble
)  # fmt: skip
Specifics = Annotated[_Specifics, Field(discriminator="kind")]
OF: dict[AssetKind, type[Input]] = {
    AssetKind.MACHINE_LEARNING: MachineLearning,
    AssetKind.MATHEMATICAL: Mathematical,
    AssetKind.RULE_SET: RuleSet,
    AssetKind.OPTIMISER: Optimiser,
    AssetKind.KNOWLEDGE_GRAPH: KnowledgeGraph,
    AssetKind.AGENT: Agent,
    AssetKind.PRECALCULATED: PrecalculatedScores,
    AssetKind.ENSEMBLE: Ensemble,
}
"""What a version of each kind says of itself."""
OPTIONAL = frozenset({AssetKind.MACHINE_LEARNING})
"""Kinds of which a version need not say anything."""


class WrongSpecifics(Invalid):
    """The version does not say what a version of its model's kind has to say."""

    code = "wrong_specifics"
    title = "Not what a version of this kind says of itself"
    mend = (
        "Send `specifics` of the model's kind, with the fields that `fields` names;"
        " /openapi.json shows each kind's under VersionIn."
    )


def required_of(kind: AssetKind) -> list[str]:
    """Return the fields that the specifics of a kind cannot do without."""
    fields = OF[kind].model_fields.items()
    return [name for name, field in fields if field.is_required() and name != "kind"]


def require_specifics(kind: AssetKind, specifics: dict[str, Any] | None) -> None:
    """Refuse a version whose specifics are missing or another kind's; their shape is checked."""
    if specifics is None:
        if kind in OPTIONAL:
            return
        problem = f"A version of kind {kind} needs specifics: {', '.join(required_of(kind))}."
    elif specifics["kind"] != kind:
        problem = f"The model is of kind {kind}, the specifics are of {specifics['kind']}."
    else:
        if "location" in specifics:
            require_source(specifics["location"])
        return
    errors = [
        {"at": f"body.specifics.{field}", "problem": f"needed of a version of kind {kind}"}
        for field in ("kind", *required_of(kind))
    ]
    raise WrongSpecifics(problem, asset_kind=kind, fields=required_of(kind), errors=errors)
