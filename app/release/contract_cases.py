"""Contract cases: what an endpoint is asked, and what it has to answer. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.kit.input import Input
from app.kit.strictjson import MAX_DEPTH

MOST_CASES = 200
MOST_REQUESTS = 1000
MOST_AT_ONCE = 16
_POINTER = r"^(/([^/~]|~[01])*)*$"


class Tolerance(Input):
    """How far a number may be from the one expected: by either measure."""

    model_config = ConfigDict(frozen=True)

    absolute: float = Field(0.0, ge=0)
    relative: float = Field(0.0, ge=0, description="Of the expected number.")

    def around(self, expected: float) -> float:
        """Return how far from the expected number is near enough."""
        return max(self.absolute, self.relative * abs(expected))


_EXACTLY = Tolerance()


class Expectation(Input):
    """A value that must stand somewhere in the answer."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(
        "", max_length=500, pattern=_POINTER, description="RFC 6901; empty is the whole answer."
    )
    value: Any = Field(description="Numbers in it are compared within the tolerance.")


class ContractCase(Input):
    """One call, and what its answer must be."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "a calm morning",
                    "input": {"demand": 7100.5},
                    "expect": [{"pointer": "/score", "value": 0.31}],
                    "tolerance": {"absolute": 0.01},
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=100)
    input: Any = Field(
        description="The body to be sent; of the Open Inference Protocol its inputs by name."
    )
    expect: tuple[Expectation, ...] = Field((), max_length=50)
    tolerance: Tolerance = Tolerance()
    bad: bool = Field(
        False, description="Whether the input is one that must be refused with a 4xx."
    )

    @model_validator(mode="after")
    def _refused_or_answered(self) -> Self:
        if self.bad and self.expect:
            raise ValueError("a bad input is refused: it expects no value")
        return self


def require_cases(cases: tuple[ContractCase, ...]) -> tuple[ContractCase, ...]:
    """Refuse cases that cannot be told apart, or none that is to be answered."""
    names = [case.name for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two cases are called {twice[0]!r}")
    if not any(not case.bad for case in cases):
        raise ValueError("at least one case must be of an input that is answered")
    return cases


Cases = Annotated[
    tuple[ContractCase, ...],
    Field(min_length=1, max_length=MOST_CASES, description="Told apart by their names."),
]


class Load(Input):
    """How many calls are made after the cases, and how many of them at a time."""

    model_config = ConfigDict(frozen=True)

    requests: int = Field(100, ge=1, le=MOST_REQUESTS)
    concurrency: int = Field(4, ge=1, le=MOST_AT_ONCE)


def at(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) names; ``LookupError`` if there is nothing."""
    found = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and name.isascii():
            found = found[int(name)]
        else:
            raise KeyError(name)
    return found


def told_apart(cases: Iterable[ContractCase]) -> bool:
    """Say whether no one answer would be as all of them expect: else a constant passes.

    A tolerance in which everything lies expects nothing, and a place where always the same field
    of what was sent is to come back tells nothing of who answers.
    """
    seen: dict[str, list[tuple[Any, Tolerance]]] = {}
    echoed: dict[str, set[str]] = {}
    for case in cases:
        sent = dict(_leaves(case.input, ""))
        for expected in case.expect:
            for place, value in _leaves(expected.value, expected.pointer):
                alike = {
                    name for name, other in sent.items() if _both(value, _EXACTLY, other, _EXACTLY)
                }
                echoed[place] = echoed.get(place, alike) & alike
                seen.setdefault(place, []).append((value, case.tolerance))
    return any(
        not _both(*one, *other)
        for place, values in seen.items()
        if not echoed[place]
        for one, other in combinations(values, 2)
    )


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield what stands at each place of an expected value; of what holds others its shape."""
    children: Sequence[tuple[str, Any]] = ()
    if isinstance(value, dict):
        children = list(value.items())
        yield place, frozenset(value)
    elif isinstance(value, list):
        children = [(str(number), item) for number, item in enumerate(value)]
        yield place, (len(value),)
    else:
        yield place, value
    for name, child in children:
        part = name.replace("~", "~0").replace("/", "~1")
        yield from _leaves(child, f"{place}/{part}")


def differences(
    expected: Any, found: Any, tolerance: Tolerance, place: str = "", depth: int = 0
) -> list[str]:
    """Return where an answer is not as expected, numbers within their tolerance aside."""
    here = place or "the answer"
    if depth > MAX_DEPTH:
        return [f"{here}: nested too deeply to be compared"]
    pairs: list[tuple[str, Any, Any]] = []
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = [(name, expected[name], found[name]) for name in expected if name in found]
        lacking = [f"{place}/{name}: missing" for name in expected.keys() - found.keys()]
        strange = [f"{place}/{name}: not expected" for name in found.keys() - expected.keys()]
        wrong = [*sorted(lacking), *sorted(strange)]
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(str(n), *both) for n, both in enumerate(zip(expected, found, strict=True))]
        wrong = []
    else:
        same = _both(expected, tolerance, found, _EXACTLY)
        wrong = [] if same else [f"{here}: {_short(found)}, expected {_short(expected)}"]
    return [
        reason
        for name, one, other in pairs
        for reason in differences(one, other, tolerance, f"{place}/{name}", depth + 1)
    ] + wrong


def _both(one: Any, near_one: Tolerance, other: Any, near_other: Tolerance) -> bool:
    """Say whether some answer is as both expect: exactly, numbers within their tolerances aside."""
    if _is_number(one) and _is_number(other):
        try:
            return bool(abs(one - other) <= near_one.around(one) + near_other.around(other))
        except OverflowError:  # whole numbers of hundreds of digits are beyond any other
            return bool(one == other)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any, most: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"
