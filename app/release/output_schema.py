"""Does an answer have the shape that a contract promises? JSON Schema within a budget. Pure.

Whoever writes a schema could make looking at it endless: so every keyword that is looked at is
counted, and what it looks for in a text; nothing is fetched for a ``$ref``. What is not looked at
is said: see ``unchecked``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from app import catalog
from app.release.formats import CHECKED, conforms
from app.release.patterns import Pattern, Unread, pattern_of

MOST_PATTERNS = 64
"""Of one schema: a program takes up to some megabytes while it runs."""
_MOST_STEPS = 20_000
_MOST_ITEMS = 1000
_MOST_REASONS = 5
_MOST_UNCHECKED = 100

Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class _TooMuch(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Read:
    """The patterns of a schema that are run, and what is not looked at."""

    patterns: dict[str, Pattern]
    unchecked: list[str]


def unchecked(schema: Any) -> list[str]:
    """Return what of a schema is not held against a document, place by place, and why."""
    return _read_of(schema).unchecked[:_MOST_UNCHECKED]


def breaches(schema: Any, document: Any) -> list[str]:
    """Return how a document breaks a schema, place by place; at most a handful."""
    found: list[str] = []
    try:
        looking = _Looking(_read_of(schema).patterns)
        kind = extend(Draft202012Validator, looking.keywords())  # type: ignore[no-untyped-call]
        validator = kind(schema, registry=Registry())
        for error in validator.iter_errors(document):
            found.append(f"{error.json_path}: {error.message[:200]}")
            if len(found) == _MOST_REASONS:
                break
    except (_TooMuch, RecursionError):
        return ["the contract's output schema takes too long to check"]
    except (Unresolvable, UnknownType, SchemaError, TypeError, ValueError, AttributeError) as error:
        return [f"the contract's output schema is not usable ({type(error).__name__})"]
    return found


def _read_of(schema: Any) -> _Read:
    return _read(orjson.dumps(schema))


@lru_cache(maxsize=4)
def _read(raw: bytes) -> _Read:
    """Read a schema's patterns: once a run, though thousands of answers are held against it."""
    patterns: dict[str, Pattern] = {}
    left: list[str] = []
    for at, schema in catalog.places(orjson.loads(raw)):
        named = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        keyed = schema.get("patternProperties")
        for keyword, sources in (("pattern", named), ("patternProperties", keyed or ())):
            for source in sources:
                try:
                    if source not in patterns:
                        _require_few(patterns)
                        patterns[source] = pattern_of(source)
                except Unread as error:
                    left.append(f"{at}/{keyword}: {source[:80]!r} {error}")
        name = schema.get("format")
        if isinstance(name, str) and name not in CHECKED:
            left.append(f"{at}/format: {name[:80]!r} is not one that is checked")
        if "unevaluatedProperties" in schema:
            left.append(f"{at}/unevaluatedProperties")
        if "additionalProperties" in schema and any(one not in patterns for one in keyed or ()):
            left.append(f"{at}/additionalProperties: which they are is not known")
    return _Read(patterns, left)


def _require_few(patterns: dict[str, Pattern]) -> None:
    if len(patterns) >= MOST_PATTERNS:
        raise Unread(f"is one of more than {MOST_PATTERNS}")


class _Looking:
    """One look at a document, and what is left of its budget."""

    def __init__(self, patterns: dict[str, Pattern]) -> None:
        self._patterns = patterns
        self._left = _MOST_STEPS

    def keywords(self) -> dict[str, Keyword]:
        own: dict[str, Any] = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "format": self._format,
            "unevaluatedProperties": lambda *_: None,
        }
        theirs = Draft202012Validator.VALIDATORS
        bounded = {
            "additionalProperties": self._without_patterns(theirs["additionalProperties"]),
            "uniqueItems": self._of_few(theirs["uniqueItems"]),
        }
        return {name: self._counted(one) for name, one in {**theirs, **bounded, **own}.items()}

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooMuch

    def _counted(self, keyword: Keyword) -> Keyword:
        def look(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
            self._spend(1)
            return keyword(validator, value, instance, whole)

        return look

    def _found(self, pattern: Pattern, text: str) -> bool:
        self._spend(pattern.steps(text))
        return pattern.found_in(text)

    def _pattern(self, _: Any, value: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
        pattern = self._patterns.get(value)
        if pattern and isinstance(instance, str) and not self._found(pattern, instance):
            yield ValidationError(f"{instance!r} does not match {value!r}")

    def _pattern_properties(
        self, validator: Any, value: Any, instance: Any, _: Any
    ) -> Iterator[ValidationError]:
        if not isinstance(instance, dict):
            return
        for source, schema in value.items():
            pattern = self._patterns.get(source)
            if pattern is None:
                continue
            for name, item in instance.items():
                self._spend(1)
                if self._found(pattern, name):
                    yield from validator.descend(item, schema, path=name, schema_path=source)

    def _format(self, _: Any, value: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and value in CHECKED and not conforms(instance, value):
            yield ValidationError(f"{instance!r} is no {value}")

    def _without_patterns(self, keyword: Any) -> Keyword:
        def look(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
            sources = whole.get("patternProperties") if isinstance(whole, dict) else None
            if not sources or not isinstance(instance, dict):
                return keyword(validator, value, instance, whole)
            patterns = [self._patterns[one] for one in sources if one in self._patterns]
            if len(patterns) < len(sources):
                return None  # what a name must be like is not known, nor what is left over
            rest = {
                name: item
                for name, item in instance.items()
                if not any(self._found(one, name) for one in patterns)
            }
            plain = {key: one for key, one in whole.items() if key != "patternProperties"}
            return keyword(validator, value, rest, plain)

        return look

    @staticmethod
    def _of_few(keyword: Any) -> Keyword:
        def look(validator: Any, value: Any, instance: Any, whole: Any) -> Any:
            if isinstance(instance, list) and len(instance) > _MOST_ITEMS:
                raise _TooMuch
            return keyword(validator, value, instance, whole)

        return look
