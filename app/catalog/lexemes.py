"""What of a version can be searched for, as lexemes: pure.

A lexeme begins with its tenant's ward, so that one tenant's common word is no long list to another,
and with a letter for its sort. Words are compared without case and compatibility forms.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from app.kit.refusal import Invalid

_WORD = re.compile(r"[^\W_]+")
_ASKED = re.compile(r"([^\W_]+)(\*?)")
_LONGEST_WORD = 64
_MOST_BYTES = 300_000
"""Of one part of a version; the three of them must fit into a tsvector of 1 MiB."""
_MOST_WORDS = 16
_STEMS = (2, 3)
"""Beginnings that are lexemes of their own: looked up as what they begin, they are too many."""
_SHORTEST = _STEMS[0]
_DIGEST = 12

WORD, STEM = "w", "b"
KIND, TIER, STAGE, OWNER, TAG, TAGGED, MODEL = "k", "r", "s", "o", "t", "v", "m"


class BadQuery(Invalid):
    """The text asked for holds nothing that can be looked up."""

    code = "bad_query"
    title = "Nothing to search for"
    mend = "Ask for up to 16 words of letters and digits; end one with * to mean its beginning."


@dataclass(frozen=True, slots=True)
class Asked:
    """One word of a query."""

    word: str
    prefix: bool

    def fits(self, word: str) -> bool:
        """Say whether a word is the one asked for."""
        return word.startswith(self.word) if self.prefix else word == self.word


def ward(tenant_id: UUID) -> str:
    """Return what a tenant's lexemes begin with; two tenants may share it, so rows are checked."""
    return blake2b(tenant_id.bytes, digest_size=4).hexdigest()


def folded(text: str) -> str:
    """Return a text as it is compared."""
    return unicodedata.normalize("NFKC", text.casefold()).casefold()


def words(text: str) -> Iterator[str]:
    """Yield the words of a text, as they are compared."""
    for found in _WORD.findall(folded(text)):
        yield found[:_LONGEST_WORD]


def asked(text: str) -> list[Asked]:
    """Return the words of a query, each once; nothing for a blank one."""
    found = {Asked(word[:_LONGEST_WORD], bool(star)) for word, star in _ASKED.findall(folded(text))}
    if not found and text.strip():
        raise BadQuery("There is no word in the query.")
    if len(found) > _MOST_WORDS:
        raise BadQuery(f"The query has {len(found)} words; {_MOST_WORDS} are looked up at once.")
    for one in found:
        if one.prefix and len(one.word) < _SHORTEST:
            raise BadQuery(f"{one.word}* is too short: {_SHORTEST} characters begin a word.")
    return sorted(found, key=lambda one: (one.word, one.prefix))


def content(version: Mapping[str, Any]) -> list[str]:
    """Return the lexemes of what never changes of a version."""
    card, training = version["card"], version["training_data"]
    texts = [
        card.get("summary", ""), card.get("intended_use", ""), card.get("limitations", ""),
        *card.get("metrics", ()), *card.get("documents", ()), training.get("reference", ""),
        *(variable.get("name", "") for variable in version["signature"].get("inputs", ())),
        *made_from(version), *strings(version["specifics"]),
    ]  # fmt: skip
    return _bounded(_of_words(" ".join(texts)))


def made_from(version: Mapping[str, Any]) -> list[str]:
    """Return by which names others know what a version is made from: files, commits, runs."""
    lineage = version["lineage"] or {}
    names = (lineage.get(name) for name in ("repository", "commit", "run"))
    return [name for name in (version["source"], version["digest"], *names) if name]


def strings(value: Any) -> Iterator[str]:
    """Yield the texts in what a version of its kind says of itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for held in value.values():
            yield from strings(held)
    elif isinstance(value, list | tuple):
        for held in value:
            yield from strings(held)


@lru_cache(maxsize=2048)
def about(
    name: str, purpose: str, kind: str, tier: str, owner_id: UUID, tags: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """Return the lexemes of what a version has from its model."""
    held = dict(tags)
    filters = [MODEL + name, KIND + kind, TIER + tier, OWNER + owner_id.hex, *_of_tags(held)]
    texts = " ".join((name, purpose, *held, *held.values()))
    return tuple(_bounded([*filters, *_of_words(texts)]))


def state(stage: str, tags: Mapping[str, str]) -> list[str]:
    """Return the lexemes of what changes of a version: its stage and its tags."""
    texts = " ".join((*tags, *tags.values()))
    return _bounded([STAGE + stage, *_of_tags(tags), *_of_words(texts)])


def tag_lexeme(tag: str) -> str:
    """Return the lexeme of a tag asked for as ``key`` or ``key:value``."""
    key, colon, value = tag.partition(":")
    return TAGGED + _digest(key, value) if colon else TAG + _digest(key)


def term(one: Asked) -> str:
    """Return the lexeme of a word asked for, with ``:*`` where it is a beginning."""
    if one.prefix and len(one.word) in _STEMS:
        return STEM + one.word
    return WORD + one.word + (":*" if one.prefix else "")


def query(tenant_ward: str, terms: Iterable[str]) -> str:
    """Return a tsquery that asks for all of ``terms``."""
    return " & ".join(_quoted(tenant_ward, one) for one in terms)


def _quoted(tenant_ward: str, term_: str) -> str:
    star = ":*" if term_.endswith(":*") else ""
    text = term_.removesuffix(":*").replace("\\", "\\\\").replace("'", "''")
    return f"'{tenant_ward}{text}'{star}"


def _of_words(text: str) -> Iterator[str]:
    for word in dict.fromkeys(words(text)):
        yield WORD + word
        for length in _STEMS:
            if len(word) >= length:
                yield STEM + word[:length]


def _of_tags(tags: Mapping[str, str]) -> Iterator[str]:
    for key, value in tags.items():
        yield TAG + _digest(key)
        yield TAGGED + _digest(key, value)


def _digest(*parts: str) -> str:
    """Return what stands for text of any length and any letters."""
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(joined, digest_size=_DIGEST).hexdigest()


def _bounded(found: Iterable[str]) -> list[str]:
    kept, size = [], 0
    for lexeme in dict.fromkeys(found):
        size += len(lexeme.encode()) + 16
        if size > _MOST_BYTES:
            break
        kept.append(lexeme)
    return kept
