"""What input should look like where no baseline says so: what the signature says of it. Pure.

Types, nulls and unreadable values are known of every variable, unknown values only where the
signature's schema lists the ones there are. Of how values are spread it says nothing.
"""

from typing import Any

from app import catalog
from app.catalog import Signature, Variable, VariableType
from app.telemetry import Binning, Bins, Layout, category

_MOST_REFERENCES = 32


def layout_of(signature: Signature) -> Layout:
    """Return bins for what a signature says: one for all numbers, one for each listed value."""
    return Layout(tuple(_bins(variable, signature) for variable in signature.inputs))


def _bins(variable: Variable, signature: Signature) -> Bins:
    listed = _listed(signature.input_schema or {}, variable.name)
    if variable.type is VariableType.CATEGORY:
        named = dict.fromkeys(category(value) for value in listed if value is not None)
        return Bins(variable.name, Binning.CATEGORIES, tuple(named))
    numbers = {float(value) for value in listed if type(value) in (int, float)}
    if numbers:
        return Bins(variable.name, Binning.EXACT, tuple(sorted(numbers)))
    return Bins(variable.name, Binning.QUANTILES, ())


def _listed(root: dict[str, Any], name: str) -> list[Any]:
    """Return the values that a schema lists for a variable, none where it lists none."""
    found: Any = root
    for key in ("properties", name):
        held = _followed(root, found)
        found = held.get(key, {}) if isinstance(held, dict) else {}
    found = _followed(root, found)
    if not isinstance(found, dict):
        return []
    return [found["const"]] if "const" in found else list(found.get("enum", ()))


def _followed(root: dict[str, Any], schema: Any) -> Any:
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, dict) or "$ref" not in schema:
            break
        schema = catalog.resolve(root, schema["$ref"])
    return schema
