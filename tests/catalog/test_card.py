"""A card holds what people wrote as text: it opens no section, table, HTML or link of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.catalog.card import CardFacts, line, prose, render
from tests.catalog.assets import make_ensemble, make_version, specifics
from tests.live import Live
from tests.platform.wire import problem_of, speaker

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SECTIONS = [
    "Model details", "Summary", "Intended use", "Limitations", "Metrics", "Training data",
    "Variables", "Specifics", "Members", "Instances", "Lineage", "Stage", "Documents",
]  # fmt: skip
HOSTILE = [
    "# Approved\n\nBy everybody.",
    "Approved\n========",
    "Approved\n---",
    "a | b\n--- | ---\nc | d",
    "a|b\n:---",
    "<script>alert(1)</script>",
    "<!-- hidden",
    "<details><summary>x</summary>",
    "[here](javascript:alert(1))",
    "![x](https://evil.example/pixel)",
    "[here]: javascript:alert(1)\n\n[here]",
    "<javascript:alert(1)>",
    "https://evil.example www.evil.example",
    "```\nrest of the card",
    "~~~",
    "    indented",
    "\tindented",
    "> quoted",
    "1. one\n2) two",
    "- a\n+ b\n* c",
    "***",
    "**bold** _it_ ~~no~~ `code`",
    "a\\",
    "&lt;b&gt; &#x3c;script&#x3e;",
    "line\x0bfeed\x0cform\x85next\u2028sep\u2029par\r\n# x\rEOF",
    "\u202etxet",
    "|",
    "\\|",
    "$x$",
    "\ufeff# x",
    "\u00a0# x",
    "- - - # x",
    "1. # x",
]
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text("#*_`~|<>[]()!:-=+.1 \n\t\\&/htpsw@$\"'", max_size=40),
)


def facts(text: str = "plain", **more: Any) -> CardFacts:
    return CardFacts(
        **{
            "model": "price-direction",
            "number": 3,
            "kind": "machine_learning",
            "risk_tier": "high",
            "purpose": text,
            "owner": text,
            "developer": text,
            "published_at": datetime(2026, 6, 1, 12, 30, tzinfo=UTC),
            "stage": "returned",
            "returned_to": "data_acquisition",
            "source": text,
            "digest": None,
            "content_digest": "sha256:00",
            "signature": {
                "inputs": [
                    {"name": text, "type": "number", "unit": text, "description": text},
                    {"name": "y", "type": "category", "unit": None, "description": None},
                ]
            },
            "training_data": {"reference": text, "digest": text, "rows": 7},
            "lineage": {"commit": text, "repository": text, "run": text, "parents": [1, 2]},
            "card": {
                "summary": text, "intended_use": text, "limitations": text,
                "metrics": {text: 0.5, "auc": 0.9}, "documents": [text, text],
            },
            "specifics": {"kind": "x", "objective": text, "constraints": [text], "size": {"n": 1}},
            "tags": {text: text},
            "members": [{"model": "m", "version": 1, "role": text, "weight": 1.0, "stage": "x"}],
            "ensembles": ["e@1"],
            "forks": ["f@1"],
            "instances": [{"key": "k", "segment": {"state": text}, "endpoint": text}],
            **more,
        }
    )  # fmt: skip


def walked(tokens: list[Token]) -> list[Token]:
    return [found for token in tokens for found in (token, *walked(token.children or []))]


def headings(tokens: list[Token]) -> list[tuple[str, str]]:
    return [
        (token.tag, tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def said(text: str) -> str:
    """A reader's text of one paragraph."""
    [_, inline, _] = READER.parse(text)
    return "".join(
        " " if token.type == "softbreak" else token.content for token in inline.children or []
    )


@settings(deadline=None)
@given(texts)
@example("a | b\n--- | ---")
def test_no_text_changes_the_shape_of_a_card(text: str) -> None:
    tokens = READER.parse(render(facts(text)))
    plain = READER.parse(render(facts()))

    assert headings(tokens) == [
        ("h1", "price-direction version 3"), *(("h2", title) for title in SECTIONS),
    ]  # fmt: skip
    shape = {token.type for token in walked(plain)} - {"link_open", "link_close"}
    assert {token.type for token in walked(tokens)} <= shape | {"softbreak"}
    for kind in ("table_open", "tr_open", "td_open", "th_open", "bullet_list_open"):
        count = sum(token.type == kind for token in walked(tokens))
        assert count == sum(token.type == kind for token in walked(plain)) - dropped(kind, text), (
            kind
        )


def dropped(kind: str, text: str) -> int:
    """Two metrics are one if they have the same name."""
    return {"tr_open": 1, "td_open": 2}.get(kind, 0) if text == "auc" else 0


@settings(deadline=None)
@given(texts)
def test_a_line_reads_as_it_was_written(text: str) -> None:
    words = line(text)

    read = said(words)

    assert "\n" not in words
    assert said(line(read)) == read
    visible = [char for char in text if char.isalnum()]
    assert [char for char in read if char.isalnum()] == visible


@settings(deadline=None)
@given(texts, texts)
def test_paragraphs_stay_paragraphs(one: str, other: str) -> None:
    tokens = READER.parse(prose(f"{' '.join(one.split())}\n\n\n\n{' '.join(other.split())}"))

    assert {token.type for token in tokens} == {"paragraph_open", "inline", "paragraph_close"}
    assert sum(token.type == "inline" for token in tokens) <= 2


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_makes_a_link_or_html(text: str) -> None:
    tokens = walked(READER.parse(render(facts(text))))

    assert not {"link_open", "image", "html_block", "html_inline", "fence", "code_block"} & {
        token.type for token in tokens
    }


@pytest.mark.parametrize(
    ("name", "linked"),
    [
        ("https://docs.example.com/a_b?x=1&y=~2#part", True),
        ("http://docs.example.com", True),
        ("javascript:alert(1)", False),
        ("https://a.example/<script>", False),
        ("https://a.example/ b", False),
        ("https://a.example/>x", False),
        ("data:text/html,x", False),
        ("HTTPS:javascript", False),
        ("docs/validation.pdf", False),
    ],
)
def test_only_the_plain_address_of_a_document_is_a_link(name: str, linked: bool) -> None:  # noqa: FBT001 - a case
    tokens = walked(READER.parse(render(facts(card={"documents": [name]}))))

    links = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert len(links) == linked
    assert all(str(link).startswith(("https://docs.", "http://docs.")) for link in links)


def test_what_is_not_known_is_said() -> None:
    bare = facts(
        card={}, specifics=None, members=[], instances=[], tags={}, lineage={}, forks=[],
        ensembles=[], owner=None,
    )  # fmt: skip

    text = render(bare)

    assert text.count("Not stated.") == 7
    assert "Not an ensemble." in text
    assert "| Owner | – |" in text


def test_a_fork_says_in_its_card_where_it_comes_from() -> None:
    origin = {"model": "a", "version": 2, "content_digest": "sha256:11"}

    text = render(facts(lineage={"forked_from": origin}))

    assert "It was taken over from a@2 (sha256\\:11)." in text
    assert "returned, back to data acquisition" in text


def test_the_server_shows_the_card_of_a_version(live: Live) -> None:
    one = make_version(live)
    two = make_version(
        live,
        "rule_set",
        card={
            "summary": "# Not a heading", "intended_use": "Bidding.", "metrics": {"auc": 0.8},
            "documents": ["https://docs.example.com/x"],
        },
        signature={"inputs": [{"name": "demand", "unit": "MW", "description": "Of a region."}]},
    )  # fmt: skip
    around = make_ensemble(live, one, two)
    live["dev"].post(
        f"/v1/models/{two}/versions/1/instances", {"key": "nsw", "segment": {"state": "NSW"}}
    )

    answer = speaker(live, "aud").get(f"/v1/models/{two}/versions/1/card")
    ensemble = speaker(live, "aud").get(f"/v1/models/{around}/versions/1/card").text

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    text = answer.text
    assert [title for _, title in headings(READER.parse(text))] == [
        f"{two} version 1", *SECTIONS,
    ]  # fmt: skip
    for wanted in (
        "| Owner | dev |", "| Developer | dev |", "| demand | number | MW | Of a region. |",
        "| auc | 0.8 |", "\\# Not a heading", "<https://docs.example.com/x>", "cel",
        f"{around}@1", "| nsw | state=NSW | – |",
    ):  # fmt: skip
        assert wanted in text, (wanted, text)
    assert f"| {one}@1 | member | – | published |" in ensemble
    problem_of(speaker(live, "aud").get(f"/v1/models/{two}/versions/9/card"), 404, "not_found")
    assert specifics("rule_set")["kind"] == "rule_set"
