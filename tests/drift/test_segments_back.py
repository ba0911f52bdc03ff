"""A segment that changed and is back: its alert is over as soon as any other's would be."""

from tests.drift.test_segments_watched import alerts, send
from tests.live import Live, champion, make_point
from tests.system.traffic import wait_for

SUBJECT = ("data", "x [state=NSW]")
DAYS, BAD = 15, range(6, 9)


def test_an_alert_recovers_by_the_first_windows_that_are_as_they_were(live: Live) -> None:
    """Three days of fifteen were another mix: they are not what the days after are measured by."""
    place = champion(live, point=make_point(live, segments=["state", "sex"]))
    monitor = {"min_rows": 50, "hits": 2, "of": 3, "segments": True}
    live["ops"].put(f"/v1/decision-points/{place.point}/monitor", monitor)
    send(
        live, place, DAYS,
        lambda day, state: 2.0 if day in BAD and state == "NSW" else 0.0,
        lambda *_: 0.8,
    )  # fmt: skip
    path = f"/v1/models/{place.model}/versions/{place.version}/drift"
    wait_for(lambda: len(live["aud"].get(path)["items"]) == DAYS - 1, "the windows that closed")
    windows = live["aud"].get(path)["items"][::-1]

    parts = [
        next(one for one in window["segments"] if one["segment"] == "state=NSW")
        for window in windows
    ]
    drifts = [any(row["drifts"] for row in part["variables"]) for part in parts]
    assert drifts == [day in BAD for day in range(DAYS - 1)]
    # Another two are in the week before the last window, and its days are what is left of it.
    assert [part["left_out"] for part in parts][6:] == [0, 1, 2, 3, 3, 3, 3, 3]
    assert parts[-1]["before"] == 4 * parts[-1]["n"]
    over = alerts(live, place)[SUBJECT]
    assert (over["episode"], over["state"], over["ending"]) == (1, "resolved", "recovered")
    shown = live["aud"].get(f"/v1/alerts/{over['id']}")["evidence"][0]
    assert (shown["before"], shown["left_out"]) == (parts[7]["before"], 1)
