"""A schema's patterns and formats are held against answers, in bounded time, or said not to be."""

import re
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.release.formats import CHECKED, conforms
from app.release.output_schema import MOST_PATTERNS, breaches, unchecked
from app.release.patterns import Unread, pattern_of

SIGNS = st.sampled_from(["a", "b", "0", "-", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", r"\s", "é"])
PATTERNS = st.recursive(
    SIGNS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{1,}", "*?"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
    ),
    max_leaves=6,
)
TEXTS = st.text(alphabet="ab0-. \u00a0é\nA", max_size=8)


def found(pattern: str, text: str) -> bool:
    return pattern_of(pattern).found_in(text)


@given(PATTERNS, TEXTS, st.booleans())
def test_a_pattern_finds_what_the_draft_says(pattern: str, text: str, whole: bool) -> None:  # noqa: FBT001
    asked = f"^{pattern}$" if whole else pattern

    assert found(asked, text) == jsonschema_rs.is_valid({"pattern": asked}, text)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^a$", "a", "a\n"),  # the end is the end, and not before a last line break
        (r"^.$", "\x85", "\u2028"),
        (r"^\s$", "\ufeff", "\x1c"),
        (r"^\d$", "7", "٣"),
        (r"^\S+@\S+$", "é@b", "a @b"),
        (r"\bé", "aé", "é"),  # a word is of ASCII
        (r"^[[a]$", "[", "b"),
        (r"^[\b]$", "\b", "b"),
        (r"^\u00e9\x41\u{1F600}$", "éA😀", "é"),
        (r"^\p{Lu}\p{Script=Greek}$", "Éα", "éα"),
        (r"^(?<year>[0-9]{4})\/$", "2026/", "26/"),
        (r"^[\w.-]+$", "a-b.c", "a b"),
        ("", "", None),
    ],
)  # fmt: skip
def test_what_ecma_means_by_a_sign(pattern: str, yes: str, no: str | None) -> None:
    assert found(pattern, yes)
    assert no is None or not found(pattern, no)


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", r"\k<a>", "(?i)a", "(?P<a>b)", r"\Aa", r"a\z", r"\Qa",
     r"\pL", "[]", "[^]", "a**", "a*+", "(", ")", "]", "}", "a{", "a{,2}", "[a", "\\", r"\cA",
     "(a{999}){999}", r"\ud83d", "[z-a]", "a" * 2001],
)  # fmt: skip
def test_what_is_not_run_is_said(pattern: str) -> None:
    with pytest.raises(Unread):
        pattern_of(pattern)

    (said,) = unchecked({"properties": {"a": {"pattern": pattern}}})
    assert said.startswith("#/properties/a/pattern: ")
    assert breaches({"pattern": pattern}, "anything") == []


@given(st.text(alphabet=r"ab^$.*+?()[]{}|\,:=!<>dswbBuxpLk019-", max_size=12))
def test_whatever_is_called_a_pattern_is_run_or_not(pattern: str) -> None:
    try:
        found(pattern, "ab0")
    except Unread:
        return
    # What is run is what others take for a pattern as well, or Python does.
    rewritten = pattern.replace("(?<", "(?P<")
    assert jsonschema_rs.meta.is_valid({"pattern": pattern}) or re.compile(rewritten)


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 900_000 + "!"),
        ({"items": {"pattern": "^(a|a)*$"}}, ["a" * 900 + "!"] * 1000),
        ({"pattern": "(?:a|b)*a(?:a|b){500}c"}, "ab" * 400_000),
        ({"allOf": [{"pattern": "(?:a|b)*a(?:a|b){500}c"}] * 60}, "ab" * 4000),
        ({"patternProperties": {"^(a+)+$": False}}, {"a" * 90_000 + "!" + str(n): 1
                                                     for n in range(9)}),
    ],
)  # fmt: skip
def test_no_pattern_takes_long(schema: Any, document: Any) -> None:
    began = time.process_time()
    breaches(schema, document)

    assert time.process_time() - began < 5


def test_what_breaks_a_pattern_or_format_is_named_by_its_place() -> None:
    schema = {
        "properties": {"id": {"pattern": "^[A-Z]{2}[0-9]+$"}, "at": {"format": "date-time"}},
        "patternProperties": {"^x_": {"type": "number"}},
        "additionalProperties": False,
    }

    assert unchecked(schema) == []
    assert breaches(schema, {"id": "AB12", "at": "2026-02-01T00:00:00Z", "x_1": 1}) == []
    assert breaches(schema, {"id": 12, "at": None}) == []  # of text only
    found = breaches(schema, {"id": "ab", "at": "2026-02-30T00:00:00Z", "x_1": "1", "y": 1})
    assert {one.split(":")[0] for one in found} == {"$.id", "$.at", "$.x_1", "$"}
    assert breaches({"pattern": "a"}, "\ud800a") != []  # half a pair is no text


def test_what_is_not_checked_is_said_place_by_place() -> None:
    schema = {
        "properties": {"host": {"format": "hostname"}, "at": {"format": "date"}},
        "patternProperties": {"(?=x)": {}, "^a": {"type": "number"}},
        "additionalProperties": False,
        "unevaluatedProperties": False,
    }

    assert [one.split(":")[0] for one in unchecked(schema)] == [
        "#/patternProperties", "#/unevaluatedProperties", "#/additionalProperties",
        "#/properties/host/format",
    ]  # fmt: skip
    assert breaches(schema, {"b": 1, "host": "-"}) == []
    assert breaches(schema, {"a": "x"}) == ["$.a: 'x' is not of type 'number'"]
    many = {"allOf": [{"pattern": f"a{n}"} for n in range(MOST_PATTERNS + 2)]}
    assert len(unchecked(many)) == 2
    assert unchecked(None) == unchecked({"properties": {"pattern": {"type": "string"}}}) == []
    assert unchecked({"examples": [{"pattern": "("}], "const": {"format": "x"}}) == []


@pytest.mark.parametrize(
    ("name", "yes", "no"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("date", "2024-02-29", "20240229"),
        ("time", "23:59:60Z", "22:59:60Z"),
        ("time", "00:59:60.5+01:00", "00:59:60-01:00"),
        ("time", "12:00:00z", "12:00:00"),
        ("date-time", "2026-02-01t10:00:00.123456789-05:30", "2026-02-01 10:00:00Z"),
        ("date-time", "2016-12-31T23:59:60Z", "2026-02-01T24:00:00Z"),
        ("date-time", "2026-02-01T10:00:00Z", "2026-02-01T10:00:00Z\n"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
        ("ipv6", "::1", "::1::"),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08aa9811eab4aa73b441d16380"),
    ],
)
def test_a_format_is_what_its_standard_says(name: str, yes: str, no: str) -> None:
    assert name in CHECKED
    assert conforms(yes, name)
    assert not conforms(no, name)
    for text in (yes, no):
        expected = jsonschema_rs.is_valid({"format": name}, text, validate_formats=True)
        assert conforms(text, name) is expected
