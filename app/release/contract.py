"""Does a decision point supply what a version asks for, and take what it answers? Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.catalog import Contract, DataClass, Signature, Target, Variable, VariableType
from app.release.compatibility import Kind, Mismatch, step, unfit

UNSAID = frozenset({DataClass.PUBLIC, DataClass.INTERNAL})
"""What a version may receive that does not say what it may."""
_TYPES = {
    VariableType.NUMBER: {"type": "number"},
    # Events carry a category as text, as a number or as a truth value.
    VariableType.CATEGORY: {"type": ["string", "number", "boolean"]},
}
_ANSWERS: dict[Target, dict[str, Any]] = {
    Target.PROBABILITY: {"type": "number", "minimum": 0, "maximum": 1},
    Target.NUMBER: {"type": "number"},
}


def mismatches(contract: Contract, signature: Signature) -> list[dict[str, Any]]:
    """Return everything in which a version does not fit a decision point, by JSON path.

    ``side`` says which document the path is in: what the point sends (``input``), what the version
    answers (``output``), or what the two promise besides (``terms``).
    """
    found = [
        *(("input", one) for one in _inputs(contract, signature)),
        *(("input", one) for one in _classes(contract.data_classes, signature)),
        *(("output", one) for one in _outputs(contract, signature)),
        *(("terms", one) for one in _terms(contract, signature)),
    ]
    return [{"side": side, **one.shown()} for side, one in found]


def schema_of(inputs: Sequence[Variable], *, closed: bool) -> dict[str, Any]:
    """Return the schema that follows from variables: what is sent is ``closed``, what is taken not.

    A contract may supply more than is wanted; that something may be missing or null has to be said
    in a schema.
    """
    return {
        "type": "object",
        "properties": {one.name: _TYPES[one.type] for one in inputs},
        "required": [one.name for one in inputs],
        **({"additionalProperties": False} if closed else {}),
    }


def _inputs(contract: Contract, signature: Signature) -> list[Mismatch]:
    found = _variables(signature.inputs, contract.inputs)
    if contract.input_schema is None and signature.input_schema is None:
        return found  # the schemas would follow from just these variables
    sent = contract.input_schema or schema_of(contract.inputs, closed=True)
    taken = signature.input_schema or schema_of(signature.inputs, closed=False)
    told = {one.path for one in found}
    return [*found, *(one for one in unfit(sent, taken) if one.path not in told)]


def _variables(wanted: Sequence[Variable], supplied: Sequence[Variable]) -> list[Mismatch]:
    """Return every variable of the signature that the contract does not supply as asked."""
    offered = {variable.name: variable for variable in supplied}
    found = []
    for variable in wanted:
        path, given = step("$", variable.name), offered.get(variable.name)
        if given is None:
            found.append(Mismatch(path, "not supplied", variable.type, None, Kind.VARIABLE))
        elif given.type is not variable.type:
            problem = f"supplied as {given.type}, wanted as {variable.type}"
            found.append(Mismatch(path, problem, variable.type, given.type, Kind.VARIABLE))
        elif variable.unit and given.unit and given.unit != variable.unit:
            problem = f"supplied in {given.unit}, wanted in {variable.unit}"
            found.append(Mismatch(path, problem, variable.unit, given.unit, Kind.UNIT))
    return found


def _classes(classes: Mapping[str, DataClass], signature: Signature) -> list[Mismatch]:
    said = signature.data_classes_allowed
    allowed = UNSAID if said is None else frozenset(said)
    silent = (
        "the version does not say that it may receive" if said is None else "it may not receive"
    )
    return [
        Mismatch(path, f"{silent} {found} data", sorted(allowed), found, Kind.DATA_CLASS)
        for path, found in sorted(classes.items())
        if found not in allowed
    ]


def _outputs(contract: Contract, signature: Signature) -> list[Mismatch]:
    if contract.output_schema is None:
        return []
    return unfit(signature.output_schema or _ANSWERS[signature.output], contract.output_schema)


def _terms(contract: Contract, signature: Signature) -> list[Mismatch]:
    promised = signature.latency_ms
    if promised is None or promised <= contract.latency_ms:
        return []
    problem = "the version takes longer to answer than the point waits"
    return [Mismatch("$.latency_ms", problem, contract.latency_ms, promised, Kind.LATENCY)]
