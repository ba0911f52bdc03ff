"""What a tenant has, under the names that paths, queries and bodies give it."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Uuid

from app.client import Signer
from app.kit.actor import SYSTEM_ID
from app.metadata import metadata
from tests.catalog import assets
from tests.drift.watched import examined, fire
from tests.live import (
    Live,
    Place,
    approve,
    crown,
    evidence,
    lift_control,
    make_model,
    make_point,
    make_version,
    rehearse,
    release,
    route,
    unique,
    validate,
    wait_signed,
)
from tests.tenants import database_of
from tests.ways import Way, operation_of

OWNING = {
    "name", "key", "case_id", "principal_id", "key_id", "decision_id", "rule_id", "delegation_id",
    "request_id", "approval_id", "change_id", "waiver_id", "verdict_id", "procedure_id",
    "incident_id", "webhook_id", "operation_id", "signing_key_id",
    "experiment_id", "alert_id", "silence_id", "scope",
}  # fmt: skip
"""Path parameters that name a thing of one tenant's."""
WITHIN = {
    "number", "alias", "kpi", "step", "task", "target", "guardrail", "seat_id", "delivery_id",
    "instance", "segment", "window_id",
}  # fmt: skip
"""Path parameters that name a part of such a thing."""
EVERYWHERE = {"tier"}
"""Path parameters whose every value each tenant has for itself."""
SHELF = {"GET /v1/policy-packs/{name}": {"name": "sr-11-7"}}
"""What is the server's own, the same for whoever reads it."""
STEPS = {
    "cases": "application_integration",
    "validations": "technical_validation",
    "releases": "model_release",
    "activations": "application_integration",
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
    account: str
    token: str
    entry: dict[str, str]
    ids: frozenset[str]

    def value(self, way: Way, parameter: str) -> str:
        """Return what the parameter names here; fail if nobody has thought of it."""
        collection = way.path.split("/")[2]
        if str(way) in SHELF:
            return SHELF[str(way)][parameter]
        if parameter == "case_id":
            return self.cases[collection]
        if parameter == "step":
            return STEPS[collection]
        return self.things[parameter]

    def url(self, way: Way) -> str:
        """Return the path of a way to what stands here."""
        return way.url(lambda parameter: self.value(way, parameter))

    def query(self, way: Way) -> dict[str, str]:
        """Return what a way cannot do without; fail if nobody has thought of it."""
        known = {
            "model": self.place.model, "version": "1", "old_size": "1", "variable": "x",
            "decision_point": self.place.point, "kpi": self.things["kpi"], **self.entry,
        }  # fmt: skip
        return {name: known[name] for name in required(way)}

    def seen_in(self, text: str, asked: str) -> set[str]:
        """Return what stands of this tenant in an answer, but was not in the question."""
        names = {self.place.model, self.place.point, self.person}
        found = self.ids & set(_UUID.findall(text)) | {name for name in names if name in text}
        return {word for word in found if word not in asked}


def owned(way: Way) -> set[str]:
    """Return the parameters by which a way names a thing of one tenant's."""
    return set() if str(way) in SHELF else OWNING & set(way.parameters)


def required(way: Way) -> list[str]:
    """Return the names of the queries that must be there."""
    found = operation_of(way).get("parameters", ())
    return [one["name"] for one in found if one["in"] == "query" and one["required"]]


def nothing(parameter: str) -> str:
    """Return a well-formed name of something that does not exist."""
    if parameter.endswith("_id"):
        return str(uuid.uuid4())
    return {"number": "999", "tier": "high", "step": "no_step"}.get(parameter) or unique("none")


def hold(live: Live) -> Holdings:
    """Make one of everything in ``live``'s tenant."""
    kpi = unique("kpi")
    place = come_back(live, kpi)
    model, point = f"/v1/models/{place.model}", f"/v1/decision-points/{place.point}"
    alias, person = unique("alias"), unique("person")
    instance = unique("instance")
    make_version(live, place.model)  # the one that the documented example of an alias names
    live["dev"].put(f"{model}/aliases/{alias}", {"number": place.version})
    segment = {"key": instance, "segment": {"state": "NSW"}}
    live["dev"].post(f"{model}/versions/{place.version}/instances", segment)
    inside = [{"model": place.model, "version": number} for number in (1, 2)]
    combined = assets.specifics("ensemble", members=inside)
    assets.publish(live, assets.make_model(live, "ensemble"), specifics=combined)
    live["ops"].put(f"{point}/monitor", {"psi": 0.3})
    pushed = {"name": "k", "formula": "pushed", "threshold": 0, "unit": "AUD"}
    live["ops"].put(f"{point}/kpis/pushed", pushed)
    rail = unique("rail")
    live["ops"].put(f"{point}/guardrails/{rail}", {"when": "traffic.events < 0", "action": "alert"})
    live.admin.post("/v1/principals", {"name": person, "roles": ["developer"]})
    # Whoever disables by id shall not take the one away that is known by name.
    spare, _ = live.newcomer("developer")
    key = next(live.admin.pages(f"/v1/principals/{spare}/keys"))
    decided = route(live, place.point, "u")
    live["app"].post("/v1/events", {"events": [{"token": decided["token"], "at": AT, "score": 0}]})
    found = live["aud"].pages("/v1/cases", model=place.model, version=place.version)
    cases = {f"{case['kind']}s": case["id"] for case in found}
    evidence(
        live["ops"], {"id": cases["activations"]}, "application_integration", "deployment", {"a": 1}
    )
    deployed = deploy(live, place)
    cases_path = f"{point}/contract-cases"
    live["ops"].put(cases_path, {"cases": [{"name": "one", "input": {"x": 1}}]})
    revision = live["ops"].get(f"{point}/plan")["revision"]
    live["ops"].put(f"{point}/plan", {"segments": [rising(place), {}]}, revision=revision)
    lift_control(live, "plan")  # there was none: but a second revision of the rights is saved
    governed = govern(live, cases["activations"], person)
    things = {
        **governed,
        **deployed,
        "name": place.model,
        "number": str(place.version),
        "alias": alias,
        "key": place.point,
        "kpi": kpi,
        "scope": scope_of(live, place, kpi),
        "guardrail": rail,
        "seat_id": next(live["aud"].pages(f"{point}/seats"))["id"],
        "instance": instance,
        "segment": "rising",
        "experiment_id": running(live, place),
        "alert_id": fire(live, place),
        "silence_id": silence(live),
        "window_id": examined(live, place),
        "principal_id": spare,
        "key_id": key["id"],
        "operation_id": operation_of_release(live, place),
        "signing_key_id": signing_key(live),
        "decision_id": decided["decision_id"],
        **listening(live),
        "verdict_id": live["aud"].get(f"/v1/cases/{cases['releases']}")["verdicts"][0]["id"],
        "tier": "low",
        "task": "publish_version",
        "procedure_id": procedure(live, place),
    }
    cases["cases"] = cases["activations"]
    return Holdings(
        live=live,
        place=place,
        things=things,
        cases=cases,
        person=person,
        account=account_of(live),
        token=decided["token"],
        entry=logged(live),
        ids=ids_of(live),
    )


def rising(place: Place) -> dict[str, Any]:
    """A segment that nobody comes to, with a ramp."""
    arm = {"name": "new", "model": place.model, "version": place.version}
    nowhere = {"==": [{"var": "region"}, "nowhere"]}
    return {"name": "rising", "when": nowhere, "strategy": {"kind": "ramp", "arm": arm}}


def running(live: Live, place: Place) -> str:
    """Return the id of what runs at a point."""
    (found,) = live["aud"].get("/v1/experiments", decision_point=place.point)["items"]
    return str(found["id"])


def silence(live: Live) -> str:
    """Silence what nothing is called; return the silence's id."""
    body = {"subject": unique("x"), "reason": "a test", "hours": 1}
    return str(live["ops"].post("/v1/silences", body)["id"])


def come_back(live: Live, kpi: str) -> Place:
    """Make a champion that was sent back before it became one."""
    name = make_model(live)
    place = Place(name, make_point(live), make_version(live, name))
    agreed = f"/v1/decision-points/{place.point}/kpis/{kpi}"
    live["ops"].put(agreed, {"name": "k", "threshold": 99, "unit": "AUD"})
    validate(live, place.model, place.version)
    rehearse(live, place)
    assert release(live, place)["path"] == "business_drift"
    terms = {"name": "k", "threshold": 0, "unit": "AUD", "currency": "AUD"}
    live["ops"].put(agreed, terms, revision=1)
    validate(live, place.model, place.version)
    rehearse(live, place)
    assert release(live, place)["passed"]
    return crown(live, place)


def scope_of(live: Live, place: Place, kpi: str) -> str:
    """Make a process of the point, with a KPI of the same name as the point's, and a pushed one."""
    key = unique("scope")
    body = {"kind": "process", "name": "s", "decision_points": [place.point]}
    live["ops"].put(f"/v1/kpi-scopes/{key}", body)
    terms = {"name": "k", "threshold": 0, "unit": "AUD", "currency": "AUD"}
    live["ops"].put(f"/v1/kpi-scopes/{key}/kpis/{kpi}", terms)
    pushed = {"name": "k", "formula": "pushed", "threshold": 0, "unit": "AUD"}
    live["ops"].put(f"/v1/kpi-scopes/{key}/kpis/pushed", pushed)
    # It stays: what portfolios are made of is not ended.
    whole = {"kind": "portfolio", "name": "s", "processes": [key]}
    live["ops"].put(f"/v1/kpi-scopes/{unique('portfolio')}", whole)
    return key


def deploy(live: Live, place: Place) -> dict[str, str]:
    """Make a target that runs what nobody approved."""
    target = unique("target")
    path = f"/v1/decision-points/{place.point}/targets/{target}"
    live["ops"].put(path, {"environment": "cloud", "required": False, "stale_after_seconds": 86400})
    said = {"model": place.model, "version": 1, "digest": "sha256:other", "state": "serving"}
    live["app"].post(f"{path}/reports", said)
    (found,) = live["aud"].get("/v1/incidents", decision_point=place.point)["items"]
    return {"target": target, "incident_id": found["id"]}


def listening(live: Live) -> dict[str, str]:
    """Make a webhook, with an event on its way to it."""
    made = live["ops"].post("/v1/webhooks", {"url": "https://hooks.example.com/", "types": ["x"]})
    sent = live["ops"].post(f"/v1/webhooks/{made['id']}:test")
    return {"webhook_id": made["id"], "delivery_id": sent["id"]}


def operation_of_release(live: Live, place: Place) -> str:
    """Ask for what is done already: the operation of a release that is over soon."""
    asked = {"model": place.model, "version": 1, "decision_points": [place.point]}
    return str(live["com"].post("/v1/releases:run?wait=20", asked)["id"])


def signing_key(live: Live) -> str:
    """Register a key that evidence is signed with."""
    me = live["val"].get("/v1/me")
    body = Signer.new().registration(me["tenant_id"], me["id"])
    return str(live["val"].post(f"/v1/principals/{me['id']}/signing-keys", body)["id"])


def govern(live: Live, case: str, person: str) -> dict[str, str]:
    """Make one of everything that is asked, approved, waived, delegated and trusted."""
    step = {"case_id": case, "step": "application_integration"}
    asked = live["ops"].post("/v1/approval-requests", step)
    given = approve(live["com"], {"id": case}, "application_integration")
    waiver = {**step, "rule": "traffic", "days": 1, "reason": "a test"}
    change = live["ops"].post("/v1/waivers", waiver)
    glass = live["ops"].post(
        f"/v1/cases/{case}/steps/management_and_governance:break-glass", {"reason": "a test"}
    )
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    lent = live["val"].post(
        "/v1/delegations",
        {"to": person, "roles": ["validator"], "until": until, "reason": "a test"},
    )
    rule = live.admin.post(
        "/v1/trust-rules",
        {
            "name": unique("rule"), "provider": "generic", "issuer": "https://ci.example.com",
            "audience": "modelward", "claims": {"project": "1"}, "principal_id": account_of(live),
            "roles": ["application"],
        },
    )  # fmt: skip
    live.admin.post("/v1/subjects:erase", {"unit": unique("subject")})
    return {
        "request_id": asked["id"], "approval_id": given["id"], "change_id": change["id"],
        "waiver_id": glass["id"], "delegation_id": lent["id"], "rule_id": rule["id"],
    }  # fmt: skip


def procedure(live: Live, place: Place) -> str:
    """Have the model trained anew; return the procedure's id."""
    body = {
        "kind": "retrain", "model": place.model, "version": place.version, "cause": "request",
        "reason": "a test", "expected": {"metric": "accuracy", "by": 0.01},
    }  # fmt: skip
    return str(live["ops"].post("/v1/procedures", body)["id"])


def account_of(live: Live) -> str:
    """Return the id of a service account."""
    people = live.admin.pages("/v1/principals")
    return next(str(one["id"]) for one in people if one["name"] == "app")


def logged(live: Live) -> dict[str, str]:
    """Return what names an entry of the log, once it is signed."""
    wait_signed(live)
    entry = live["aud"].get("/v1/audit", action="validation.opened", limit=1)["items"][0]
    return {"stream": entry["stream"], "seq": str(entry["seq"])}


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
