"""What Hypothesis draws in more than one folder: JSON as the server may meet it."""

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
EXACT_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def json_of(*scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return JSON values whose leaves are drawn from ``scalars``, null, booleans and text."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), TEXTS, *scalars),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=12,
    )


JSON = json_of(INTEGERS, FLOATS)
"""Every JSON value that 64-bit numbers can hold."""
