"""Alerts as a running server raises, shows, tells and counts them."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest

from app.client import Client, Problem
from tests.conftest import home
from tests.drift.watched import fire
from tests.live import Live, Place, champion, make_point, make_version, start, unique
from tests.notifications.sinks import Sink, sink
from tests.system.test_four_ways_out import send_hours

WATCH = {"window_hours": 1, "step_hours": 1, "min_rows": 50, "hits": 1, "of": 1}
SECONDS = 60
MOVED = 1.0
"""Far enough to drift, not so far that the version is sent back."""


@dataclass
class Scene:
    """A server that tells a webhook and an Alertmanager of one version."""

    live: Live
    place: Place
    hook: Sink
    manager: Sink


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with home() as directory, sink() as hook, sink(200) as manager:
        url = manager.url.removesuffix("/in")
        with start(directory, outbound_loopback="true", alertmanager_url=url) as live:
            place = champion(live)
            live["ops"].put(f"/v1/decision-points/{place.point}/monitor", WATCH)
            live["ops"].post("/v1/webhooks", {"url": hook.url, "types": ["drift.alert.*"]})
            yield Scene(live, place, hook, manager)


def wait(found: Any) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def metrics(live: Live) -> dict[str, float]:
    lines = httpx.get(f"{live.url}/metrics").text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }


def send(scene: Scene, hours: range, *, shift: float) -> None:
    rng = np.random.default_rng(hours.start)
    send_hours(scene.live, scene.place, hours, rng, shift=shift, right=0.9, reward=99)


def test_what_drifts_fires_is_told_is_acknowledged_and_recovers(scene: Scene) -> None:
    live, place = scene.live, scene.place
    asked = {"decision_point": place.point, "kind": "data"}
    send(scene, range(1), shift=0.0)
    send(scene, range(1, 3), shift=MOVED)
    (row,) = wait(lambda: live["ops"].get("/v1/alerts", **asked)["items"])
    path = f"/v1/alerts/{row['id']}"

    assert (row["state"], row["subject"], row["model"]) == ("firing", "x", place.model)
    found = live["aud"].get(path)
    assert found["evidence"][0]["variable"]["drifts"] is True
    assert found["evidence"][0]["n"] == 60
    assert [one["episode"] for one in found["episodes"]] == [1]
    scene.hook.wait(lambda _: scene.hook.of("drift.alert.raised", subject="x"))
    raised = scene.hook.of("drift.alert.raised", subject="x")
    assert raised[0].event["data"]["severity"] == "warning"
    assert raised[0].event["data"]["alert_id"] == row["id"]
    told = {name: raised[0].event["data"][name] for name in ("model", "number", "point")}
    assert told == {"model": place.model, "number": place.version, "point": place.point}
    scene.manager.wait(lambda got: any(b'"subject":"x"' in message.body for message in got))
    labels = 'tenant="default",kind="data",severity="warning",silenced="false",state="firing"'
    series = f"modelward_alerts{{{_sorted(labels)}}}"
    wait(lambda: metrics(live).get(series) == 1)
    shown = metrics(live)
    assert shown['modelward_drift_windows_examined_total{tenant="default"}'] >= 2
    assert 0 <= shown['modelward_drift_newest_window_age_seconds{tenant="default"}'] < 600

    taken = live["ops"].post(f"{path}:acknowledge", {"comment": "looking"})
    assert (taken["state"], taken["comment"]) == ("acknowledged", "looking")
    assert taken["next"][0] == f"POST {path}:resolve"
    send(scene, range(3, 5), shift=0.0)
    wait(lambda: live["aud"].get(path)["state"] == "resolved")
    found = live["aud"].get(path)
    assert (found["ending"], found["resolved_by"]) == ("recovered", None)
    send(scene, range(5, 7), shift=MOVED)
    wait(lambda: live["aud"].get(path)["state"] == "firing")
    assert [one["episode"] for one in live["aud"].get(path)["episodes"]] == [2, 1]
    scene.hook.wait(lambda _: len(scene.hook.of("drift.alert.raised", subject="x")) == 2)
    assert len(scene.hook.of("drift.alert.resolved", subject="x", ending="recovered")) == 1
    assert len(scene.hook.of("drift.alert.acknowledged", subject="x")) == 1


def _sorted(labels: str) -> str:
    """Return labels in the order in which the exposition writes them."""
    return ",".join(sorted(labels.split(",")))


def test_a_versions_own_list_says_state_and_severity(scene: Scene) -> None:
    id_ = fire(scene.live, scene.place)
    path = f"/v1/models/{scene.place.model}/versions/{scene.place.version}/alerts"
    found = {row["id"]: row for row in scene.live["aud"].pages(path)}

    assert found[id_].keys() == {
        "id", "point_id", "kind", "subject", "until", "raised_at", "state", "severity",
    }  # fmt: skip
    assert (found[id_]["state"], found[id_]["severity"]) == ("firing", "warning")


def test_of_two_who_acknowledge_at_once_one_gets_200_and_the_other_409(scene: Scene) -> None:
    for _ in range(5):
        path = f"/v1/alerts/{fire(scene.live, scene.place)}:acknowledge"
        ready = threading.Barrier(2)
        answers: list[int] = []

        def one(path: str = path, ready: Any = ready, answers: list[int] = answers) -> None:
            headers = {"Authorization": f"Bearer {scene.live.keys['ops']}"}
            ready.wait()
            body = {"comment": "looking"}
            answers.append(
                httpx.post(scene.live.url + path, json=body, headers=headers).status_code
            )

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 409]


def test_refusals_say_which_call_mends_them(scene: Scene) -> None:
    ops, id_ = scene.live["ops"], fire(scene.live, scene.place)
    ops.post(f"/v1/alerts/{id_}:acknowledge", {"comment": "looking"})
    with pytest.raises(Problem) as twice:
        ops.post(f"/v1/alerts/{id_}:acknowledge", {"comment": "looking"})
    ops.post(f"/v1/alerts/{id_}:resolve", {"reason": "a mistake"})
    with pytest.raises(Problem) as over:
        ops.post(f"/v1/alerts/{id_}:resolve", {"reason": "a mistake"})
    with pytest.raises(Problem) as everything:
        ops.post("/v1/silences", {"reason": "r", "hours": 1})
    with pytest.raises(Problem) as bare:
        ops.post("/v1/silences", {"version": 1, "reason": "r", "hours": 1})
    with pytest.raises(Problem) as long:
        ops.post("/v1/silences", {"subject": "x", "reason": "r", "hours": 721})
    with pytest.raises(Problem) as developer:
        scene.live["dev"].post(f"/v1/alerts/{id_}:acknowledge", {"comment": "c"})

    assert (twice.value.status, twice.value.code) == (409, "already_acknowledged")
    assert (over.value.status, over.value.code) == (409, "alert_over")
    assert id_ in over.value.document["mend"]
    assert (everything.value.status, everything.value.code) == (422, "silences_everything")
    assert bare.value.status == long.value.status == 422
    assert developer.value.status == 403


def test_what_is_silenced_is_shown_and_told_only_afterwards(scene: Scene) -> None:
    ops, subject = scene.live["ops"], unique("quiet")
    made = ops.post("/v1/silences", {"subject": subject, "reason": "known", "hours": 2})
    id_ = fire(scene.live, scene.place, subject)
    listed = ops.pages("/v1/alerts", silenced="true")

    assert id_ in {row["id"] for row in listed}
    assert made["id"] in {row["id"] for row in ops.pages("/v1/silences", active="true")}
    assert scene.hook.of("drift.alert.raised", subject=subject) == []
    over = ops.post(f"/v1/silences/{made['id']}:end")
    assert over["active"] is False
    with pytest.raises(Problem, match="silence_over"):
        ops.post(f"/v1/silences/{made['id']}:end")
    scene.hook.wait(lambda _: scene.hook.of("drift.alert.raised", subject=subject))
    entries = list(scene.live["aud"].pages("/v1/audit", action="silence.begun"))
    assert [entry["actor_name"] for entry in entries] == ["ops"]


def test_owner_validator_and_whom_the_monitor_names_hear_of_it_by_name(scene: Scene) -> None:
    live, path = scene.live, f"/v1/decision-points/{scene.place.point}/monitor"
    tell = [
        {"who": "aud", "severity": "warning", "kinds": ["data", "business"]},
        {"who": "app", "severity": "notice", "kinds": None},
        {"who": "com", "severity": "critical", "kinds": None},
        {"who": "com", "severity": "notice", "kinds": ["business"]},
    ]
    before = live["ops"].get(path)
    set_ = live["ops"].put(path, {**WATCH, "tell": tell}, revision=before["revision"])
    subject = unique("heard")
    fire(live, scene.place, subject)
    scene.hook.wait(lambda _: scene.hook.of("drift.alert.raised", subject=subject))
    (raised,) = scene.hook.of("drift.alert.raised", subject=subject)

    # Of a service, who answers for it. Nothing is critical here, and nothing a KPI.
    assert [one["name"] for one in raised.event["data"]["addressees"]] == [
        "dev", "val", "aud", "ops",
    ]  # fmt: skip
    assert set_["tell"][1]["who"] == "ops"
    assert live["aud"].get(path)["tell"] == set_["tell"]
    for who, status in (("nobody-here", 404), ("", 422)):
        body = {**WATCH, "tell": [{"who": who}]}
        with pytest.raises(Problem) as refused:
            live["ops"].put(path, body, revision=set_["revision"])
        assert refused.value.status == status
    live["ops"].put(path, WATCH, revision=set_["revision"])
    assert live["aud"].get(path)["tell"] == []


def test_a_webhook_is_told_of_the_alerts_that_it_chose(scene: Scene) -> None:
    live = scene.live
    with sink() as chosen:
        alerts = {"severity": "warning", "kinds": ["data"], "points": [scene.place.point]}
        made = live["ops"].post("/v1/webhooks", {"url": chosen.url, "alerts": alerts})
        path = f"/v1/webhooks/{made['id']}"
        assert made["alerts"] == alerts
        fire(live, scene.place, wanted := unique("wanted"))
        chosen.wait(lambda _: chosen.of("drift.alert.raised", subject=wanted))
        elsewhere = make_point(live)
        edited = live["ops"].patch(path, {"alerts": {"points": [elsewhere]}}, revision=1)
        assert edited["alerts"] == {"severity": "notice", "kinds": None, "points": [elsewhere]}
        fire(live, scene.place, unwanted := unique("unwanted"))
        scene.hook.wait(lambda _: scene.hook.of("drift.alert.raised", subject=unwanted))
        live["ops"].patch(path, {"alerts": {}}, revision=2)
        fire(live, scene.place, last := unique("last"))
        chosen.wait(lambda _: chosen.of("drift.alert.raised", subject=last))
        assert chosen.of("drift.alert.raised", subject=unwanted) == []
        live["ops"].delete(path)
    bad: tuple[Any, ...] = (
        {"severity": "awful"},
        {"kinds": []},
        {"kinds": ["other"]},
        {"points": [""]},
    )
    for one in bad:
        with pytest.raises(Problem) as refused:
            live["ops"].post("/v1/webhooks", {"url": "https://h.example.com", "alerts": one})
        assert refused.value.status == 422


def test_a_key_for_another_point_sees_and_handles_nothing(scene: Scene) -> None:
    live, id_ = scene.live, fire(scene.live, scene.place)
    narrow = live["ops"].post(
        f"/v1/principals/{live['ops'].get('/v1/me')['id']}/keys",
        {"days": 1, "points": ["elsewhere"]},
    )
    with Client(live.url, narrow["key"]) as elsewhere:
        assert list(elsewhere.pages("/v1/alerts")) == []
        with pytest.raises(Problem) as refused:
            elsewhere.get(f"/v1/alerts/{id_}")
        assert refused.value.status == 404
        for verb, body in (("acknowledge", {"comment": "c"}), ("resolve", {"reason": "r"})):
            with pytest.raises(Problem) as refused:
                elsewhere.post(f"/v1/alerts/{id_}:{verb}", body)
            assert refused.value.status == 404
        with pytest.raises(Problem) as refused:
            elsewhere.post("/v1/silences", {"subject": "x", "reason": "r", "hours": 1})
        assert refused.value.status == 403


def test_an_alert_is_still_a_cause_to_train_anew(scene: Scene) -> None:
    id_ = fire(scene.live, scene.place)
    body = {
        "kind": "retrain", "model": scene.place.model, "version": scene.place.version,
        "cause": "alert", "cause_id": id_, "reason": "it drifts",
        "expected": {"metric": "accuracy", "by": 0.01},
    }  # fmt: skip
    assert scene.live["ops"].post("/v1/procedures", body)["cause_id"] == id_
    make_version(scene.live, scene.place.model)


def test_every_row_is_as_the_log_tells(scene: Scene) -> None:
    assert scene.live["aud"].post("/v1/audit:verify")["faults"] == []
