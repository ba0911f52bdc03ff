"""The end of the story: the trace of one decision, and the audit log."""

import time
from pathlib import Path
from typing import Any

from app.audit import verify_export
from app.client import Client
from app.demo.narrator import Narrator
from app.demo.server import tamper

_SIGNED_SECONDS = 30.0


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


def adherence(say: Narrator, auditor: Client, point: str) -> dict[str, Any]:
    """Tell what an auditor asks for first: who was champion when, and where the gaps are."""
    say.chapter("What an auditor asks")
    seats = [s for s in auditor.pages(f"/v1/decision-points/{point}/seats")
             if s["role"] == "champion"]  # fmt: skip
    for seat in reversed(seats):
        then = auditor.get(f"/v1/decision-points/{point}/champion", at=seat["since"])
        people = ", ".join(sorted({item["person"] for item in then["signatories"]}))
        say.line(f"Champion at {seat['since'][:23]}Z: {then['model']}@{then['number']},"
                 f" approved by {people}.")  # fmt: skip
    report = auditor.get("/v1/adherence")
    gaps = {kind: count for kind, count in report["totals"].items() if count}
    say.line("Gaps between policy and production: " + (_listed(gaps) if gaps else "none."))
    for finding in report["findings"][:3]:
        say.line(f"{finding['subject']}: {finding['detail']}")
    return {"adherence_gaps": sum(gaps.values())}


def _listed(gaps: dict[str, int]) -> str:
    return ", ".join(f"{count} × {kind.replace('_', ' ')}" for kind, count in gaps.items())


def audit(say: Narrator, auditor: Client, data_dir: Path | None) -> dict[str, Any]:
    """Verify the audit log, then again after somebody edited it; return what was found."""
    say.chapter("The audit log, and somebody who edits it")
    report = auditor.post("/v1/audit:verify")
    found: dict[str, Any] = {"audit_ok": report["ok"], "tamper_found": None}
    say.line(f"audrey verifies {report['entries']:,} entries in {report['streams']} chains, and"
             f" {report['rows']} governed rows beside them:"
             f" {'all hold' if report['ok'] else 'BROKEN'}.")  # fmt: skip
    _name(say, report)
    found["offline_ok"] = _offline(say, auditor)
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
    _name(say, report)
    return found


def _name(say: Narrator, report: dict[str, Any]) -> None:
    for fault in report["faults"]:
        say.line(f"verify: {fault['stream']} entry {fault['seq']}: {fault['reason']}.")


def _offline(say: Narrator, auditor: Client) -> bool:
    """Verify the exported log as somebody who has only its public key."""
    deadline = time.monotonic() + _SIGNED_SECONDS
    while (log := auditor.get("/v1/audit/log"))["signed_size"] < log["size"] or log["waiting"]:
        if time.monotonic() > deadline:
            say.line("No worker has signed the log: it is not verified offline.")
            return False
        time.sleep(0.2)
    lines = auditor.get("/v1/audit/export").encode().splitlines()
    reading = verify_export(lines, log["key"])
    say.line(f"She takes it home as {len(lines):,} lines and verifies it there with the public key"
             f" alone: {reading.entries:,} entries"
             f" {'hold, all signed' if reading.ok else 'DO NOT HOLD'}.")  # fmt: skip
    return reading.ok


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
