"""Known: which variables and arms there are at a decision point; a misspelled one is refused.

What nobody knows has no figures, and no figures look like a good answer. What a contract, a
signature, a baseline or a plan knows and no event has come of yet is not misspelled.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import catalog, telemetry
from app.kit.refusal import Invalid
from app.platform.events import Question, ask

MOST_NAMED = 20
"""So many names a refusal lists."""
_SYSTEM_ARMS = frozenset({telemetry.HOLDOUT, telemetry.REHEARSAL})


class NoSuchVariable(Invalid):
    """Neither the contract, a signature, a baseline nor an event knows of the variable."""

    code = "no_such_variable"
    title = "No such variable at this decision point"
    mend = (
        "Name one of `known`. GET /v1/decision-points/{key} shows the contract's inputs, a"
        " version's `signature` its own."
    )


class NoSuchArm(Invalid):
    """Neither the plan nor an event knows of the arm."""

    code = "no_such_arm"
    title = "No such arm at this decision point"
    mend = (
        "Name one of `known`, or none for all of them. GET /v1/decision-points/{key}/plan shows"
        " the plan's arms."
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """The arms that a point's plan has, and the versions that have a seat there."""

    arms: frozenset[str] = frozenset()
    version_ids: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Planning(Question[Planned]):
    """Which arms and versions a decision point has, whether they were asked yet or not."""

    tenant_id: UUID
    point_id: UUID


async def require_variable(
    session: AsyncSession,
    point: catalog.DecisionPoint,
    name: str,
    versions: Collection[UUID],
    *,
    score: bool = True,
) -> None:
    """Refuse a variable that nothing knows, of ``versions`` and those that have a seat."""
    planned = await ask(session, Planning(point.tenant_id, point.id)) or Planned()
    found = _of_contract(point.contract) | ({telemetry.SCORE} if score else set())
    ids = {*versions, *planned.version_ids}
    for _, version in (await catalog.versions_by_id(session, point.tenant_id, ids)).values():
        found |= _of_contract(version.signature)
        baseline = await telemetry.baseline_of(session, point.tenant_id, version.id)
        if baseline is not None:
            layout = telemetry.Layout.load(baseline.layout).variables[:-1]
            found |= {bins.name for bins in layout}
    if name not in found:
        raise NoSuchVariable(
            f"Nothing at {point.key} knows of a variable {name!r}: neither its contract, nor a"
            f" signature or a baseline, nor an event of this time. There {_listed(found)}.",
            filled={"key": point.key},
            known=sorted(found)[:MOST_NAMED],
        )


async def require_arm(
    session: AsyncSession, point: catalog.DecisionPoint, arm: str, seen: Iterable[str]
) -> None:
    """Refuse an arm that neither the plan knows nor what has been ``seen``."""
    planned = await ask(session, Planning(point.tenant_id, point.id)) or Planned()
    found = planned.arms.union(seen)
    if arm not in found | _SYSTEM_ARMS:
        raise NoSuchArm(
            f"Neither the plan of {point.key} nor what has come there knows of an arm {arm!r}."
            f" There {_listed(found)}.",
            filled={"key": point.key},
            known=sorted(found)[:MOST_NAMED],
        )


def _of_contract(said: dict[str, object]) -> set[str]:
    """Return the features that a contract or a signature names."""
    inputs, segments, schema = (said.get(one) for one in ("inputs", "segments", "input_schema"))
    found = {one["name"] for one in inputs} if isinstance(inputs, list) else set()
    found.update(segments if isinstance(segments, list) else ())
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return found.union(properties or ())


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"are {', '.join(shown)}{more}" if shown else "is none yet"
