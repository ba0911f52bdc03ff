"""Words as the search sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog import lexemes
from app.catalog.lexemes import Asked, BadQuery


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("price-direction_v2", ["price", "direction", "v2"]),
        ("Straße ＡＢＣ", ["strasse", "abc"]),
        ("s3://data/Élec2.parquet", ["s3", "data", "élec2", "parquet"]),
        ("a\0b ' \\ & | ! :* <->", ["a", "b"]),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits_without_case(text: str, found: list[str]) -> None:
    assert list(lexemes.words(text)) == found


def test_a_star_means_the_beginning_of_a_word() -> None:
    assert lexemes.asked("price dir*") == [Asked("dir", prefix=True), Asked("price", prefix=False)]


@pytest.mark.parametrize("text", ["***", "&|!", "a*", " ".join(f"w{n}" for n in range(17))])
def test_what_cannot_be_looked_up_is_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        lexemes.asked(text)


def test_a_blank_query_asks_for_everything() -> None:
    assert lexemes.asked("  \t") == []


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        asked = lexemes.asked(text)
    except BadQuery:
        return
    for one in asked:
        assert list(lexemes.words(one.word)) == [one.word]


@given(st.text(max_size=200), st.text(max_size=20))
def test_folding_is_done_once(text: str, more: str) -> None:
    once = lexemes.folded(text + more)

    assert list(lexemes.words(once)) == list(lexemes.words(text + more))


def test_a_huge_text_is_cut_to_what_an_index_holds() -> None:
    tags = {f"key{n}": "word " * 200 + str(n) for n in range(20_000)}

    assert sum(len(one) for one in lexemes.state("published", tags)) < 600_000
