"""The Open Inference Protocol v2 over REST: named inputs to tensors, and back. Pure.

As KServe, Triton, MLServer and others speak it: ``POST /v2/models/{name}[/versions/{v}]/infer``.
"""

from collections.abc import Mapping
from math import prod
from typing import Any
from urllib.parse import quote

READY = "/v2/health/ready"
_FLOATS = frozenset({"FP16", "FP32", "FP64", "BF16"})
_WHOLE = frozenset({f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)})
DATATYPES = _FLOATS | _WHOLE | {"BOOL", "BYTES"}
_MOST_RANK = 8


class NotTensors(ValueError):
    """The answer is not what the protocol says an answer is."""


def model_path(name: str, version: str | None = None) -> str:
    """Return the path of a model, under which it is asked for readiness, metadata, inference."""
    path = f"/v2/models/{quote(name, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"


def inputs_of(metadata: Any) -> dict[str, dict[str, Any]]:
    """Return the tensors that a model's metadata names as its inputs."""
    named = metadata.get("inputs") if isinstance(metadata, dict) else None
    return {
        tensor["name"]: tensor
        for tensor in (named if isinstance(named, list) else [])
        if isinstance(tensor, dict) and isinstance(tensor.get("name"), str)
    }


def request(given: Any, known: Mapping[str, dict[str, Any]]) -> Any:
    """Return an inference request of named values; what is no object is sent as it is.

    Type and shape are the metadata's where it names the input, else the value's own.
    """
    if not isinstance(given, dict):
        return given
    return {"inputs": [_tensor(name, value, known.get(name, {})) for name, value in given.items()]}


def _tensor(name: str, value: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    flat, own = _flattened(value)
    datatype = known.get("datatype")
    if datatype not in DATATYPES:
        datatype = _datatype(flat)
    return {
        "name": name,
        "shape": _shape(known.get("shape"), len(flat)) or own,
        "datatype": datatype,
        "data": flat,
    }


def _flattened(value: Any) -> tuple[list[Any], list[int]]:
    """Return a value's elements and its shape, as far as its lists are even."""
    if not isinstance(value, list):
        return [value], [1]
    shape = [len(value)]
    flat = value
    while (
        flat
        and len(shape) < _MOST_RANK
        and all(isinstance(item, list) and len(item) == len(flat[0]) for item in flat)
    ):
        shape.append(len(flat[0]))
        flat = [inner for item in flat for inner in item]
    return flat, shape


def _shape(wanted: Any, size: int) -> list[int] | None:
    """Return the metadata's shape with its open dimensions filled, if the elements fit."""
    if not isinstance(wanted, list) or not all(type(item) is int for item in wanted):
        return None
    fixed = prod(item for item in wanted if item > 0)
    if fixed == 0 or size % fixed:
        return None
    left = size // fixed
    found = []
    for item in wanted:
        found.append(item if item > 0 else left)
        left = left if item > 0 else 1
    return found if prod(found) == size else None


def _datatype(flat: list[Any]) -> str:
    kinds = {type(item) for item in flat}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int}:
        return "INT64"
    return "FP64" if kinds and kinds <= {int, float} else "BYTES"


def outputs(answer: Any) -> dict[str, Any]:
    """Return the outputs of an inference response by name: a single element as itself."""
    named = answer.get("outputs") if isinstance(answer, dict) else None
    if not isinstance(named, list) or not named:
        raise NotTensors("the answer has no `outputs`")
    found: dict[str, Any] = {}
    for tensor in named:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise NotTensors("an output has no `name`")
        found[tensor["name"]] = _elements(tensor)
    return found


def _elements(tensor: Mapping[str, Any]) -> Any:
    name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
    if datatype not in DATATYPES:
        raise NotTensors(f"output {name}: {str(datatype)[:40]!r} is no datatype")
    if not isinstance(shape, list) or not all(type(item) is int and item >= 0 for item in shape):
        raise NotTensors(f"output {name}: its shape is no list of sizes")
    flat = tensor.get("data")
    if not isinstance(flat, list):
        raise NotTensors(f"output {name}: it has no `data`")
    while flat and all(isinstance(item, list) for item in flat):
        flat = [inner for item in flat for inner in item]
    if len(flat) != prod(shape):
        raise NotTensors(f"output {name}: {len(flat)} elements, its shape says {prod(shape)}")
    if not all(_fits(item, datatype) for item in flat):
        raise NotTensors(f"output {name}: not all of its elements are {datatype}")
    return flat[0] if len(flat) == 1 else flat


def _fits(item: Any, datatype: str) -> bool:
    if datatype == "BOOL":
        return isinstance(item, bool)
    if datatype == "BYTES":
        return isinstance(item, str)
    whole = isinstance(item, int) and not isinstance(item, bool)
    return whole or (datatype in _FLOATS and isinstance(item, float))
