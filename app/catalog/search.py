"""Search over versions: by words, beginnings of words and filters, newest first.

Every version has a row with its lexemes in one inverted index. A common word is in a hundred
thousand of them, so nothing ever reads all that match. The newest versions are looked at
themselves: a page of what is everywhere. Then a sample over all says where to ask the index: in
windows of consecutive versions from the newest back, or, if few match, for all of them at once.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import identity
from app.catalog import lexemes
from app.catalog.rules import AssetKind, RiskTier, Stage
from app.catalog.service import model_of
from app.kit.actor import Actor
from app.kit.page import Rows, decode, encode

_BIGINT = 2**63 - 1
_HITS = """
SELECT f.ordinal, v.id AS version_id, m.name AS model, v.number, v.stage, v.returned_to, m.kind,
    m.risk_tier, m.owner_id, m.purpose, m.tags AS model_tags, v.tags, v.card,
    v.training_data, v.signature, v.source, v.digest, v.lineage, v.specifics, v.created_at
FROM {found} AS f
CROSS JOIN LATERAL (
    SELECT * FROM catalog_version WHERE tenant_id = :tenant AND id = f.version_id LIMIT 1
) AS v
CROSS JOIN LATERAL (
    SELECT * FROM catalog_model WHERE tenant_id = :tenant AND id = v.model_id LIMIT 1
) AS m
ORDER BY f.ordinal DESC
"""
# A page is looked up row by row, whatever the statistics say: after many versions at once they are
# of a table that was small, and a join by them reads all of it.
_FIND = text(
    _HITS.format(
        found="""catalog_search_find(CAST(:terms AS tsquery), :ward, LEAST(:below, 1 + (
        SELECT max(s.ordinal) FROM catalog_search s WHERE s.tenant_id = :tenant)), (
        SELECT min(s.ordinal) FROM catalog_search s WHERE s.tenant_id = :tenant), :most)"""
    )
)
_NEWEST = text(
    _HITS.format(
        found="""(SELECT version_id, ordinal FROM catalog_search
        WHERE tenant_id = :tenant AND ordinal < :below ORDER BY ordinal DESC LIMIT :most)"""
    )
)


async def search(
    session: AsyncSession,
    *,
    q: str | None,
    kind: AssetKind | None,
    risk_tier: RiskTier | None,
    stage: Stage | None,
    owner: str | None,
    tag: str | None,
    model: str | None,
    cursor: str | None,
    limit: int,
    by: Actor,
) -> Rows[dict[str, Any]]:
    """Return versions that hold every word of ``q`` and fit every filter, newest first."""
    words = lexemes.asked(q or "")
    terms = [lexemes.term(one) for one in words]
    if model is not None:
        await model_of(session, model, by=by)  # a name that is misspelled is not one without hits
    filters = {
        lexemes.KIND: kind, lexemes.TIER: risk_tier, lexemes.STAGE: stage, lexemes.MODEL: model,
    }  # fmt: skip
    terms += [sort + value for sort, value in filters.items() if value is not None]
    if owner is not None:
        terms.append(lexemes.OWNER + (await _owner(session, owner, by)).hex)
    if tag is not None:
        terms.append(lexemes.tag_lexeme(tag))
    below = _BIGINT
    if cursor is not None:
        (below,) = decode(cursor, _ordinal)
    values: dict[str, Any] = {"tenant": by.tenant_id, "below": below, "most": limit + 1}
    if terms:
        ward = lexemes.ward(by.tenant_id)
        values |= {"terms": lexemes.query(ward, terms), "ward": ward}
    rows = (await session.execute(_FIND if terms else _NEWEST, values)).mappings().all()
    hits = [_hit(row, words) for row in rows[:limit]]
    more = len(rows) > limit
    return Rows(hits, encode([rows[limit - 1]["ordinal"]]) if more else None)


async def _owner(session: AsyncSession, name: str, by: Actor) -> UUID:
    """Return who answers for what is owned by ``name``."""
    return (await identity.principal_by_name(session, by.tenant_id, name)).person_id


def _ordinal(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _BIGINT:
        raise ValueError
    return value


def _hit(row: Any, words: list[lexemes.Asked]) -> dict[str, Any]:
    card = row["card"]
    return {
        **row,
        "summary": card.get("summary", ""),
        "training_data": row["training_data"].get("reference", ""),
        "matched": [name for name, held in _fields(row) if _holds(held, words)] if words else [],
    }


def _fields(row: Any) -> list[tuple[str, str]]:
    """Return the text of each field that words are looked for in."""
    card = row["card"]
    return [
        ("model", row["model"]),
        ("purpose", row["purpose"]),
        ("model_tags", _joined(row["model_tags"])),
        ("tags", _joined(row["tags"])),
        ("card.summary", card.get("summary", "")),
        ("card.intended_use", card.get("intended_use", "")),
        ("card.limitations", card.get("limitations", "")),
        ("card.metrics", " ".join(card.get("metrics", ()))),
        ("card.documents", " ".join(card.get("documents", ()))),
        ("training_data", row["training_data"].get("reference", "")),
        ("signature", " ".join(one["name"] for one in row["signature"].get("inputs", ()))),
        ("made_from", " ".join(lexemes.made_from(row))),
        ("specifics", " ".join(lexemes.strings(row["specifics"]))),
    ]


def _joined(tags: dict[str, str]) -> str:
    return " ".join((*tags, *tags.values()))


def _holds(held: str, words: list[lexemes.Asked]) -> bool:
    found = lexemes.folded(held)
    return any(one.word in found for one in words) and any(
        one.fits(word) for word in lexemes.words(held) for one in words
    )
