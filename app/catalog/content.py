"""A version's content: what its digest covers, and how complete it is. Pure."""

from typing import Any, Protocol, TypedDict
from uuid import UUID

from app.catalog.rules import AssetKind
from app.catalog.signature import VariableType
from app.catalog.specifics import OPTIONAL, required_of
from app.kit.canonical import digest as digest_of

_PARTS = ("source", "digest", "signature", "training_data", "lineage", "card")


class _Model(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> AssetKind: ...


class _Version(Protocol):
    @property
    def model_id(self) -> UUID: ...
    @property
    def digest(self) -> str | None: ...
    @property
    def signature(self) -> dict[str, Any]: ...
    @property
    def training_data(self) -> dict[str, Any]: ...
    @property
    def lineage(self) -> dict[str, Any]: ...
    @property
    def card(self) -> dict[str, Any]: ...
    @property
    def specifics(self) -> dict[str, Any] | None: ...
    @property
    def content_digest(self) -> str: ...


class Gap(TypedDict):
    """Something that the catalog does not know of a version, and what supplies it."""

    field: str
    problem: str
    mend: str


def content_of(version: _Version) -> dict[str, Any]:
    """Return all of a version that cannot change, as it was published."""
    content = {name: getattr(version, name) for name in _PARTS}
    if version.specifics is not None:
        content["specifics"] = version.specifics
    return content


def digest_over(model_id: UUID, content: dict[str, Any]) -> str:
    """Return the digest of what a version of a model says of itself."""
    return digest_of({"model": model_id, **content})


def completeness(version: _Version, model: _Model) -> list[Gap]:
    """Return what a catalogued, documented version still lacks; nothing if it is complete."""
    found = [*_card(version), *_variables(version), *_origin(version)]
    if version.specifics is None:
        # Of a kind that may say nothing at all, it is only missed where one looks for it.
        wanted = ["algorithm", "framework"] if model.kind in OPTIONAL else required_of(model.kind)
        found.append(("specifics", f"nothing is said of {', '.join(wanted)}"))
    else:
        found += [
            (f"specifics.{name}", "not said")
            for name, value in version.specifics.items()
            if value is None and not (name in _EITHER and _said_otherwise(version.specifics))
        ]
    call = f"POST /v1/models/{model.name}/versions"
    gaps = [
        Gap(field=field, problem=problem, mend=f"{call} publishes the next version with {field}.")
        for field, problem in found
    ]
    if digest_over(version.model_id, content_of(version)) != version.content_digest:
        mend = "POST /v1/audit:verify names what was edited beside the server."
        problem = "the content is not what the digest was made of"
        gaps.append(Gap(field="content_digest", problem=problem, mend=mend))
    return gaps


_EITHER = frozenset({"equation", "reference"})


def _said_otherwise(specifics: dict[str, Any]) -> bool:
    return any(specifics.get(name) is not None for name in _EITHER)


def _card(version: _Version) -> list[tuple[str, str]]:
    card = version.card
    found = [
        (f"card.{name}", "blank")
        for name in ("summary", "intended_use", "limitations")
        if not str(card.get(name) or "").strip()
    ]
    return found + [
        (f"card.{name}", "none named") for name in ("metrics", "documents") if not card.get(name)
    ]


def _variables(version: _Version) -> list[tuple[str, str]]:
    found = []
    for variable in version.signature["inputs"]:
        at = f"signature.inputs.{variable['name']}"
        if not (variable.get("description") or "").strip():
            found.append((f"{at}.description", "not described"))
        number = variable.get("type", VariableType.NUMBER) == VariableType.NUMBER
        if number and not (variable.get("unit") or "").strip():
            found.append((f"{at}.unit", "a number without a unit"))
    return found


def _origin(version: _Version) -> list[tuple[str, str]]:
    found = [
        (f"training_data.{name}", "not known")
        for name in ("digest", "rows")
        if version.training_data.get(name) is None
    ]
    found += [
        (f"lineage.{name}", "not known")
        for name in ("commit", "repository")
        if not version.lineage.get(name)
    ]
    if version.digest is None:
        found.append(("digest", "nothing pins what the source holds"))
    return found
