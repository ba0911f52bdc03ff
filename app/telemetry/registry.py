"""What does not change, or seldom, in memory.

Layouts and inputs of versions never change, layouts once a baseline exists; the features by which
points tell their traffic apart are asked for anew every few seconds.
"""

import time
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog
from app.telemetry.layout import BARE, Layout
from app.telemetry.tables import Baseline

_BARE_SECONDS = 5.0
_POINT_SECONDS = 5.0
_MAX = 10_000


class Layouts:
    """Each version's layout with the names of its input variables."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[Layout, list[str]]] = {}
        self._bare_until: dict[UUID, float] = {}
        self._inputs: dict[UUID, frozenset[str] | None] = {}

    async def of(
        self, session: AsyncSession, tenant_id: UUID, version_id: UUID
    ) -> tuple[Layout, list[str]]:
        """Return a version's layout; one without a baseline profiles its score alone."""
        known = self._known.get(version_id)
        if known is not None:
            return known
        if time.monotonic() < self._bare_until.get(version_id, 0.0):
            return BARE, []
        dumped = await session.scalar(
            select(Baseline.layout).filter_by(tenant_id=tenant_id, version_id=version_id)
        )
        if len(self._known) + len(self._bare_until) >= _MAX:
            self._known.clear()
            self._bare_until.clear()
        if dumped is None:
            self._bare_until[version_id] = time.monotonic() + _BARE_SECONDS
            return BARE, []
        layout = Layout.load(dumped)
        found = layout, [bins.name for bins in layout.variables[:-1]]
        self._known[version_id] = found
        return found

    async def inputs(
        self, session: AsyncSession, tenant_id: UUID, version_id: UUID
    ) -> frozenset[str] | None:
        """Return the inputs that a version's signature names, if it names any."""
        if version_id not in self._inputs:
            found = await catalog.versions_by_id(session, tenant_id, {version_id})
            inputs = [row.signature.get("inputs", ()) for _, row in found.values()]
            named = [variable["name"] for each in inputs for variable in each]
            if len(self._inputs) >= _MAX:
                self._inputs.clear()
            self._inputs[version_id] = frozenset(named) or None
        return self._inputs[version_id]


class Declared:
    """By which features each decision point tells its traffic apart."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, tuple[str, ...]]] = {}

    async def of(self, session: AsyncSession, tenant_id: UUID, point_id: UUID) -> tuple[str, ...]:
        """Return the features that a point's contract names."""
        now = time.monotonic()
        until, names = self._known.get(point_id, (0.0, ()))
        if now < until:
            return names
        if len(self._known) >= _MAX:
            self._known.clear()
        names = await catalog.segments_of(session, tenant_id, point_id)
        self._known[point_id] = now + _POINT_SECONDS, names
        return names
