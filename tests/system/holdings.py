"""What a tenant has, under the names that paths, queries and bodies give it."""

import re
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Uuid

from app.kit.actor import SYSTEM_ID
from app.metadata import metadata
from tests.live import Live, Place, champion, evidence, make_version, route, unique
from tests.tenants import database_of
from tests.ways import Way

OWNING = {"name", "key", "case_id", "principal_id", "key_id", "decision_id"}
"""Path parameters that name a thing of one tenant's."""
WITHIN = {"number", "alias", "kpi", "step"}
"""Path parameters that name a part of such a thing."""
EVERYWHERE = {"tier"}
"""Path parameters whose every value each tenant has for itself."""
STEPS = {
    "cases": "model_deployment",
    "validations": "technical_validation",
    "releases": "model_release",
    "activations": "model_deployment",
}
AT = "2026-02-01T00:00:00Z"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Holdings:
    """A tenant, one of everything that a route can name, and every id it has."""

    live: Live
    place: Place
    things: dict[str, str]
    cases: dict[str, str]
    person: str
    token: str
    ids: frozenset[str]

    def value(self, way: Way, parameter: str) -> str:
        """Return what the parameter names here; fail if nobody has thought of it."""
        collection = way.path.split("/")[2]
        if parameter == "case_id":
            return self.cases[collection]
        if parameter == "step":
            return STEPS[collection]
        return self.things[parameter]

    def url(self, way: Way) -> str:
        """Return the path of a way to what stands here."""
        return way.url(lambda parameter: self.value(way, parameter))

    def query(self, way: Way) -> dict[str, str]:
        """Return what a GET cannot do without."""
        asked = way.path == "/v1/cases" or way.path.endswith(":measure")
        return {"model": self.place.model, "version": "1"} if asked else {}

    def seen_in(self, text: str, asked: str) -> set[str]:
        """Return what stands of this tenant in an answer, but was not in the question."""
        names = {self.place.model, self.place.point, self.person}
        found = self.ids & set(_UUID.findall(text)) | {name for name in names if name in text}
        return {word for word in found if word not in asked}


def nothing(parameter: str) -> str:
    """Return a well-formed name of something that does not exist."""
    if parameter.endswith("_id"):
        return str(uuid.uuid4())
    return {"number": "999", "tier": "high", "step": "no_step"}.get(parameter) or unique("none")


def hold(live: Live) -> Holdings:
    """Make one of everything in ``live``'s tenant."""
    place = champion(live)
    model, point = f"/v1/models/{place.model}", f"/v1/decision-points/{place.point}"
    alias, kpi, person = unique("alias"), unique("kpi"), unique("person")
    make_version(live, place.model)  # the one that the documented example of an alias names
    live["dev"].put(f"{model}/aliases/{alias}", {"number": place.version})
    live["ops"].put(f"{point}/kpis/{kpi}", {"name": "k", "threshold": 0, "unit": "AUD"})
    live.admin.post("/v1/principals", {"name": person, "roles": ["developer"]})
    # Whoever disables by id shall not take the one away that is known by name.
    made = live.admin.post("/v1/principals", {"name": unique("spare"), "roles": ["developer"]})
    key = live.admin.post(f"/v1/principals/{made['id']}/keys", {"days": 1})
    decided = route(live, place.point, "u")
    live["app"].post("/v1/events", {"events": [{"token": decided["token"], "at": AT, "score": 0}]})
    found = live["aud"].pages("/v1/cases", model=place.model, version=place.version)
    cases = {f"{case['kind']}s": case["id"] for case in found}
    evidence(live["ops"], {"id": cases["activations"]}, "model_deployment", "deployment", {"a": 1})
    things = {
        "name": place.model,
        "number": str(place.version),
        "alias": alias,
        "key": place.point,
        "kpi": kpi,
        "principal_id": made["id"],
        "key_id": key["id"],
        "decision_id": decided["decision_id"],
        "tier": "low",
    }
    cases["cases"] = cases["activations"]
    return Holdings(
        live=live,
        place=place,
        things=things,
        cases=cases,
        person=person,
        token=decided["token"],
        ids=ids_of(live),
    )


def ids_of(live: Live) -> frozenset[str]:
    """Return every id in the rows of ``live``'s tenant, its own and its server's left out."""
    tenant = live.admin.get("/v1/me")["tenant_id"]
    found: set[Any] = set()
    with psycopg.connect(database_of(live)) as connection:
        for table in metadata.sorted_tables:
            ids = [column.name for column in table.columns if isinstance(column.type, Uuid)]
            if "tenant_id" not in ids:
                continue
            query = sql.SQL("SELECT {} FROM {} WHERE tenant_id = %s").format(
                sql.SQL(", ").join(map(sql.Identifier, ids)), sql.Identifier(table.name)
            )
            found.update(value for row in connection.execute(query, [tenant]) for value in row)
    return frozenset(str(value) for value in found - {None, SYSTEM_ID})
