"""The log: every entry of a tenant at its index, and the hashes of the tree over them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.audit import merkle
from app.audit.tables import Leaf, Log, TreeNode

_HEIGHT = 8
BLOCK = 1 << _HEIGHT
"""Hashes of one level that make one of the next; only complete ones are stored."""


def leaf_of(hash_: bytes) -> bytes:
    """Return the leaf of an entry with this hash, which covers all before it in its stream."""
    return merkle.leaf_hash(hash_)


async def size_of(session: AsyncSession, tenant_id: UUID) -> int:
    """Return how many entries the log has."""
    return await session.scalar(select(Log.size).filter_by(tenant_id=tenant_id)) or 0


async def hashes(
    session: AsyncSession, tenant_id: UUID, spans: Sequence[merkle.Range]
) -> list[bytes]:
    """Return the hash over each range of leaves; every range must lie within the log.

    A level's hashes are read block by block, so that a proof costs a few queries a level, however
    long the log.
    """
    parts = [merkle.complete(span) for span in spans]
    wanted: dict[tuple[int, int], set[merkle.Node]] = defaultdict(set)
    for node in {node for part in parts for node in part}:
        level, low, _ = _place(node)
        wanted[level, low // BLOCK].add(node)
    found: dict[merkle.Node, bytes] = {}
    for (level, block), nodes in wanted.items():
        row = await level_hashes(session, tenant_id, level, block * BLOCK, (block + 1) * BLOCK)
        for node in nodes:
            _, low, high = _place(node)
            found[node] = merkle.root_of(row[low - block * BLOCK : high - block * BLOCK])
    return [merkle.fold([found[node] for node in part]) for part in parts]


async def root_at(session: AsyncSession, tenant_id: UUID, size: int) -> bytes:
    """Return the root over the log's first ``size`` entries."""
    return (await hashes(session, tenant_id, [(0, size)]))[0]


async def level_hashes(
    session: AsyncSession, tenant_id: UUID, level: int, low: int, high: int
) -> list[bytes]:
    """Return the hashes of one level, from ``low`` up to ``high``, as far as there are."""
    if level == 0:
        query = select(Leaf.hash).where(
            Leaf.tenant_id == tenant_id, Leaf.index >= low, Leaf.index < high
        )
        return list(await session.scalars(query.order_by(Leaf.index)))
    nodes = select(TreeNode.hash).where(
        TreeNode.tenant_id == tenant_id,
        TreeNode.level == level,
        TreeNode.index >= low,
        TreeNode.index < high,
    )
    return list(await session.scalars(nodes.order_by(TreeNode.index)))


def completed(row: Iterable[bytes]) -> list[bytes]:
    """Return the roots of the complete blocks at the beginning of a row of hashes."""
    hashes = list(row)
    return [
        merkle.root_of(hashes[low : low + BLOCK])
        for low in range(0, len(hashes) - BLOCK + 1, BLOCK)
    ]


def _place(node: merkle.Node) -> tuple[int, int, int]:
    """Return the stored level a node is made of, and from where to where on it."""
    height, index = node
    level, rest = divmod(height, _HEIGHT)
    return level, index << rest, (index + 1) << rest
