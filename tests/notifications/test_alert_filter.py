"""Which alerts receivers are told of."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drift.alert_rules import AlertKind, Severity
from app.notifications.alert_filter import SEVERITIES, AlertFilter, Kind

RAISED = "drift.alert.raised"
Said = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(Severity).map(str),
        "kind": st.sampled_from(AlertKind).map(str),
        "point": st.sampled_from(["a", "b"]),
    }
)


def test_its_words_are_those_of_alerts() -> None:
    assert get_args(Kind) == tuple(AlertKind)
    assert tuple(Severity) == SEVERITIES


@given(Said, st.sampled_from(SEVERITIES), st.none() | st.sets(st.sampled_from(AlertKind)))
def test_an_alert_passes_that_is_severe_enough_of_a_kind_and_at_a_point(
    said: dict[str, str], floor: str, kinds: set[str] | None
) -> None:
    asked = AlertFilter.of({"severity": floor, "kinds": kinds, "points": ["a"]})

    assert asked.passes(RAISED, said) is (
        Severity(said["severity"]).rank >= Severity(floor).rank
        and (kinds is None or said["kind"] in kinds)
        and said["point"] == "a"
    )


@pytest.mark.parametrize("what", ["eased", "acknowledged", "resolved"])
def test_who_was_told_of_the_worst_hears_that_it_eased_and_is_over(what: str) -> None:
    strict = AlertFilter("critical")
    eased = {"severity": "notice", "worst": "critical", "kind": "data", "point": "a"}

    assert strict.passes(f"drift.alert.{what}", eased)
    assert not strict.passes(f"drift.alert.{what}", {**eased, "worst": "warning"})


@given(Said)
def test_who_chose_nothing_is_told_of_all(said: dict[str, str]) -> None:
    assert AlertFilter.of(None).passes(RAISED, said)
    assert AlertFilter.of({}).passes(RAISED, said)


@pytest.mark.parametrize("kind", ["release.version.moved", "drift.other"])
def test_what_is_no_alert_passes_and_what_an_older_release_did_not_say_too(kind: str) -> None:
    strict = AlertFilter("critical", kinds=("business",), points=("a",))

    assert strict.passes(kind, {"severity": "notice", "kind": "data", "point": "b"})
    assert strict.passes(RAISED, {"severity": "critical", "kind": "business"})
    assert not strict.passes(RAISED, {"severity": "critical", "kind": "data"})
