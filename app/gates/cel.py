"""Rules as CEL expressions: compiled, type-checked, run with the runtime's own budget. Pure.

Only a typed boolean ``true`` passes; errors, missing evidence and runaway loops deny.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_ENVIRONMENT = cel.NewEnv(
    variables={
        "case": _MAP,
        "version": _MAP,
        "point": _MAP,
        "evidence": _MAP,
        "approvals": cel.Type.List(cel.Type.DYN),
        "rejections": cel.Type.List(cel.Type.DYN),
    }
)
MAX_LENGTH = 4000
_BUILDING = re.compile(r"\.\s*(?:map|filter)\s*\(")


class BadExpression(ValueError):
    """The text is not a CEL expression that answers yes or no."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule said; ``error`` explains a refusal that is not a plain no."""

    passed: bool
    error: str | None = None


@lru_cache(maxsize=2048)
def compiled(text: str) -> Any:
    """Return the compiled expression; raise ``BadExpression``."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"longer than {MAX_LENGTH} characters")
    if len(_BUILDING.findall(text)) > 1:
        # The runtime's budget counts steps, not the lists that nested macros build.
        raise BadExpression("uses map or filter more than once")
    try:
        expression = _ENVIRONMENT.compile(text)
    except RuntimeError as error:
        raise BadExpression(_sentence(str(error))) from error
    kind = expression.return_type()
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise BadExpression(f"answers {kind.name()}, not bool")
    return expression


def evaluate(text: str, facts: dict[str, Any]) -> Answer:
    """Run one expression over the facts."""
    try:
        found = compiled(text).eval(data=facts)
    except BadExpression as error:
        return Answer(passed=False, error=str(error))
    except RuntimeError as error:
        return Answer(passed=False, error=_sentence(str(error)))
    if found.type() == cel.Type.ERROR:
        return Answer(passed=False, error=_sentence(str(found.value())))
    if found.type() != cel.Type.BOOL:
        return Answer(passed=False, error=f"answers {found.type().name()}, not bool")
    return Answer(passed=found.value() is True)


def _sentence(text: str) -> str:
    """Return the first line of the runtime's message, without its status code."""
    first = text.splitlines()[0] if text else "error"
    for code in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "INTERNAL: ", "ERROR: "):
        first = first.removeprefix(code)
    return first.partition(" [")[0]
