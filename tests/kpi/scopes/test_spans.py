"""Over which hours scopes are measured: none twice, whole days of any zone, buckets that say so."""

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kpi.attribution import NotInOrder
from app.kpi.scopes.measuring import span_of
from app.kpi.scopes.reading import Span
from app.kpi.scopes.rules import ScopeFormula
from app.kpi.scopes.series import Grid
from app.platform.db import Database
from app.telemetry import begins, hour_at
from tests.kpi.scopes.grounds import Brought, Ground, make_ground
from tests.kpi.scopes.test_measuring import TODAY, line, measured

INDIA = timezone(timedelta(hours=5, minutes=30))
NINE_AN_HOUR = [Brought(TODAY - 1 - hour, 1.0) for hour in range(24 * 20) for _ in range(9)]


@pytest.fixture
async def ground(database: Database) -> Ground:
    return await make_ground(database)


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=6, unique=True), st.integers(-720, 840))
def test_times_that_follow_each_other_share_no_hour_and_leave_none_out(
    minutes: list[int], zone: int
) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone(timedelta(minutes=zone)))
    bounds = [start + timedelta(minutes=one) for one in sorted(minutes)]

    spans = []
    for since, until in pairwise(bounds):
        if hour_at(since) == hour_at(until):
            with pytest.raises(NotInOrder, match="one hour of UTC"):
                span_of(since, until)
        else:
            spans.append(span_of(since, until))

    hours = [hour for span in spans for hour in range(*span)]
    assert len(hours) == len(set(hours)) == hour_at(bounds[-1]) - hour_at(bounds[0])


@pytest.mark.anyio
async def test_one_end_alone_and_days_of_any_zone_are_judged_and_counted_once(
    ground: Ground,
) -> None:
    point = await ground.point()
    await ground.bring(point, NINE_AN_HOUR)
    scope = await ground.scope(point)
    await ground.agree(scope, "day", threshold=200.0)
    await ground.agree(scope, "two", threshold=400.0, window_days=2)
    noon = begins(TODAY - 24 * 4, 1) + timedelta(minutes=17)
    first = datetime.combine(noon.date(), datetime.min.time(), INDIA)

    until = await measured(ground, scope, until=noon)
    days = [
        await measured(ground, scope, since=first + one * A_DAY, until=first + (one + 1) * A_DAY)
        for one in range(2)
    ]
    both = await measured(ground, scope, since=first, until=first + 2 * A_DAY)
    since = await measured(ground, scope, since=begins(hour_at(noon) - 24, 1), until=noon)

    assert [(one["day"].value, one["day"].missed) for one in (until, *days, since)] == [
        (216.0, False)
    ] * 4  # fmt: skip
    assert (until["two"].value, until["two"].missed) == (432.0, False)
    assert (both["two"].value, both["two"].missed, both["day"].missed) == (432.0, False, None)


A_DAY = timedelta(days=1)


@pytest.mark.anyio
async def test_a_bucket_says_how_much_of_it_was_asked_about_and_weeks_begin_on_mondays(
    ground: Ground,
) -> None:
    point = await ground.point()
    await ground.bring(point, NINE_AN_HOUR)
    scope = await ground.scope(point)
    await ground.agree(scope, "k", formula=ScopeFormula.TOTAL_REWARD)
    span: dict[str, Any] = {"since": begins(TODAY - 24 * 9 + 5, 1), "until": begins(TODAY - 7, 1)}

    days, weeks = [await line(ground, scope, "k", **span, bucket_hours=n) for n in (None, 168)]
    newest = await line(ground, scope, "k")

    assert [one.covered_hours for one in days.figures] == [19, *[24] * 7, 17]
    for found in (days, weeks, newest):
        assert sum(one.covered_hours for one in found.figures) == (
            hour_at(found.until) - hour_at(found.since)
        )
    for found in (days, weeks):
        assert all(one.value == 9.0 * one.covered_hours for one in found.figures)
        assert all(one.value == 9.0 * one.covered_hours for one in found.parts[0].figures)
    assert {one.at.weekday() for one in weeks.figures} == {0}
    # By default whole days, but for the one that is not over.
    assert newest.since == begins(TODAY - 24 * 30, 1)
    assert {one.covered_hours for one in newest.figures[:-1]} == {24}


@given(st.integers(0, 10**6), st.integers(1, 5000), st.sampled_from([1, 5, 24, 168, 672]))
def test_buckets_cover_every_hour_of_a_time_once(first: int, length: int, width: int) -> None:
    grid = Grid(width, Span(first, first + length))

    hours = [
        hour
        for bucket in grid.buckets
        for hour in range(bucket * width - grid.shift, (bucket + 1) * width - grid.shift)
        if first <= hour < first + length
    ]

    assert hours == list(range(first, first + length))
