"""What is said of rare successes."""

import numpy as np
import pytest

from app.kit.sequences import Sums, difference


@pytest.mark.parametrize(("rate", "share"), [(0.02, 0.05), (0.98, 0.05), (0.05, 0.1)])
def test_rare_successes_of_a_small_arm_are_not_called_early(rate: float, share: float) -> None:
    """Of 200 runs of two equal arms, looked at sixty times each; promised is one in 20."""
    rng = np.random.default_rng(23)
    wrong = said = 0
    for _ in range(200):
        arm = rng.random(60_000) < share
        won = rng.random(60_000) < rate
        sums = [
            (np.cumsum(side)[999::1000], np.cumsum(side & won)[999::1000]) for side in (arm, ~arm)
        ]
        looks = [
            difference(Sums(n, t, t), Sums(m, u, u))
            for n, t, m, u in zip(*sums[0], *sums[1], strict=True)
        ]
        known = [one for one in looks if one is not None]
        said += bool(known)
        wrong += any(not one.low <= 0 <= one.high for one in known)

    assert said > 150
    assert wrong <= 14
