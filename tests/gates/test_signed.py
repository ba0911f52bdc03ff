"""Signed evidence: whose word it is can be shown, and nobody speaks in another's name."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from app.cli.evidence import evidence
from app.client import Problem, Signer
from tests.live import Live, make_model, make_version
from tests.platform.wire import problem_of, speaker
from tests.signing import registered
from tests.tenants import another

STEP = "technical_validation"
PAYLOAD = {"holdout_rows": 200, "reproducible": True, "share": 0.1, "note": "é\u2028"}


def opened(live: Live) -> Any:
    model = make_model(live)
    return live["dev"].post(
        "/v1/validations", {"model": model, "version": make_version(live, model)}
    )


def altered(body: Any, **changes: str) -> Any:
    return {**body, "signature": {**body["signature"], **changes}}


def submit(live: Live, who: str, case: Any, body: Any, step: str = STEP) -> httpx.Response:
    return speaker(live, who).post(f"/v1/cases/{case['id']}/steps/{step}/evidence", json=body)


@pytest.fixture(scope="module")
def bank(live: Live) -> Iterator[Live]:
    with another(live) as found:
        yield found


@pytest.fixture(scope="module")
def case(bank: Live) -> Any:
    return opened(bank)


def test_signed_evidence_says_who_signed_it(bank: Live, case: Any) -> None:
    signer = Signer.new()
    key = registered(bank["val"], signer)

    sent = signer.evidence(case["id"], STEP, "technical", PAYLOAD, key_id=key["id"])
    kept = submit(bank, "val", case, sent)

    assert kept.status_code == 201, kept.text
    me = bank["val"].get("/v1/me")["id"]
    assert kept.json()["payload"] == {
        **PAYLOAD,
        "signed_by": {
            "principal": me, "key_id": key["id"], "value": sent["signature"]["value"],
            "at": sent["signature"]["at"], "part": None,
        },
    }  # fmt: skip
    assert Signer(signer.seed).public_key == signer.public_key


def test_a_signature_says_what_part_its_signer_has_in_the_version(bank: Live, case: Any) -> None:
    signer = Signer.new()
    key = registered(bank["dev"], signer)["id"]

    kept = submit(
        bank, "dev", case, signer.evidence(case["id"], STEP, "technical", PAYLOAD, key_id=key)
    )

    assert kept.json()["payload"]["signed_by"]["part"] == "developed the version"


def test_nobody_says_himself_who_signed_or_what_the_server_measured(bank: Live, case: Any) -> None:
    for kind, payload in (
        ("technical", {"signed_by": {"principal": "p", "key_id": "k"}}),
        ("technical", {"said_by": {"part": None}}),
        ("integration", {"run": "0198c0de"}),
        ("integration", {"cases_from": "revision 1"}),
        ("integration", {"part": None}),
        *(("instances", {name: None}) for name in ("part", "tolerance_by", "unregistered")),
    ):
        answer = submit(bank, "val", case, {"kind": kind, "payload": payload})
        problem_of(answer, 422, "reserved_fact")
    ours = {"kind": "technical", "payload": {"run": "mlflow-run-7"}}
    answer = submit(bank, "val", case, ours)
    assert (answer.status_code, answer.json()["read_by"]) == (
        201,
        ["held_out_data", "reproducible"],
    )
    other = submit(bank, "val", case, {"kind": "tech", "payload": {}})
    assert (other.status_code, other.json()["read_by"]) == (201, [])


def test_rules_know_whether_who_says_something_made_the_version(bank: Live) -> None:
    case = opened(bank)
    judge = f"/v1/validations/{case['id']}/steps/{STEP}:judge"
    told = []
    for who in ("dev", "val", "dev"):
        assert submit(bank, who, case, {"kind": "technical", "payload": PAYLOAD}).status_code == 201
        bank["val"].post(judge)
        facts = bank["aud"].get(f"/v1/cases/{case['id']}")["verdicts"][-1]["facts"]
        told.append(facts["evidence"]["technical"]["said_by"]["part"])

    # What somebody else found is not hidden by a newer claim of who made it.
    assert told == ["developed the version", None, None]


def test_a_signature_is_of_one_step_of_one_case_and_every_byte_of_it(bank: Live, case: Any) -> None:
    signer = Signer.new()
    key = registered(bank["val"], signer)["id"]
    other = opened(bank)
    sent = signer.evidence(case["id"], STEP, "technical", PAYLOAD, key_id=key)
    value = sent["signature"]["value"]
    flipped = ("B" if value[0] == "A" else "A") + value[1:]

    for body, where, step in (
        (sent, other, STEP),
        (sent, case, "business_validation"),
        ({**sent, "kind": "business"}, case, STEP),
        ({**sent, "payload": {**PAYLOAD, "holdout_rows": 201}}, case, STEP),
        (altered(sent, value=flipped), case, STEP),
        (altered(sent, value="AAAA"), case, STEP),
        (altered(sent, value="no base64!"), case, STEP),
        (altered(sent, at="2026-01-01T00:00:00Z"), case, STEP),
    ):
        problem_of(submit(bank, "val", where, body, step), 422, "bad_signature")


def as_of(
    monkeypatch: pytest.MonkeyPatch, signer: Signer, at: datetime, *told: Any, key: str
) -> Any:
    """Evidence that was signed at another time: by a signer whose clock says so."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return at.astimezone(tz)

    with monkeypatch.context() as patched:
        patched.setattr("app.client.signing.datetime", Clock)
        return signer.evidence(*told, key_id=key)


def test_a_signed_body_is_taken_once_and_never_after_something_newer(
    bank: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, signer = opened(bank), Signer.new()
    key = registered(bank["val"], signer)["id"]
    told = (case["id"], STEP, "technical")
    withheld = signer.evidence(*told, {"reproducible": True}, key_id=key)
    first = signer.evidence(*told, PAYLOAD, key_id=key)
    assert submit(bank, "val", case, first).status_code == 201
    found = signer.evidence(*told, {**PAYLOAD, "reproducible": False}, key_id=key)
    assert submit(bank, "val", case, found).status_code == 201

    for replayed in (first, found, withheld):
        problem_of(submit(bank, "val", case, replayed), 409, "evidence_overtaken")
    other = signer.evidence(case["id"], STEP, "data", {"quality_assessed": True}, key_id=key)
    assert submit(bank, "val", case, other).status_code == 201
    kept = bank["val"].get(f"/v1/cases/{case['id']}")["evidence"]
    assert [one["payload"].get("reproducible") for one in kept] == [True, False, None]

    now = datetime.now(UTC)
    for at in (now - timedelta(days=1, minutes=1), now + timedelta(minutes=10)):
        body = as_of(monkeypatch, signer, at, *told, PAYLOAD, key=key)
        problem_of(submit(bank, "val", case, body), 422, "signed_long_ago")
    nowhen = altered(first, at="2026-13-45T25:61:61Z")
    problem_of(submit(bank, "val", case, nowhen), 422, "bad_signature")
    again = signer.evidence(*told, PAYLOAD, key_id=key)
    assert submit(bank, "val", case, again).status_code == 201


def test_a_key_that_is_revoked_or_anothers_signs_nothing(bank: Live, live: Live, case: Any) -> None:
    signer, theirs, foreign = Signer.new(), Signer.new(), Signer.new()
    key = registered(bank["val"], signer)["id"]
    ops = registered(bank["ops"], theirs)["id"]
    abroad = registered(live["val"], foreign)["id"]
    revoked = bank["val"].post(f"/v1/signing-keys/{key}:revoke")

    assert revoked["revoked_at"]
    for by, key_id in ((signer, key), (theirs, ops), (foreign, abroad)):
        body = by.evidence(case["id"], STEP, "technical", PAYLOAD, key_id=key_id)
        problem_of(submit(bank, "val", case, body), 403, "signing_key_refused")


def test_a_key_is_registered_by_who_has_it_for_himself_or_his_machine(bank: Live) -> None:
    signer = Signer.new()
    me, tenant = bank["dev"].get("/v1/me")["id"], bank["dev"].get("/v1/me")["tenant_id"]
    people = {one["name"]: one["id"] for one in bank.admin.pages("/v1/principals")}
    path = f"/v1/principals/{me}/signing-keys"
    for body in (
        signer.registration(tenant, people["val"]),
        {**signer.registration(tenant, me), "public_key": Signer.new().public_key},
        {"public_key": signer.public_key, "proof": "A" * 86 + "=="},
        {"public_key": "AAAA", "proof": "A" * 86 + "=="},
    ):
        problem_of(speaker(bank, "dev").post(path, json=body), 422, "bad_signature")
    # An administrator would sign in anybody's name: he registers for nobody.
    for who in ("admin", "val"):
        with pytest.raises(Problem, match="beyond_own_rights"):
            registered(bank[who], signer, me)

    machine = registered(bank["dev"], signer, people["bot"])

    assert machine["principal_id"] == people["bot"]
    with pytest.raises(Problem, match="already_exists"):
        registered(bank["dev"], signer)
    listed = bank["val"].get(f"/v1/principals/{people['bot']}/signing-keys")["items"]
    assert [key["public_key"] for key in listed] == [signer.public_key]
    with pytest.raises(Problem, match="beyond_own_rights"):
        bank["val"].post(f"/v1/signing-keys/{machine['id']}:revoke")
    assert bank.admin.post(f"/v1/signing-keys/{machine['id']}:revoke")["revoked_at"]


def test_the_command_line_makes_keys_and_signs(bank: Live, case: Any, tmp_path: Path) -> None:
    me, key_file, payload = bank["val"].get("/v1/me"), tmp_path / "key", tmp_path / "facts.json"
    payload.write_bytes(orjson.dumps(PAYLOAD))

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(evidence, [*arguments, "--key-file", str(key_file)])
        assert done.exit_code == 0, done.output
        return orjson.loads(done.output)

    made = run("new-key", "--tenant", me["tenant_id"], "--principal", me["id"])
    key = bank["val"].post(f"/v1/principals/{me['id']}/signing-keys", made)
    body = run(
        "sign", "--key-id", key["id"], "--case", case["id"], "--step", STEP,
        "--kind", "technical", "--payload", str(payload),
    )  # fmt: skip

    assert key_file.stat().st_mode & 0o077 == 0
    assert submit(bank, "val", case, body).status_code == 201
