from collections.abc import Callable

import numpy as np
import pytest

from app.drift.estimating import Losses, expected_loss
from app.kit.arrays import Floats, Ints

LOSSES: dict[str, Callable[[Floats], Floats]] = {"absolute": np.abs, "squared": np.square}


def folded(places: Ints, loss: Floats) -> Losses:
    return Losses(
        np.bincount(places, minlength=20).astype(np.int64),
        np.bincount(places, loss, minlength=20).astype(np.float64),
        np.bincount(places, loss**2, minlength=20).astype(np.float64),
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("centre", [0.0, 1.0])
def test_a_regressors_loss_is_known_from_its_scores_while_it_errs_as_it_did(
    loss: str, centre: float
) -> None:
    rng = np.random.default_rng(7)
    edges = np.linspace(-2, 2, 19)
    away = []
    for _ in range(40):
        before = rng.normal(0, 1, 20_000)
        after = rng.normal(centre, 1, 5_000)
        (was, now) = (LOSSES[loss](rng.normal(0, 0.5 + 0.2 * np.abs(x))) for x in (before, after))
        reference = folded(np.searchsorted(edges, before), was)
        window = np.searchsorted(edges, after)

        found = expected_loss(np.bincount(window, minlength=20).astype(np.int64), reference)

        assert found is not None
        # By row: each row's loss is the mean of the reference's rows in its bin.
        means = reference.sums / reference.n
        assert found.value == pytest.approx(means[window].mean(), abs=1e-9)
        away.append((found.value - now.mean()) / found.realised_error)

    assert abs(np.mean(away)) < 0.8
    assert np.mean(np.abs(away) > 3) <= 0.05


def test_where_the_reference_was_never_its_neighbours_speak() -> None:
    reference = Losses(np.array([10, 0, 10]), np.array([10.0, 0, 30]), np.array([10.0, 0, 90]))

    found = expected_loss(np.array([0, 5, 0]), reference)

    assert found is not None
    assert found.value == 2.0
    assert expected_loss(np.zeros(3, np.int64), reference) is None
