"""The model card of a version, as Markdown. Pure.

What people wrote stands in it as text and nothing else: it opens no section, no table, no HTML and
no link. Only what is plainly the address of a document becomes a link.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_MARKS = re.compile(r"[\\`*_\[\]<>|~&#${}]")
_ADDRESS = re.compile(r":(?=\S)")
_WWW = re.compile(r"(?<=www)\.", re.IGNORECASE)
_FIRST = re.compile(r"^(?:(\d{1,9})([.)])(?=\s|$)|(\+(?=\s|$)|-(?=[\s:-]|$)|[=:]))")
_LINK = re.compile(r"https?://[A-Za-z0-9][!#-;=?-\[\]_a-z~]*")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""Characters that turn the direction of the text after them."""
_NOTHING = "Not stated."
_DASH = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the catalog knows of a version, with people by name."""

    model: str
    number: int
    kind: str
    risk_tier: str
    purpose: str
    owner: str | None
    developer: str | None
    published_at: datetime
    stage: str
    returned_to: str | None
    source: str
    digest: str | None
    content_digest: str
    signature: dict[str, Any]
    training_data: dict[str, Any]
    lineage: dict[str, Any]
    card: dict[str, Any]
    specifics: dict[str, Any] | None
    tags: dict[str, str]
    members: list[dict[str, Any]] = field(default_factory=list)
    ensembles: list[str] = field(default_factory=list)
    forks: list[str] = field(default_factory=list)
    instances: list[dict[str, Any]] = field(default_factory=list)


def render(facts: CardFacts) -> str:
    """Return a version's card, section by section."""
    card = facts.card
    sections = [
        ("Model details", _details(facts)),
        ("Summary", prose(card.get("summary"))),
        ("Intended use", prose(card.get("intended_use"))),
        ("Limitations", prose(card.get("limitations"))),
        ("Metrics", _table(("Metric", "Value"), sorted(card.get("metrics", {}).items()))),
        ("Training data", _training(facts.training_data)),
        ("Variables", _variables(facts.signature)),
        ("Specifics", _specifics(facts.specifics)),
        ("Members", _members(facts.members)),
        ("Instances", _instances(facts.instances)),
        ("Lineage", _lineage(facts)),
        ("Stage", _stage(facts)),
        ("Documents", _list(_document(one) for one in card.get("documents", ()))),
    ]
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections)
    return f"# {line(facts.model)} version {facts.number}\n{body}"


def line(value: object) -> str:
    """Return a value as text on one line that means nothing to Markdown; a dash for none."""
    return _plain(value) or _DASH


def _plain(value: object) -> str:
    words = " ".join("".join(map(_visible, str(value))).split())
    text = _MARKS.sub(r"\\\g<0>", words)
    text = _WWW.sub(r"\\.", _ADDRESS.sub(r"\\:", text))
    return _FIRST.sub(_escaped_first, text)


def _escaped_first(found: re.Match[str]) -> str:
    number, after, mark = found.groups()
    return f"\\{mark}" if mark else f"{number}\\{after}"


def _visible(char: str) -> str:
    return " " if char in _TURNING or unicodedata.category(char) in {"Cc", "Cs"} else char


def prose(value: str | None) -> str:
    """Return text with its paragraphs and lines, none of which means anything to Markdown."""
    lines = [_plain(part) for part in (value or "").splitlines()]
    paragraphs = "\n".join(lines).strip("\n")
    return re.sub(r"\n{3,}", "\n\n", paragraphs) or _NOTHING


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    written = [
        "| " + " | ".join(line("" if cell is None else cell) for cell in row) + " |" for row in rows
    ]
    if not written:
        return _NOTHING
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *written])


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items) or _NOTHING


def _named(pairs: Iterable[tuple[str, object]]) -> str:
    return _list(f"**{name}:** {line(value)}" for name, value in pairs if value not in (None, ""))


def _when(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M UTC")


def _details(facts: CardFacts) -> str:
    tags = ", ".join(f"{key}={value}" for key, value in sorted(facts.tags.items()))
    return _table(
        ("Detail", "Value"),
        [
            ("Model", facts.model),
            ("Version", facts.number),
            ("Kind", _words(facts.kind)),
            ("Risk tier", facts.risk_tier),
            ("Purpose", facts.purpose),
            ("Owner", facts.owner),
            ("Developer", facts.developer),
            ("Published", _when(facts.published_at)),
            ("Stage", facts.stage),
            ("Source", facts.source),
            ("Source digest", facts.digest),
            ("Content digest", facts.content_digest),
            ("Tags", tags),
        ],
    )


def _training(data: dict[str, Any]) -> str:
    names = ("Reference", "Digest", "Rows", "Since", "Until")
    return _named((name, data.get(name.lower())) for name in names)


def _variables(signature: dict[str, Any]) -> str:
    rows = [
        [variable.get(name) for name in ("name", "type", "unit", "description")]
        for variable in signature["inputs"]
    ]
    table = _table(("Variable", "Type", "Unit", "Description"), rows)
    return f"{table}\n\nAnswers with a {line(signature.get('output', 'probability'))}."


def _specifics(specifics: dict[str, Any] | None) -> str:
    found = []
    for name, value in (specifics or {}).items():
        title = _words(name).capitalize()
        if name == "members" or value is None:
            continue
        if isinstance(value, list):
            inner = "".join(f"\n  - {line(item)}" for item in value)
            found.append(f"**{title}:**{inner or ' none'}")
        elif isinstance(value, dict):
            said = ", ".join(f"{_words(part)} {one}" for part, one in value.items())
            found.append(f"**{title}:** {line(said)}")
        else:
            found.append(f"**{title}:** {line(value)}")
    return _list(found)


def _members(members: list[dict[str, Any]]) -> str:
    if not members:
        return "Not an ensemble."
    rows = [
        (f"{one['model']}@{one['version']}", one["role"], one["weight"], one["stage"])
        for one in members
    ]
    return _table(("Member", "Role", "Weight", "Stage"), rows)


def _instances(instances: list[dict[str, Any]]) -> str:
    rows = [(one["key"], _pairs(one["segment"]), one["endpoint"]) for one in instances]
    return _table(("Instance", "Segment", "Endpoint"), rows) if rows else "None."


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(values.items()))


def _lineage(facts: CardFacts) -> str:
    lineage = facts.lineage
    parents = ", ".join(f"{facts.model}@{parent}" for parent in lineage.get("parents", ()))
    return _named(
        [
            ("Commit", lineage.get("commit")),
            ("Repository", lineage.get("repository")),
            ("Run", lineage.get("run")),
            ("Parents", parents),
            ("Forked from", _origin(lineage)),
            ("Forked into", ", ".join(facts.forks)),
            ("Inside of", ", ".join(facts.ensembles)),
        ]
    )


def _origin(lineage: dict[str, Any]) -> str | None:
    origin = lineage.get("forked_from")
    if origin is None:
        return None
    return f"{origin['model']}@{origin['version']} ({origin['content_digest']})"


def _stage(facts: CardFacts) -> str:
    back = f", back to {_words(facts.returned_to)}" if facts.returned_to else ""
    origin = _origin(facts.lineage)
    came = f" It was taken over from {line(origin)}." if origin else ""
    return f"The version is {line(facts.stage)}{line(back)}.{came}"


def _document(name: str) -> str:
    return f"<{name}>" if _LINK.fullmatch(name) else line(name)


def _words(name: str) -> str:
    return name.replace("_", " ")
