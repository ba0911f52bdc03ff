"""Webhooks over HTTP: real receivers, good and bad, and a server that sends to them."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from app.client import Problem
from tests.conftest import home
from tests.live import Live, make_model, make_point, start, unique
from tests.notifications.sinks import ARRIVES_SECONDS, HANG, Sink, sink
from tests.notifications.test_feed import PUBLISHED, Reader, publish
from tests.platform.wire import problem_of, speaker
from tests.system.processes import wait_worker

DISABLED = "notifications.webhook.disabled"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A server that may call its own machine, and does not wait for long."""
    with (
        home() as directory,
        start(
            directory,
            outbound_loopback="true",
            webhook_timeout_seconds="1.5",
            webhook_retry_seconds="0.3",
        ) as found,
    ):
        yield found


def make_webhook(live: Live, sink: Sink, *types: str) -> Any:
    body = {"url": sink.url, "types": list(types) or [PUBLISHED], "description": "a test"}
    return live["ops"].post("/v1/webhooks", body)


def deliveries(live: Live, webhook: Any, **query: Any) -> list[Any]:
    return list(live["ops"].pages(f"/v1/webhooks/{webhook['id']}/deliveries", **query))


def wait_for(live: Live, webhook: Any, **facts: Any) -> Any:
    """Wait until a webhook is as it should be."""
    deadline = time.monotonic() + ARRIVES_SECONDS
    while not facts.items() <= (found := live["ops"].get(f"/v1/webhooks/{webhook['id']}")).items():
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def longer(before: int, got: list[Any]) -> bool:
    return len(got) > before


def remove(live: Live, webhook: Any) -> None:
    answer = speaker(live, "ops").delete(f"/v1/webhooks/{webhook['id']}")
    assert answer.status_code == 204, answer.text


def test_what_happened_comes_signed_in_order_and_as_the_feed_tells_it(live: Live) -> None:
    with sink() as good:
        webhook = make_webhook(live, good)
        reader, model = Reader(live).catch_up(), make_model(live)
        for _ in range(5):
            publish(live, model)
        reader.until(PUBLISHED, model=model, number=5)
        good.wait(lambda _: len(good.of(PUBLISHED, model=model)) == 5)
        remove(live, webhook)

    came = good.of(PUBLISHED, model=model)
    told = [event for event in reader.seen if event["data"].get("model") == model]
    assert [message.id for message in came] == [event["id"] for event in told]
    assert [message.event["data"] for message in came] == [event["data"] for event in told]
    first = came[0]
    assert first.signed_with(webhook["secret"])
    assert not first.signed_with("whsec_" + "A" * 43 + "=")
    assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
    assert first.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = first.event
    assert event.keys() == {
        "specversion", "id", "source", "type", "time", "datacontenttype", "data",
    }  # fmt: skip
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", first.id, PUBLISHED)


def test_a_secret_is_shown_once_and_stands_in_no_log(live: Live) -> None:
    key = {"Idempotency-Key": unique("key")}
    with sink(500) as bad:
        body = {"url": bad.url, "types": [PUBLISHED]}
        speaks = speaker(live, "ops")
        made = speaks.post("/v1/webhooks", json=body, headers=key)
        again = speaks.post("/v1/webhooks", json=body, headers=key)
        webhook = made.json()
        rotated = live["ops"].post(f"/v1/webhooks/{webhook['id']}:rotate", {"overlap_hours": 1})
        publish(live, make_model(live))
        bad.wait(len)
        one = live["ops"].get(f"/v1/webhooks/{webhook['id']}")
        every = list(live["ops"].pages("/v1/webhooks"))
        log = list(live["aud"].pages("/v1/audit", limit=200))
        remove(live, webhook)

    assert made.headers["cache-control"] == "no-store"
    assert problem_of(again, 409, "shown_once")
    assert webhook["id"] in {item["id"] for item in every}
    told = str([one, every, log]) + live.log.read_text()
    for secret in (webhook["secret"], rotated["secret"]):
        assert secret.startswith("whsec_")
        assert secret.removeprefix("whsec_") not in told
    entries = [entry for entry in log if entry["stream"] == f"webhook:{webhook['id']}"]
    assert {entry["action"] for entry in entries} == {"webhook.created", "webhook.secret_rotated"}


def test_a_receiver_that_recovers_gets_the_same_message_again(live: Live) -> None:
    with sink(500, 503, 200) as moody:
        webhook = make_webhook(live, moody)
        publish(live, make_model(live))
        came = moody.wait(lambda got: len(got) == 3)
        wait_for(live, webhook, failures=0)
        (delivery,) = deliveries(live, webhook)
        remove(live, webhook)

    assert len({message.id for message in came}) == 1
    assert len({message.body for message in came}) == 1
    assert all(message.signed_with(webhook["secret"]) for message in came)
    assert (delivery["state"], delivery["attempts"], delivery["code"]) == ("delivered", 3, 200)
    assert delivery["event_id"] == came[0].id


def test_who_says_gone_is_sent_nothing_more_and_its_maker_is_told(live: Live) -> None:
    reader = Reader(live).catch_up()
    with sink(410, 200) as gone:
        webhook = make_webhook(live, gone)
        model = make_model(live)
        publish(live, model)
        found = wait_for(live, webhook, active=False)
        for _ in range(3):
            publish(live, model)
        reader.until(DISABLED, webhook_id=webhook["id"])
        with pytest.raises(Problem) as refused:
            live["ops"].post(f"/v1/webhooks/{webhook['id']}:test")
        before = len(gone.got)
        live["ops"].patch(f"/v1/webhooks/{webhook['id']}", {"active": True}, revision=2)
        gone.wait(lambda _: len(gone.of(PUBLISHED, model=model)) >= 5)
        back = wait_for(live, webhook, active=True, disabled=None)
        remove(live, webhook)

    assert (found["disabled"], before) == ("gone", 1)
    assert refused.value.code == "webhook_inactive"
    event = next(e for e in reader.seen if e["type"] == DISABLED)
    assert event["data"]["reason"] == "gone"
    assert [person["name"] for person in event["data"]["addressees"]] == ["ops"]
    entries = live["aud"].pages("/v1/audit", stream=f"webhook:{webhook['id']}")
    assert "webhook.disabled" in {entry["action"] for entry in entries}
    # What happened meanwhile was kept: each of the four came, the first one twice.
    numbers = [message.event["data"]["number"] for message in gone.of(PUBLISHED, model=model)]
    assert sorted(set(numbers)) == [1, 2, 3, 4]
    assert back["revision"] == 3


def test_a_redirect_is_not_followed(live: Live) -> None:
    with sink() as target, sink(307, location=target.url) as moved:
        webhook = make_webhook(live, moved)
        publish(live, make_model(live))
        moved.wait(lambda got: len(got) >= 2)
        (delivery,) = deliveries(live, webhook, state="pending")
        remove(live, webhook)

    assert target.got == []
    assert (delivery["state"], delivery["code"]) == ("pending", 307)


def test_a_receiver_that_hangs_holds_no_other(live: Live) -> None:
    with sink(HANG) as hanging, sink() as good:
        stuck, webhook = make_webhook(live, hanging), make_webhook(live, good)
        model, slowest = make_model(live), 0.0
        for _ in range(4):
            begun, before = time.monotonic(), len(good.got)
            publish(live, model)
            good.wait(partial(longer, before))
            slowest = max(slowest, time.monotonic() - begun)
        hanging.wait(len)
        found = wait_for(live, stuck, active=True)
        for item in (stuck, webhook):
            remove(live, item)

    assert slowest < 3
    assert found["failing_since"] is None or found["failures"] > 0


def test_a_receiver_is_removed_while_messages_are_on_their_way_to_it(live: Live) -> None:
    model = make_model(live)
    with sink() as good:
        for _ in range(12):
            webhooks = [make_webhook(live, good) for _ in range(4)]
            before = len(good.got)
            for _ in range(4):
                publish(live, model)
            good.wait(partial(longer, before))
            for webhook in webhooks:
                remove(live, webhook)

        assert len(good.of(PUBLISHED, model=model)) > 12


def test_both_secrets_sign_while_they_overlap_and_one_afterwards(live: Live) -> None:
    with sink() as good:
        webhook = make_webhook(live, good)
        path, model = f"/v1/webhooks/{webhook['id']}", make_model(live)
        second = live["ops"].post(f"{path}:rotate", {"overlap_hours": 2})["secret"]
        publish(live, model)
        good.wait(lambda _: good.of(PUBLISHED, model=model, number=1))
        third = live["ops"].post(f"{path}:rotate", {"overlap_hours": 0})["secret"]
        publish(live, model)
        good.wait(lambda _: good.of(PUBLISHED, model=model, number=2))
        remove(live, webhook)

    (first,), (last,) = (good.of(PUBLISHED, model=model, number=n) for n in (1, 2))
    secrets = [webhook["secret"], second, third]
    assert [first.signed_with(secret) for secret in secrets] == [True, True, False]
    assert [last.signed_with(secret) for secret in secrets] == [False, False, True]


def test_a_test_goes_to_the_one_that_is_tested_and_again_when_asked(live: Live) -> None:
    tested = "notifications.webhook.tested"
    with sink() as one, sink() as other:
        webhook, beside = make_webhook(live, one), make_webhook(live, other, "*")
        sent = live["ops"].post(f"/v1/webhooks/{webhook['id']}:test")
        one.wait(lambda _: one.of(tested))
        model = make_model(live)
        publish(live, model)
        other.wait(lambda _: other.of(PUBLISHED, model=model))
        path = f"/v1/webhooks/{webhook['id']}/deliveries/{sent['id']}"
        live["ops"].post(f"{path}:redeliver")
        one.wait(lambda _: len(one.of(tested)) == 2)
        with pytest.raises(Problem) as nowhere:
            live["ops"].post(f"/v1/webhooks/{beside['id']}/deliveries/{sent['id']}:redeliver")
        for item in (webhook, beside):
            remove(live, item)

    assert {message.id for message in one.of(tested)} == {sent["event_id"]}
    assert other.of(tested) == []
    assert nowhere.value.status == 404


def test_a_killed_worker_is_replaced_and_what_it_had_in_hand_comes(live: Live) -> None:
    worker = wait_worker(live.process.pid)
    with sink(HANG, 204) as slow:
        webhook = make_webhook(live, slow)
        model = make_model(live)
        publish(live, model)
        publish(live, model)
        slow.wait(len)
        os.kill(worker, signal.SIGKILL)
        wait_worker(live.process.pid, other_than=worker)
        slow.wait(lambda _: len({message.id for message in slow.of(PUBLISHED, model=model)}) == 2)
        slow.wait(lambda got: len(got) >= 3)
        remove(live, webhook)

    ids = [message.id for message in slow.got]
    assert ids.count(ids[0]) == 2
    assert len(set(ids)) == 2


@pytest.mark.parametrize("url", ["ftp://example.com/", "https://user@example.com/", "https:///x"])
def test_an_address_that_is_never_called_is_refused(live: Live, url: str) -> None:
    answer = speaker(live, "ops").post("/v1/webhooks", json={"url": url})

    problem_of(answer, 422, "address_refused")


def test_a_name_that_leads_inside_is_not_called(live: Live) -> None:
    with sink() as good:
        inner = Sink("http://10.0.0.1:9/in", [])
        webhook, _ = make_webhook(live, inner), make_webhook(live, good)
        publish(live, make_model(live))
        good.wait(len)
        wait_for(live, webhook, active=True)
        deadline = time.monotonic() + ARRIVES_SECONDS
        while not (found := deliveries(live, webhook))[:1] or not found[0]["attempts"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        remove(live, webhook)

    assert found[0]["error"].startswith("address_refused")


def test_who_may_not_say_where_events_go_is_refused(live: Live) -> None:
    body = {"url": "https://hooks.example.com/T0/B0", "types": ["release.*"]}
    narrow = live["ops"].post(
        f"/v1/principals/{live['ops'].get('/v1/me')['id']}/keys", {"days": 1, "points": ["one"]}
    )["key"]
    webhook = live.admin.post("/v1/webhooks", body)
    path = f"/v1/webhooks/{webhook['id']}"
    with httpx.Client(
        base_url=live.url, headers={"Authorization": f"Bearer {narrow}", "If-Match": '"1"'}
    ) as narrowed:
        for answer in (
            narrowed.post("/v1/webhooks", json=body),
            narrowed.patch(path, json={"active": False}),
            narrowed.delete(path),
            narrowed.post(f"{path}:rotate", json={}),
            narrowed.post(f"{path}:test"),
        ):
            problem_of(answer, 403, "out_of_scope")
    for who in ("dev", "val", "com", "aud"):
        problem_of(speaker(live, who).post("/v1/webhooks", json=body), 403, "permission_denied")
    shown = live["aud"].get(path)
    remove(live, webhook)

    # An address may be a secret itself: who only reads is told where it leads.
    assert (webhook["url"], shown["url"]) == (body["url"], "https://hooks.example.com/…")


def test_alerts_of_a_decision_point_that_there_is_not_are_not_waited_for(live: Live) -> None:
    body: dict[str, Any] = {"url": "https://hooks.example.com/"}
    there = make_point(live)
    wrong = {"alerts": {"points": [there, "nosuch"]}}
    refused = problem_of(
        speaker(live, "ops").post("/v1/webhooks", json={**body, **wrong}), 422, "no_such_point"
    )
    assert "'nosuch'" not in refused["mend"]
    assert "nosuch" in refused["detail"].split(".")[1]
    assert 0 < len(refused["known"]) <= 20
    webhook = live["ops"].post("/v1/webhooks", {**body, "alerts": {"points": [there]}})
    path = f"/v1/webhooks/{webhook['id']}"
    answer = speaker(live, "ops").patch(path, json=wrong, headers={"If-Match": '"1"'})
    problem_of(answer, 422, "no_such_point")
    assert live["ops"].get(path)["alerts"]["points"] == [there]
    remove(live, webhook)


def test_nobody_edits_what_he_has_not_seen(live: Live) -> None:
    webhook = live.admin.post("/v1/webhooks", {"url": "https://hooks.example.com/"})
    path, speaks = f"/v1/webhooks/{webhook['id']}", speaker(live, "ops")
    blind = speaks.patch(path, json={"active": False})
    good = speaks.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    stale = speaks.patch(path, json={"active": True}, headers={"If-Match": '"1"'})
    remove(live, webhook)
    gone = speaks.get(path)

    problem_of(blind, 428, "condition_missing")
    assert (good.status_code, good.headers["etag"], good.json()["types"]) == (200, '"2"', ["*"])
    problem_of(stale, 412, "condition_stale")
    problem_of(gone, 404, "not_found")
