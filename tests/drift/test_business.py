"""Business drift: KPIs that windows miss, and the life of an alert about one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import audit
from app.drift.alert_rules import AlertKind, Ending, Seen, Severity, State, Voice, lasting, left
from app.drift.business import KpiSeen, judged
from app.drift.rules import Thresholds
from tests.drift.watched import Watched

START = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Thresholds()
MARGIN = KpiSeen(
    key="margin", formula="mean_reward", value=0.5, low=None, high=None, n=500,
    direction="at_least", threshold=1.0, tolerance=0.25, digest="sha256:0", missed=True,
    gravely=True, counted=True,
)  # fmt: skip


def test_of_too_few_outcomes_nothing_is_said_unless_the_kpi_speaks_alone() -> None:
    few = replace(MARGIN, n=499)
    alone = replace(MARGIN, key="uplift", n=1, counted=False)
    unknown = replace(MARGIN, key="nothing", value=None, counted=False)

    rows = judged([MARGIN, replace(few, key="few"), alone, unknown], 500)

    assert {row["key"] for row in rows if row["missed"] is not None} == {"margin", "uplift"}
    assert {row["key"] for row in rows if row["gravely"]} == {"margin", "uplift"}
    assert rows[0]["threshold"] == 1.0
    assert "counted" not in rows[0]


def seen(number: int, *, missed: bool | None, beside: bool | None = False) -> Seen:
    words = {Voice(AlertKind.BUSINESS, "a"): missed, Voice(AlertKind.BUSINESS, "b"): beside}
    return Seen(
        START + timedelta(days=number),
        frozenset(voice for voice, word in words.items() if word is not None),
        {voice: Severity.WARNING for voice, word in words.items() if word},
    )


def over(history: list[Seen], subject: tuple[AlertKind, str], since: datetime) -> bool:
    return left(history, subject, LIMITS, since, Severity.WARNING) is None


Words = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=15)


@given(Words, st.integers(1, 4), st.integers(1, 4))
def test_only_windows_that_could_say_it_of_that_very_kpi_count(
    words: list[bool | None], hits: int, of: int
) -> None:
    limits = Thresholds(hits=min(hits, of), of=of)
    history = [seen(place, missed=word) for place, word in enumerate(words)]
    known = [word for word in words if word is not None]

    found = lasting(history, limits)

    lasts = sum(known[-of:]) >= limits.hits
    assert found == ({(AlertKind.BUSINESS, "a"): Severity.WARNING} if lasts else {})


def test_another_kpi_that_is_met_is_no_recovery() -> None:
    bad = [seen(0, missed=True), seen(1, missed=True)]
    subject = (AlertKind.BUSINESS, "a")
    silent = [seen(number, missed=None) for number in range(2, 8)]
    fine = [seen(number, missed=False) for number in range(8, 12)]

    assert not over([*bad, *silent], subject, bad[-1].until)
    assert over([*bad, *silent, *fine], subject, bad[-1].until)


@pytest.mark.anyio
async def test_it_fires_worsens_recovers_and_is_told_of_each(here: Watched) -> None:
    for word in ("missed", "unknown", "missed", "gravely", "gravely"):
        await here.window(kpis={"margin": word, "other": "met"})
    (episode,) = await here.episodes("margin")
    assert (episode.state, episode.severity) == (State.FIRING, Severity.CRITICAL)
    assert episode.since == START + timedelta(days=3)

    for _ in range(4):
        await here.window(kpis={"margin": "met"})
    (episode,) = await here.episodes("margin")
    assert episode.ending is Ending.RECOVERED
    told = [(kind.rpartition(".")[2], data["kind"], data["subject"])
            for kind, data in await here.told()]  # fmt: skip
    assert told == [(what, "business", "margin") for what in ("raised", "worsened", "resolved")]
    assert (await audit.verify(here.db, here.tenant)).faults == []


@pytest.mark.anyio
async def test_it_is_silenced_by_its_kind_and_key(here: Watched) -> None:
    at_once = Thresholds(hits=1, of=1)
    await here.silence(kind=AlertKind.BUSINESS, subject="margin")
    await here.window(kpis={"margin": "missed", "other": "missed"}, limits=at_once)

    assert [data["subject"] for _, data in await here.told()] == ["other"]
    assert len(await here.episodes("margin")) == 1
