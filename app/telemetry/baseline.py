"""Baselines: uploaded rows to a frozen layout and its profile."""

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, catalog, identity
from app.kit.actor import Actor
from app.kit.canonical import digest as digest_of
from app.kit.refusal import AlreadyExists, Invalid, NotFound
from app.telemetry.layout import SCORE, Layout, fit, numbers, score_bins
from app.telemetry.promise import promise
from app.telemetry.reading import PARQUET, opened
from app.telemetry.reconstruction import learn
from app.telemetry.tables import RECONSTRUCTION, Baseline, Series
from app.telemetry.tally import Tally, tally

LABEL = "label"
MIN_ROWS = 100


class BadBaseline(Invalid):
    """The rows cannot serve as the version's baseline."""

    code = "bad_baseline"
    title = "Unusable baseline"
    mend = f"Send at least {MIN_ROWS} rows with a column for every input of the signature."


class BaselineTooLate(AlreadyExists):
    """The version was validated or has traffic; nobody may choose its bins any more."""

    code = "baseline_too_late"
    title = "Too late for a baseline"
    mend = "Register a new version and send its baseline before it is validated."


@dataclass(frozen=True, slots=True)
class Built:
    """A layout, its profile and what the version promised."""

    layout: Layout
    profile: Tally
    promised: dict[str, Any] | None


async def put(
    session: AsyncSession,
    model: str,
    number: int,
    *,
    columns: dict[str, list[Any]] | None,
    parquet: bytes | None,
    by: Actor,
) -> Baseline:
    """Freeze a version's baseline from columns of values, or from the bytes of a Parquet file."""
    version = await catalog.find_version(session, model, number, by=by, lock=True)
    found = await catalog.model_of(session, model, by=by)
    await identity.require_right(
        session, by, identity.Action.PUBLISH_VERSION, tier=found.risk_tier, model=model
    )
    signature = catalog.Signature.model_validate(version.signature)
    if await session.get(Baseline, (by.tenant_id, version.id)) is not None:
        raise AlreadyExists("baseline of version", f"{model}@{number}")
    judged = version.stage is not catalog.Stage.PUBLISHED
    if judged or await session.scalar(
        select(Series.id).filter_by(tenant_id=by.tenant_id, version_id=version.id).limit(1)
    ):
        raise BaselineTooLate("version validated or used", f"{model}@{number}")
    built = await asyncio.to_thread(_build, signature, columns, parquet)
    baseline = Baseline(
        tenant_id=by.tenant_id,
        version_id=version.id,
        layout=built.layout.dump(),
        profile=built.profile.encode(),
        rows=built.profile.n,
        reference=built.promised,
        digest=digest_of({"layout": built.layout.dump(), "counts": built.profile.counts.tolist()}),
        author_id=by.person_id,
    )
    session.add(baseline)
    await session.flush()
    await session.refresh(baseline)
    await audit.record(
        session, by, "version.baseline.frozen", f"version:{version.id}",
        rows=baseline.rows, digest=baseline.digest,
    )  # fmt: skip
    return baseline


async def inherit(session: AsyncSession, event: catalog.VersionForked) -> None:
    """Give a fork the baseline of what it was forked from: it was built on the same data.

    Who chose its rows has a part in the fork as well.
    """
    origin = await of_version(session, event.tenant_id, event.origin_id)
    if origin is None:
        return
    same = ("layout", "profile", "rows", "reference", "digest", "author_id")
    session.add(
        Baseline(
            tenant_id=event.tenant_id,
            version_id=event.version_id,
            **{name: getattr(origin, name) for name in same},
        )
    )
    await session.flush()
    await audit.record(
        session, Actor.system(event.tenant_id), "version.baseline.inherited",
        f"version:{event.version_id}", rows=origin.rows, digest=origin.digest,
        origin=event.origin_id,
    )  # fmt: skip


async def inherited_from(session: AsyncSession, baseline: Baseline) -> tuple[str, int] | None:
    """Return the version whose baseline a fork was given, by model and number, if it was given."""
    version = await catalog.version_by_id(session, baseline.tenant_id, baseline.version_id)
    origin = version.lineage.get("forked_from")
    if origin is None:
        return None
    before = await of_version(session, baseline.tenant_id, UUID(origin["version_id"]))
    same = before is not None and before.digest == baseline.digest
    return (origin["model"], origin["version"]) if same else None


async def get(session: AsyncSession, model: str, number: int, *, by: Actor) -> Baseline:
    """Return a version's baseline."""
    version = await catalog.find_version(session, model, number, by=by)
    found = await of_version(session, by.tenant_id, version.id)
    if found is None:
        raise NotFound("baseline of version", f"{model}@{number}")
    return found


async def of_version(session: AsyncSession, tenant_id: UUID, version_id: UUID) -> Baseline | None:
    """Return a version's baseline, if it has one."""
    return await session.get(Baseline, (tenant_id, version_id))


class OfVersions(Protocol):
    """A question about versions."""

    @property
    def tenant_id(self) -> UUID:
        """Whose they are."""

    @property
    def ids(self) -> frozenset[UUID]:
        """Their ids."""


async def baseline_in_force(session: AsyncSession, asked: OfVersions) -> dict[UUID, str]:
    """Return a digest over each version's baseline and what it promised."""
    rows = await session.execute(
        select(Baseline.version_id, Baseline.digest, Baseline.reference).where(
            Baseline.tenant_id == asked.tenant_id, Baseline.version_id.in_(asked.ids)
        )
    )
    return {row.version_id: digest_of([row.digest, row.reference]) for row in rows}


async def shapers(session: AsyncSession, asked: OfVersions) -> dict[UUID, str]:
    """Return who chose what the drift of versions is measured against."""
    authors = await session.scalars(
        select(Baseline.author_id).where(
            Baseline.tenant_id == asked.tenant_id, Baseline.version_id.in_(asked.ids)
        )
    )
    return {author: "chose its baseline" for author in authors if author is not None}


def _build(
    signature: catalog.Signature, columns: dict[str, list[Any]] | None, parquet: bytes | None
) -> Built:
    names = [variable.name for variable in signature.inputs]
    found = _read_parquet(parquet, names) if parquet is not None else columns or {}
    missing = [name for name in names if name not in found]
    if missing:
        raise BadBaseline(f"Missing columns: {', '.join(missing)}.", missing=missing)
    unknown = sorted(found.keys() - {*names, SCORE, LABEL})
    if unknown:
        raise BadBaseline(f"Columns outside the signature: {', '.join(unknown)}.")
    sizes = {len(column) for column in found.values()}
    if len(sizes) != 1 or min(sizes) < MIN_ROWS:
        raise BadBaseline(f"Columns must be equally long, {MIN_ROWS} rows or more.")
    scores = found.get(SCORE)
    probability = signature.output == "probability"
    bins = [
        fit(variable.name, found[variable.name], numeric=variable.type == "number")
        for variable in signature.inputs
    ]
    bins.append(score_bins(None if probability or scores is None else scores))
    layout = Layout(tuple(bins))
    rows = sizes.pop()
    ordered = [
        *(found[name] for name in names),
        scores if scores is not None else [None] * rows,
    ]
    codes, values = layout.place(ordered)
    promised = None
    if scores is not None and LABEL in found:
        labels = [float(v) if isinstance(v, bool) else v for v in found[LABEL]]
        promised = promise(
            numbers(scores)[0], numbers(labels)[0], bins[-1], probability=probability
        )
    learnt = learn(bins[:-1], ordered[:-1])
    if learnt is not None:
        promised = {**(promised or {}), RECONSTRUCTION: learnt.dump()}
    return Built(layout, tally(codes, values, layout.size), promised)


def _read_parquet(raw: bytes, names: list[str]) -> dict[str, list[Any]]:
    """Return the wanted columns of a Parquet file; nothing else of it is read."""
    with opened(raw, PARQUET, BadBaseline) as table:
        wanted = [name for name in (*names, SCORE, LABEL) if name in table.columns]
        table.require(wanted)
        return {name: table.plain(name) for name in wanted}
