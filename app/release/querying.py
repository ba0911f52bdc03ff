"""Parameter testing on rows that are asked for where they lie."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import gates, identity, telemetry
from app.kit.actor import Actor
from app.kit.arrays import Floats
from app.kit.canonical import digest as digest_of
from app.kit.refusal import Invalid, Kind, Refusal
from app.release import parameters, sampling
from app.release.parameters import Source

MAX_ROWS = 1_000_000


class NoSources(Refusal):
    """No operator has named files for this tenant."""

    kind = Kind.CONFLICT
    code = "no_sources"
    title = "There is nothing to ask"
    mend = "Send a sample, or have the server started with MODELWARD_LAKE_SOURCES."


class BadQuery(Invalid):
    """The query cannot be answered."""

    code = "bad_query"
    title = "Unusable query"
    mend = (
        "Write one SELECT over the named sources, with a column for each input of the version's"
        f" signature, of at most {MAX_ROWS:,} rows: narrow it with WHERE, or USING SAMPLE."
    )


async def take_query(
    session: AsyncSession,
    case_id: UUID,
    *,
    sources: Sequence[telemetry.LakeSource],
    sql: str,
    time_column: str | None,
    by: Actor,
) -> gates.Evidence:
    """Report on what a query finds where the data lies; the query is kept, the rows are not."""
    case = await sampling.open_release_case(session, case_id, by=by)
    layout, profile = await sampling.layout_of(session, case)
    whose = {telemetry.ANY_TENANT, await identity.tenant_name(session, by.tenant_id)}
    known = {one.name: one for one in sources if one.tenant in whose}
    if not known:
        raise NoSources("No files are named for this tenant.")
    looked, times, named = await asyncio.to_thread(_look, layout, known, sql, time_column)
    return await sampling.keep(
        session, case, layout, profile, looked, times, Source.QUERY,
        sql=sql, sources=named, digest=digest_of([named, sql]), **sampling.span(times), by=by,
    )  # fmt: skip


def _look(
    layout: telemetry.Layout,
    known: dict[str, telemetry.LakeSource],
    sql: str,
    time_column: str | None,
) -> tuple[parameters.Looked, Floats, list[str]]:
    """Profile what the query finds, and read its times; a thread's work."""
    with telemetry.asked(known, sql, BadQuery, rows=MAX_ROWS) as (table, named):
        if not table.rows:
            raise BadQuery("The query finds no row.")
        looked, times = sampling.looked_at(layout, table, BadQuery, time_column)
    return looked, times, named
