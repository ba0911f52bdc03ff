"""Conditions: JSONLogic over a context, compiled to a function. Pure.

The dialect is flagd's, so that a segment means the same at any flagd or OpenFeature edge. It is the
part of it that all implementations agree on and that decides: comparisons, ``and``, ``or``, ``!``,
``in``, beginnings and ends of strings, semantic versions. Sums, loops and clocks are refused when a
plan is written, and so is what nobody could evaluate.

Values are compared as JSONLogic does: ``===`` by type and value, ``==`` and the order after the
conversions of JavaScript (a missing value is 0 where a number is asked for). A list or an object of
the context equals nothing.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from semver import Version

Context = Mapping[str, Any]
Term = Callable[[Context], Any]

UNIT = "targetingKey"
"""How a condition calls the unit."""
_MOST_TERMS, _DEEPEST = 200, 20
_LONGEST_VERSION, _LONGEST_NUMBER, _LONGEST_LIST = 256, 64, 1_000
"""What a context brings is anything: beyond these it is no version, no number, not looked at."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PATH = re.compile(r"[^.$\x00][^.\x00]{0,127}(\.[^.\x00]{1,128}){0,7}")
_PARTIAL = re.compile(r"[vV]?(\d+)(\.\d+)?(\.\d+)?(.*)", re.DOTALL)


class BadConditionError(ValueError):
    """A condition that cannot be evaluated: what is wrong, and where."""


def compile_condition(logic: Any) -> Callable[[Context], bool]:
    """Return the function that says whether a context fulfils ``logic``."""
    if not isinstance(logic, dict):
        raise BadConditionError('when: is an operation, like {"==": [{"var": "region"}, "vic"]}.')
    term = _Compiler().term(logic, "when", 0)
    if not _OF_ANY_KIND & logic.keys():
        return term

    def holds(context: Context) -> bool:
        found = term(context)
        return found if found is True or found is False else truth(found)

    return holds


class _Compiler:
    def __init__(self) -> None:
        self._terms = 0

    def term(self, logic: Any, where: str, depth: int) -> Term:
        """Return the function of a term; errors name the place."""
        self._terms += 1
        if self._terms > _MOST_TERMS or depth > _DEEPEST:
            raise BadConditionError(
                f"{where}: a condition has at most {_MOST_TERMS} terms, {_DEEPEST} deep."
            )
        if isinstance(logic, list):
            items = [self.term(one, f"{where}[{n}]", depth + 1) for n, one in enumerate(logic)]
            if not any(isinstance(one, dict | list) for one in logic):
                return lambda _: logic
            return lambda context: [item(context) for item in items]
        if not isinstance(logic, dict):
            return lambda _: logic
        if len(logic) != 1:
            raise BadConditionError(f"{where}: an operation is an object with one key.")
        ((name, given),) = logic.items()
        where = f"{where}.{name}"
        arguments = given if isinstance(given, list) else [given]
        if name == "var":
            return self._var(arguments, where)
        if name not in _OPERATIONS:
            known = ", ".join(sorted((*_OPERATIONS, "var")))
            raise BadConditionError(f"{where}: no such operation; there are {known}.")
        make, least, most = _OPERATIONS[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise BadConditionError(f"{where}: takes {wanted} arguments, not {len(arguments)}.")
        order = arguments[1] if name == "sem_ver" else None
        if name == "sem_ver" and not (isinstance(order, str) and order in _VERSION_ORDERS):
            orders = " ".join(_VERSION_ORDERS)
            raise BadConditionError(f"{where}[1]: how versions are compared is one of {orders}")
        return make(
            *(self.term(one, f"{where}[{n}]", depth + 1) for n, one in enumerate(arguments))
        )

    def _var(self, arguments: list[Any], where: str) -> Term:
        path, *others = arguments or [None]
        if not isinstance(path, str) or not _PATH.fullmatch(path) or len(others) > 1:
            raise BadConditionError(
                f"{where}: names a value of the context, like customer.region; "
                "a value for where it is missing may follow."
            )
        default = others[0] if others else None
        if isinstance(default, dict | list):
            raise BadConditionError(f"{where}[1]: is a string, a number, a boolean or null.")
        first, *rest = path.split(".")

        def direct(context: Context) -> Any:
            found = context.get(first)
            return default if found is None else found

        def along(context: Context) -> Any:
            found = context.get(first)
            for name in rest:
                found = _step(found, name)
                if found is None:
                    return default
            return found

        return along if rest else direct


def _step(held: Any, name: str) -> Any:
    if isinstance(held, dict):
        return held.get(name)
    if isinstance(held, list | str):
        if name == "length":
            return len(held)
        if name.isascii() and name.isdecimal() and str(int(name)) == name and int(name) < len(held):
            return held[int(name)]
    return None


def truth(value: Any) -> bool:
    """Say whether JavaScript takes a value for true, but for lists: an empty one is false."""
    if value is True or value is False:
        return bool(value)
    if isinstance(value, float) and math.isnan(value):
        return False
    return True if isinstance(value, dict) else bool(value)


def _number(value: Any) -> float:
    """Return the number that JavaScript sees in a scalar."""
    if value is None:
        return 0
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return 0
        if len(text) > _LONGEST_NUMBER:
            return math.nan
        return float(text) if _NUMBER.fullmatch(text) else math.nan
    return math.nan


def _same(one: Any, other: Any) -> bool:
    """``===``: of one type and equal."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and not isinstance(one, dict | list) and bool(one == other)


def _alike(one: Any, other: Any) -> bool:
    """``==``: equal after conversion."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if isinstance(one, dict | list) or isinstance(other, dict | list):
        return False
    if one is None or other is None:
        return one is other
    return _number(one) == _number(other)


def _ordered(before: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(one: Any, other: Any) -> bool:
        first, second = type(one), type(other)
        if (first is int or first is float) and (second is int or second is float):
            return before(one, other)
        if first is str and second is str:
            return before(one, other)
        return before(_number(one), _number(other))

    return holds


def _equal(holds: Callable[[Any, Any], bool]) -> Callable[..., Term]:
    """Return the maker of an equality; two strings need no conversion."""

    def make(one: Term, other: Term) -> Term:
        def equal(context: Context) -> bool:
            first, second = one(context), other(context)
            if type(first) is str and type(second) is str:
                return first == second
            return holds(first, second)

        return equal

    return make


def _of_two(holds: Callable[[Any, Any], bool]) -> Callable[..., Term]:
    return lambda one, other: lambda context: holds(one(context), other(context))


def _in_order(before: Callable[[Any, Any], bool]) -> Callable[..., Term]:
    """Return the maker of an order over two terms, or over three: the middle one lies between."""
    holds = _ordered(before)

    def make(one: Term, other: Term, third: Term | None = None) -> Term:
        if third is None:
            return lambda context: holds(one(context), other(context))

        def between(context: Context) -> bool:
            middle = other(context)
            return holds(one(context), middle) and holds(middle, third(context))

        return between

    return make


def _every(*terms: Term) -> Term:
    if len(terms) == 2:  # noqa: PLR2004 - as most are
        one, other = terms

        def both(context: Context) -> Any:
            found = one(context)
            return other(context) if found is True or truth(found) else found

        return both

    def last(context: Context) -> Any:
        found: Any = None
        for term in terms:
            found = term(context)
            if found is not True and not truth(found):
                break
        return found

    return last


def _some(*terms: Term) -> Term:
    def first(context: Context) -> Any:
        found: Any = None
        for term in terms:
            found = term(context)
            if found is True or truth(found):
                break
        return found

    return first


def _within(needle: Any, held: Any) -> bool:
    if isinstance(held, list):
        if type(needle) is str:
            return needle in held
        return any(_same(needle, one) for one in held[:_LONGEST_LIST])
    return isinstance(held, str) and isinstance(needle, str) and needle in held


def _begins(text: Any, part: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.startswith(part)


def _ends(text: Any, part: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.endswith(part)


_VERSION_ORDERS: dict[str, Callable[[Version, Version], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "^": lambda one, other: one.major == other.major,
    "~": lambda one, other: (one.major, one.minor) == (other.major, other.minor),
}


def _versions(one: Term, order: Term, other: Term) -> Term:
    def holds(context: Context) -> bool:
        first, second = one(context), other(context)
        if type(first) is not str or type(second) is not str:
            return False
        return _compared(first, order(context), second)

    return holds


@lru_cache(maxsize=4096)
def _compared(one: str, order: str, other: str) -> bool:
    # Applications have few versions, and reading one costs more than all else of a condition.
    first, second = _version(one), _version(other)
    return first is not None and second is not None and _VERSION_ORDERS[order](first, second)


def _version(text: str) -> Version | None:
    """Return a semantic version; what is missing of 1 or 1.2 is 0."""
    found = _PARTIAL.fullmatch(text) if len(text) <= _LONGEST_VERSION else None
    if found is None:
        return None
    major, minor, patch, rest = found.groups()
    try:
        return Version.parse(f"{major}{minor or '.0'}{patch or '.0'}{rest}")
    except ValueError:
        return None


_OF_ANY_KIND = {"and", "or", "var"}
"""What these give is one of their terms; all else is true or false."""
_MANY = 50
_OPERATIONS: dict[str, tuple[Callable[..., Term], int, int]] = {
    "and": (_every, 1, _MANY),
    "or": (_some, 1, _MANY),
    "!": (lambda one: lambda context: not truth(one(context)), 1, 1),
    "!!": (lambda one: lambda context: truth(one(context)), 1, 1),
    "==": (_equal(_alike), 2, 2),
    "!=": (_of_two(lambda one, other: not _alike(one, other)), 2, 2),
    "===": (_equal(_same), 2, 2),
    "!==": (_of_two(lambda one, other: not _same(one, other)), 2, 2),
    "<": (_in_order(operator.lt), 2, 3),
    "<=": (_in_order(operator.le), 2, 3),
    ">": (_in_order(operator.gt), 2, 3),
    ">=": (_in_order(operator.ge), 2, 3),
    "in": (_of_two(_within), 2, 2),
    "starts_with": (_of_two(_begins), 2, 2),
    "ends_with": (_of_two(_ends), 2, 2),
    "sem_ver": (_versions, 3, 3),
}
