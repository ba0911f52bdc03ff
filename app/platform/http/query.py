"""Queries: what a route does not know is refused, not passed over.

Whoever asks how something stood at a date must not be told how it stands because he misspelled it.
"""

from collections.abc import Set as AbstractSet
from urllib.parse import parse_qsl

from app.kit.refusal import Invalid

_MOST_NAMED, _LONGEST_NAME = 10, 100


class UnknownParameter(Invalid):
    """The query holds a parameter that the call does not know."""

    code = "unknown_parameter"
    title = "Unknown query parameter"
    mend = "Leave out what `unknown` names, or spell it as one that `known` names."


def require_known(query: bytes, known: AbstractSet[str]) -> None:
    """Refuse a query that names anything but ``known`` parameters."""
    if not query:
        return
    names = {name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    unknown = [name[:_LONGEST_NAME] for name in sorted(names - known)[:_MOST_NAMED]]
    if unknown:
        here = f"it knows {', '.join(sorted(known))}" if known else "it knows none"
        raise UnknownParameter(
            f"This call does not know the parameter {', '.join(unknown)}; {here}.",
            unknown=unknown,
            known=sorted(known),
        )
