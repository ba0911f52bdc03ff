"""Since when a guardrail judges, as a pure function."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app import routing
from app.activation.guardrail_said import Said
from app.activation.guardrail_tables import Guardrail
from app.activation.judging import JUDGED_HOURS, asks_for_alerts, judged_since, spoke

NOW = datetime(2026, 1, 2, 12, 34, 56, tzinfo=UTC)


def test_a_young_champion_is_judged_since_his_swap() -> None:
    swap = NOW - timedelta(hours=3)
    assert judged_since(swap, NOW) == swap


def test_an_old_one_by_his_newest_whole_hours() -> None:
    assert judged_since(NOW - timedelta(days=300), NOW) == datetime(2026, 1, 1, 13, tzinfo=UTC)


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_the_window_never_goes_back_and_is_never_longer(reign: int, later: int) -> None:
    swap = NOW - timedelta(seconds=reign)
    then = NOW + timedelta(seconds=later)
    assert swap <= judged_since(swap, NOW) <= judged_since(swap, then)
    assert then - judged_since(swap, then) <= timedelta(hours=JUDGED_HOURS)


def test_a_condition_speaks_once_and_one_about_alerts_anew_of_newer_ones() -> None:
    earlier, later = NOW - timedelta(hours=1), NOW + timedelta(hours=1)

    def said(when: str, **more: datetime | None) -> bool:
        return spoke(when, NOW, **{"resumed": None, "newest_alert": None, **more})

    assert not spoke("true", None, resumed=None, newest_alert=later)
    assert said("drift.share > 0.1", newest_alert=later)
    assert said("alerts.firing > 0", newest_alert=earlier)
    assert not said("alerts.firing > 0", newest_alert=later)
    for when in ("traffic.events > 0", "alerts.firing > 0 || traffic.events > 0"):
        assert not said(when, resumed=later, newest_alert=earlier)
        assert said(when, resumed=earlier, newest_alert=earlier)


def test_alerts_are_a_word_of_their_own() -> None:
    assert asks_for_alerts("alerts.business > 0 && traffic.events > 0")
    assert asks_for_alerts("size(alerts.open) > 0")
    assert not asks_for_alerts("drift.malerts > 0")


def test_what_was_accepted_is_not_judged_and_all_that_comes_after_it_is() -> None:
    seat = routing.Seat(role=routing.SeatRole.CHAMPION)
    days = timedelta(days=3)

    def said(began: datetime) -> Said:
        return Said(seat, began, [], {}, accepted=NOW)

    for when in ("performance.accuracy < 0.5", "alerts.critical > 3 || performance.accuracy < 0.5"):
        rail = Guardrail(name="rail", revision=7, when=when)
        assert said(NOW).since(rail) == datetime(2026, 1, 2, 13, tzinfo=UTC)
        assert said(NOW + days).since(rail) == NOW + days, "he came back long after that"
        assert said(NOW).heard(rail) == said(NOW + days).heard(rail) == NOW
        assert not said(NOW).already(rail, None), "no guardrail has spoken of this seat"
