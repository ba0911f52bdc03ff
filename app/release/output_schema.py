"""Does an answer have the shape that a contract promises? JSON Schema within a budget. Pure.

Whoever writes a schema could make looking at it endless: so every keyword that is looked at is
counted, nothing is fetched for a ``$ref``, and regular expressions are not run at all.
"""

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

_MOST_STEPS = 20_000
_MOST_ITEMS = 1000
_MOST_REASONS = 5
_UNRUN = frozenset({"pattern", "patternProperties", "format"})

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class _TooMuch(Exception):
    pass


def breaches(schema: Any, document: Any) -> list[str]:
    """Return how a document breaks a schema, place by place; at most a handful."""
    left = _MOST_STEPS

    def counted(keyword: Keyword) -> Keyword:
        def look(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise _TooMuch
            return keyword(validator, value, instance, whole)

        return look

    keywords = {
        name: counted(_own(name, keyword))
        for name, keyword in Draft202012Validator.VALIDATORS.items()
    }
    kind = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    validator = kind(schema, registry=Registry())
    found: list[str] = []
    try:
        for error in validator.iter_errors(document):
            found.append(f"{error.json_path}: {error.message[:200]}")
            if len(found) == _MOST_REASONS:
                break
    except (_TooMuch, RecursionError):
        return ["the contract's output schema takes too long to check"]
    except (Unresolvable, UnknownType, SchemaError, TypeError, ValueError, AttributeError) as error:
        return [f"the contract's output schema is not usable ({type(error).__name__})"]
    return found


def _own(name: str, keyword: Keyword) -> Keyword:
    def unrun(*_: Any) -> None:
        return None

    def without_patterns(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
        # What a name must be like is not looked at, so what is left over is not known.
        if isinstance(whole, dict) and "patternProperties" in whole:
            return None
        return keyword(validator, value, instance, whole)

    def of_few(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
        if isinstance(instance, list) and len(instance) > _MOST_ITEMS:
            raise _TooMuch
        return keyword(validator, value, instance, whole)

    if name in _UNRUN or name == "unevaluatedProperties":
        return unrun
    if name == "additionalProperties":
        return without_patterns
    return of_few if name == "uniqueItems" else keyword
