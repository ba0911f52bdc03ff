"""Things that a call uses up, each made when it is first asked for, and who makes the call.

No one person may do everything: who hands out roles decides nothing.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.client import Client, Problem
from app.identity import ROLES, Role
from tests.catalog.assets import content
from tests.drift.watched import fire
from tests.live import Live, approve, make_model, make_version, unique
from tests.system.holdings import Holdings, rising, silence
from tests.ways import Way

DECIDING = set(Role) - {Role.ADMINISTRATOR}
ADMINISTERED = {
    # Asked of everybody, for what is one's own; of an administrator for whatever there is.
    "GET /v1/principals/{principal_id}/keys",
    "POST /v1/keys/{key_id}:revoke",
    "POST /v1/signing-keys/{signing_key_id}:revoke",
    "POST /v1/delegations/{delegation_id}:end",
    "POST /v1/trust-rules",
}
STEP = "application_integration"
REASON = {"reason": "a test"}


@dataclass
class Callers:
    """An administrator, and one who has every role besides."""

    held: Holdings
    ids: frozenset[str] = frozenset()
    keys: dict[bool, str] = field(default_factory=dict)

    @classmethod
    def of(cls, held: Holdings) -> "Callers":
        administrator, administers = held.live.newcomer(Role.ADMINISTRATOR)
        person, does = held.live.newcomer(*DECIDING)
        # Instances are made by who has a part in the model: he develops a further version of it.
        with Client(held.live.url, does) as developer:
            developer.post(f"/v1/models/{held.place.model}/versions", content())
        return cls(held, frozenset({administrator, person}), {True: administers, False: does})

    def key(self, way: Way) -> str:
        """Return the key of who may make a call."""
        does = any(way.permission in ROLES[role] for role in DECIDING)
        return self.keys[str(way) in ADMINISTERED or not does]


def undecided(live: Live) -> Any:
    """A case on which nobody has said anything yet."""
    model = make_model(live)
    version = {"model": model, "version": make_version(live, model)}
    return live["dev"].post("/v1/validations", version)


def request(held: Holdings, by: Client) -> str:
    """Ask for approvals of a case of its own: who asks on one approves nothing of it."""
    asked = {"case_id": undecided(held.live)["id"], "step": "technical_validation"}
    return str(by.post("/v1/approval-requests", asked)["id"])


def approval(held: Holdings, by: Client) -> str:
    """Approve a step of a case that is not over: an approval of another is history."""
    return str(approve(by, undecided(held.live), "technical_validation")["id"])


def change(held: Holdings, by: Client) -> str:
    case = held.cases["activations"]
    asked = {"case_id": case, "step": STEP, "rule": "traffic", "days": 1, **REASON}
    return str(by.post("/v1/waivers", asked)["id"])


def emergency(held: Holdings, _: Client) -> str:
    live, case = held.live, held.cases["activations"]
    path = f"/v1/cases/{case}/steps/management_and_governance:break-glass"
    try:
        return str(live["ops"].post(path, REASON)["id"])
    except Problem as refusal:
        # The glass is not broken again before somebody upheld the last time.
        last = f"/v1/waivers/{refusal.document['waiver']}:review"
        live["com"].post(last, {"upheld": True, "review": "a test"})
        return str(live["ops"].post(path, REASON)["id"])


def left(held: Holdings, _: Client) -> str:
    person, _key = held.live.newcomer(Role.DEVELOPER)
    held.live.admin.post(f"/v1/principals/{person}:disable")
    return person


def keyless(held: Holdings, _: Client) -> str:
    person = {"name": unique("person"), "roles": ["auditor"]}
    return str(held.live.admin.post("/v1/principals", person)["id"])


def webhook(held: Holdings, _: Client) -> str:
    asked = {"url": "https://hooks.example.com/", "types": ["x"]}
    made = held.live["ops"].post("/v1/webhooks", asked)
    return str(made["id"])


def himself(_: Holdings, by: Client) -> str:
    return str(by.get("/v1/me")["id"])


def procedure(held: Holdings, _: Client) -> str:
    """Have a model of its own built anew, with a version that came of it."""
    live = held.live
    model = make_model(live)
    body = {
        "kind": "rebuild", "model": model, "version": make_version(live, model),
        "cause": "request", "expected": {"metric": "accuracy", "by": 0.01}, **REASON,
    }  # fmt: skip
    made = str(live["ops"].post("/v1/procedures", body)["id"])
    result = {"model": model, "version": make_version(live, model)}
    live["dev"].post(f"/v1/procedures/{made}:link", result)
    return made


def nobodys(_: Holdings, __: Client) -> str:
    """No seat at all: once everything is stopped, the champion's would be given up for good."""
    return str(uuid.uuid4())


def idle(held: Holdings, _: Client) -> str:
    """Make a target that nothing runs on: what the other one reported stays to be looked at."""
    name = unique("target")
    body = {"environment": "cloud", "required": False, "stale_after_seconds": 86400}
    held.live["ops"].put(f"/v1/decision-points/{held.place.point}/targets/{name}", body)
    return name


def incident(held: Holdings, by: Client) -> str:
    """Have a target of its own run what nobody approved: a later report ends the other one's."""
    name, place = idle(held, by), held.place
    said = {"model": place.model, "version": 1, "digest": "sha256:other", "state": "serving"}
    path = f"/v1/decision-points/{place.point}/targets/{name}/reports"
    held.live["app"].post(path, said)
    # By then it does not run any more: the incident stays, and a person's word ends it.
    held.live["app"].post(path, {**said, "state": "stopped"})
    found = held.live["aud"].pages("/v1/incidents", decision_point=place.point)
    return next(str(one["id"]) for one in found if one["target"] == name)


def alert(held: Holdings, _: Client) -> str:
    """Have an alert of its own fire: what is resolved is over."""
    return fire(held.live, held.place)


def silenced(held: Holdings, _: Client) -> str:
    return silence(held.live)


def ramp(held: Holdings, by: Client) -> str:
    """Have a ramp of its own run at the point, whatever plan and whose ramp that has by now."""
    path, name = f"/v1/decision-points/{held.place.point}/plan", unique("ramp")
    plan = {"segments": [{**rising(held.place), "name": name}, {}]}
    by.put(path, plan, revision=by.get(path)["revision"])
    return name


def held_ramp(held: Holdings, by: Client) -> str:
    """The same, held at its step."""
    name = ramp(held, by)
    by.post(f"/v1/decision-points/{held.place.point}/ramps/{name}:hold", REASON)
    return name


def kpi(held: Holdings, _: Client) -> str:
    """Agree on a KPI that nothing asks for."""
    key = unique("kpi")
    body = {"name": "A KPI", "threshold": 0.5, "unit": "share"}
    held.live["ops"].put(f"/v1/decision-points/{held.place.point}/kpis/{key}", body)
    return key


def scope(held: Holdings, _: Client) -> str:
    """Make a process that no portfolio names."""
    key = unique("scope")
    body = {"kind": "process", "name": "s", "decision_points": [held.place.point]}
    held.live["ops"].put(f"/v1/kpi-scopes/{key}", body)
    return key


def scope_kpi(held: Holdings, _: Client) -> str:
    """Agree on a KPI of the process that stands here."""
    key = unique("kpi")
    body = {"name": "A KPI", "formula": "accuracy", "threshold": 0.5, "unit": "share"}
    held.live["ops"].put(f"/v1/kpi-scopes/{held.things['scope']}/kpis/{key}", body)
    return key


Maker = Callable[[Holdings, Client], str]
MADE: dict[str, tuple[str, bool, Maker]] = {
    "POST /v1/approval-requests/{request_id}:withdraw": ("request_id", True, request),
    "POST /v1/approval-requests/{request_id}:approve": ("request_id", False, request),
    "POST /v1/approval-requests/{request_id}:reject": ("request_id", False, request),
    "POST /v1/approvals/{approval_id}:withdraw": ("approval_id", True, approval),
    "POST /v1/changes/{change_id}:approve": ("change_id", False, change),
    "POST /v1/changes/{change_id}:reject": ("change_id", False, change),
    "POST /v1/changes/{change_id}:withdraw": ("change_id", True, change),
    "POST /v1/waivers/{waiver_id}:end": ("waiver_id", False, emergency),
    "POST /v1/waivers/{waiver_id}:review": ("waiver_id", False, emergency),
    "POST /v1/procedures/{procedure_id}:link": ("procedure_id", False, procedure),
    "POST /v1/procedures/{procedure_id}:conclude": ("procedure_id", False, procedure),
    "POST /v1/procedures/{procedure_id}:abandon": ("procedure_id", False, procedure),
    "DELETE /v1/decision-points/{key}/targets/{target}": ("target", False, idle),
    "POST /v1/incidents/{incident_id}:acknowledge": ("incident_id", False, incident),
    "POST /v1/incidents/{incident_id}:resolve": ("incident_id", False, incident),
    "POST /v1/alerts/{alert_id}:acknowledge": ("alert_id", False, alert),
    "POST /v1/alerts/{alert_id}:resolve": ("alert_id", False, alert),
    "POST /v1/silences/{silence_id}:end": ("silence_id", False, silenced),
    "DELETE /v1/decision-points/{key}/kpis/{kpi}": ("kpi", False, kpi),
    "DELETE /v1/kpi-scopes/{scope}": ("scope", False, scope),
    "DELETE /v1/kpi-scopes/{scope}/kpis/{kpi}": ("kpi", False, scope_kpi),
    "DELETE /v1/webhooks/{webhook_id}": ("webhook_id", False, webhook),
    "POST /v1/principals/{principal_id}:erase": ("principal_id", False, left),
    "POST /v1/principals/{principal_id}:invite": ("principal_id", False, keyless),
    "POST /v1/decision-points/{key}/seats/{seat_id}:unseat": ("seat_id", False, nobodys),
    "POST /v1/principals/{principal_id}/keys": ("principal_id", True, himself),
    "GET /v1/decision-points/{key}/ramps/{segment}": ("segment", False, ramp),
    "POST /v1/decision-points/{key}/ramps/{segment}:hold": ("segment", False, ramp),
    "POST /v1/decision-points/{key}/ramps/{segment}:roll-back": ("segment", False, ramp),
    "POST /v1/decision-points/{key}/ramps/{segment}:resume": ("segment", False, held_ramp),
}
"""What is made for a call, and whether who makes the call has to have made it himself."""


@dataclass
class Spares:
    """What stands for the parameters of a path, made for those calls that use it up."""

    callers: Callers
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def there(self, way: Way) -> dict[str, Any]:
        """Return what is there for a way: the same at each call."""
        if str(way) not in self.made:
            held = self.callers.held
            found = {name: held.value(way, name) for name in way.parameters}
            if str(way) in MADE:
                name, himself, make = MADE[str(way)]
                with Client(held.live.url, self.callers.key(way)) as caller:
                    by = caller if himself else held.live["ops"]
                    found[name] = make(held, by)
            self.made[str(way)] = found
        return self.made[str(way)]
