"""The end of the story: the trace of one decision, and the audit log."""

from pathlib import Path
from typing import Any

from app.client import Client
from app.demo.narrator import Narrator
from app.demo.server import tamper


def trace(say: Narrator, auditor: Client, decision_id: str | None) -> None:
    """Tell one decision from its token to the people who approved."""
    found = auditor.get(f"/v1/decisions/{decision_id}")
    event, plan, version = found["events"][0], found["plan"], found["version"]
    say.chapter("One decision, traced")
    say.line(f"decision {found['decision_id']} at {event['at']}")
    if found["outcome"]:
        say.line(f"scored {event['score']:.3f}; the price: {found['outcome']['label']:.0f}")
    say.line(
        f"by {version['model']}@{version['number']} ({version['digest'][:19]}…),"
        f" arm {event['arm']} of plan revision {plan['revision']} ({plan['strategy']}),"
        f" propensity {plan['propensity']:.2f}, generation {plan['generation']}"
    )
    say.line(f"developed by {version['developer']}; plan by {plan['author']}")
    for shadow in found["events"][1:]:
        say.line(f"beside it {shadow['model']}@{shadow['version']} watched and said"
                 f" {shadow['score']:.0f}")  # fmt: skip
    for case in found["cases"]:
        as_role = f" as {case['role']}" if case["role"] else ""
        for approval in case["approvals"]:
            say.line(
                f"{case['kind']}{as_role}, {approval['step']}: approved by {approval['person']}"
                f" ({approval['reason']})"
            )


def audit(say: Narrator, auditor: Client, data_dir: Path | None) -> dict[str, Any]:
    """Verify the audit log, then again after somebody edited it; return what was found."""
    say.chapter("The audit log, and somebody who edits it")
    report = auditor.post("/v1/audit:verify")
    found = {"audit_ok": report["ok"], "tamper_found": None}
    say.line(f"audrey verifies {report['entries']:,} entries in {report['streams']} chains:"
             f" {'every chain holds' if report['ok'] else 'BROKEN'}.")  # fmt: skip
    if data_dir is None:
        say.note("This is not the demo's own server: nothing is tampered with.")
        return found
    entry = next(
        item for item in auditor.pages("/v1/audit", limit=200) if item["action"] == "approval.given"
    )
    tamper(data_dir, entry["stream"], entry["seq"], entry["actor_name"])
    say.line(f"A database superuser changes who signed entry {entry['seq']} of {entry['stream']}.")
    report = auditor.post("/v1/audit:verify")
    named = [(fault["stream"], fault["seq"]) for fault in report["faults"]]
    found["tamper_found"] = named == [(entry["stream"], entry["seq"])]
    for fault in report["faults"]:
        say.line(f"verify: {fault['stream']} entry {fault['seq']}: {fault['reason']}.")
    return found


def accuracy(series: list[Any]) -> dict[str, float]:
    """Return each version's accuracy in production over all its arms."""
    right: dict[str, float] = {}
    labelled: dict[str, int] = {}
    for item in series:
        if item["arm"] == "rehearsal" or not item["labelled"]:
            continue
        name = f"{item['model']}@{item['version']}"
        right[name] = right.get(name, 0.0) + item["accuracy"] * item["labelled"]
        labelled[name] = labelled.get(name, 0) + item["labelled"]
    return {name: round(right[name] / labelled[name], 4) for name in sorted(right)}
