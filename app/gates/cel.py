"""Rules as CEL expressions: compiled, type-checked, run within a budget. Pure.

Only a typed boolean ``true`` passes; errors, missing evidence and runaway loops deny.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from app.gates.cost import BUDGET_NS, GENEROUS, Path, Size, at, cost, measure
from app.gates.syntax import Node, never_bool, tree, walk

_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_LIST = cel.Type.List(cel.Type.DYN)


class Language:
    """What expressions may speak of: maps by text, lists, and plain values, each by its name."""

    def __init__(
        self, *, maps: tuple[str, ...], lists: tuple[str, ...] = (), values: tuple[str, ...] = ()
    ) -> None:
        self.environment = cel.NewEnv(
            variables=dict.fromkeys(maps, _MAP)
            | dict.fromkeys(lists, _LIST)
            | dict.fromkeys(values, cel.Type.DYN)
        )


RULES = Language(maps=("case", "version", "point", "evidence"), lists=("approvals", "rejections"))
"""The language of policies."""
MAX_LENGTH = 4000
MAX_PATTERN = 200
_MOST_FAULTS = 10
_BUILDING = re.compile(r"\.\s*(?:map|filter)\s*\(")
_PLACE = re.compile(r"^(?:ERROR: )?<input>:(-?\d+):(-?\d+): (.*)$")
_DEEP = "nested too deeply"
_DEAR = "would take too long over facts of this size"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, and where; lines and columns begin at 1."""

    problem: str
    line: int = 1
    column: int = 1


class BadExpression(ValueError):
    """The text is not a CEL expression that answers yes or no."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.problem for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule said; ``error`` explains a refusal that is not a plain no."""

    passed: bool
    error: str | None = None


class Facts:
    """Facts that many rules look at: handed to the runtime once, measured at most once."""

    def __init__(self, found: dict[str, Any], language: Language = RULES) -> None:
        self._found = found
        self._sizes: dict[Path, Size] = {}
        self.language = language
        self.activation = language.environment.Activation(data=found)

    def size(self, path: Path) -> Size:
        """Return how large the facts are, or what of them lies at a path."""
        if path not in self._sizes:
            found = at(self._found, path)
            self._sizes[path] = measure(found[0] if len(found) == 1 else found)
        return self._sizes[path]


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression ready to run; ``cheap`` if no facts that we take could make it dear."""

    program: Any
    root: Node
    cheap: bool

    def affordable(self, facts: Facts) -> bool:
        """Say whether it surely ends within the budget over these facts."""
        return self.cheap or cost(self.root, facts.size) <= BUDGET_NS


@lru_cache(maxsize=4096)
def compiled(text: str, language: Language = RULES) -> Compiled:
    """Return the compiled expression; raise ``BadExpression``."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(Fault(f"longer than {MAX_LENGTH} characters"))
    if len(_BUILDING.findall(text)) > 1:
        # The runtime's budget counts steps, not the lists that nested macros build.
        raise BadExpression(Fault("uses map or filter more than once"))
    try:
        program = language.environment.compile(text)
    except RuntimeError as error:
        raise BadExpression(*_faults(str(error), text)) from error
    root = tree(program.serialize())
    kind = program.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise BadExpression(Fault(f"answers {kind.name()}, not bool"))
    if kind == cel.Type.DYN and never_bool(root):
        raise BadExpression(Fault("answers a value that is not bool"))
    _require_bounded_patterns(root)
    return Compiled(program, root, cheap=cost(root, lambda _: GENEROUS) <= BUDGET_NS)


def evaluate(text: str, facts: dict[str, Any] | Facts) -> Answer:
    """Run one expression over the facts."""
    known = facts if isinstance(facts, Facts) else Facts(facts)
    try:
        expression = compiled(text, known.language)
        if not expression.affordable(known):
            return Answer(passed=False, error=_DEAR)
        found = expression.program.eval(activation=known.activation)
    except BadExpression as error:
        return Answer(passed=False, error=str(error))
    except RuntimeError as error:
        return Answer(passed=False, error=_sentence(str(error)))
    if found.type() == cel.Type.ERROR:
        return Answer(passed=False, error=_sentence(str(found.value())))
    if found.type() != cel.Type.BOOL:
        return Answer(passed=False, error=f"answers {found.type().name()}, not bool")
    return Answer(passed=found.value() is True)


def _require_bounded_patterns(root: Node) -> None:
    """Refuse a regular expression whose cost cannot be known: one out of the evidence."""
    for node in walk(root):
        if node.kind == "call" and node.name == "matches":
            pattern = node.children[-1]
            if pattern.kind != "text":
                raise BadExpression(Fault("matches takes its pattern as a literal"))
            if len(pattern.name) > MAX_PATTERN:
                raise BadExpression(Fault(f"a pattern is longer than {MAX_PATTERN} characters"))


def _faults(message: str, text: str) -> list[Fault]:
    """Read the compiler's message: one fault for each place that it names."""
    found = []
    for line in message.splitlines():
        place = _PLACE.match(_uncoded(line))
        if place is None:
            continue
        problem = _DEEP if "recursion" in place[3] else place[3].partition(" [INVALID_")[0]
        found.append(Fault(problem, max(int(place[1]), 1), max(int(place[2]), 1)))
    if any(fault.problem == _DEEP for fault in found) or "recursion limit" in message:
        return [Fault(_DEEP)]
    if not found:
        return [Fault(_sentence(message))]
    lines = text.split("\n")
    return [_within(fault, lines) for fault in found[:_MOST_FAULTS]]


def _within(fault: Fault, lines: list[str]) -> Fault:
    """Keep a place inside the text; the end of a text is the place after its last character."""
    line = min(fault.line, len(lines))
    return Fault(fault.problem, line, min(fault.column, len(lines[line - 1]) + 1))


def _uncoded(line: str) -> str:
    for code in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "INTERNAL: ", "ERROR: "):
        line = line.removeprefix(code)
    return line


def _sentence(text: str) -> str:
    """Return the first line of the runtime's message, without its status code."""
    return _uncoded(text.splitlines()[0] if text else "error").partition(" [")[0]
