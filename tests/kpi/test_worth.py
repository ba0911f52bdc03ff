"""What a version is worth beside a holdout, by simulation with a known truth."""

import numpy as np
import pytest

from app.kit.arrays import Floats
from app.kpi.worth import Brought, lacking, worth


def brought(values: Floats) -> Brought:
    earning = int(np.count_nonzero(values))
    return Brought(len(values), float(values.sum()), float((values**2).sum()), earning)


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_the_interval_covers_what_was_truly_done_at_every_look(effect: float) -> None:
    """Of a hundred histories looked at twenty times each, at most five are wrong anywhere."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(100):
        treated = rng.exponential(2.0, 4000) * (rng.random(4000) < 0.3) + effect
        kept = rng.exponential(2.0, 1000) * (rng.random(1000) < 0.3)
        looks = [
            worth(brought(treated[: 4 * end]), brought(kept[:end])) for end in range(50, 1001, 50)
        ]
        known = [one.per_unit for one in looks if one is not None]
        assert known
        wrong += any(not one.low <= effect <= one.high for one in known)

    assert wrong <= 5


def test_a_gain_here_that_costs_more_there_is_a_loss_in_all() -> None:
    rng = np.random.default_rng(12)
    here, there = rng.normal(1.0, 1, 5000), rng.normal(-1.5, 1, 5000)
    kept = rng.normal(0, 1, (2, 2000))

    gained = worth(brought(here), brought(kept[0]))
    lost = worth(brought(there), brought(kept[1]))
    together = worth(brought(here + there), brought(kept.sum(axis=0)))

    assert gained is not None
    assert lost is not None
    assert together is not None
    assert gained.per_unit.low > 0
    assert together.per_unit.high < 0
    parts = gained.per_unit.difference + lost.per_unit.difference
    assert together.per_unit.difference == pytest.approx(parts)


def test_the_total_is_of_all_units_where_a_share_was_looked_at() -> None:
    rng = np.random.default_rng(13)
    found = worth(brought(rng.normal(2, 1, 900)), brought(rng.normal(1, 1, 900)), share=0.1)

    assert found is not None
    assert found.total.difference == pytest.approx(found.per_unit.difference * 9000)


@pytest.mark.parametrize(
    ("rate", "spread", "kept_share"), [(0.02, 1.0, 0.05), (0.02, None, 0.05), (0.01, 1.5, 0.02)]
)
def test_rare_and_skewed_rewards_are_not_called_early(
    rate: float, spread: float | None, kept_share: float
) -> None:
    """Of 150 histories without any effect, looked at sixty times each; promised is one in 20."""
    rng = np.random.default_rng(17)
    wrong, said = 0, 0
    for _ in range(150):
        units = 60_000
        paid = rng.lognormal(0, spread, units) if spread else np.ones(units)
        values = paid * (rng.random(units) < rate)
        held = rng.random(units) < kept_share
        looks = []
        for end in range(1000, units + 1, 1000):
            some, kept = values[:end], held[:end]
            looks.append(worth(brought(some[~kept]), brought(some[kept])))
        known = [one.per_unit for one in looks if one is not None]
        said += bool(known)
        wrong += any(not one.low <= 0 <= one.high for one in known)

    assert wrong <= 9
    assert said > 100 or kept_share == 0.02


def test_a_holdout_that_brings_nothing_is_an_answer() -> None:
    """No call, no revenue."""
    found = worth(Brought(9000, 4000.0, 4000.0, 4000), Brought(1000, 0.0, 0.0, 0))

    assert found is not None
    assert found.per_unit.low > 0.35


def test_who_has_had_too_few_units_is_named() -> None:
    def of(units: int, earning: int) -> Brought:
        return Brought(units, 1.0 * earning, 1.0 * earning, earning)

    assert lacking(of(5000, 900), of(20, 3)) == (
        "the holdout has had 20 units; 100 of each are needed"
    )
    assert lacking(of(20, 3), of(500, 90)) == "the version has had 20 units; 100 of each are needed"
    assert lacking(of(9000, 90), of(1000, 10)) == (
        "of the 1000 units that the holdout has had, 10 should have brought anything; 40 are needed"
    )
    assert lacking(of(100, 50), of(100, 50)) is None
