"""Whether variables go together as they did: by scikit-learn's components, and by what is known."""

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from app.drift.multivariate import together
from app.kit.arrays import Floats
from app.telemetry import Reconstruction
from app.telemetry.layout import fit
from app.telemetry.reconstruction import learn

NAMES = ("a", "b", "c", "d", "e")


def sample(rng: np.random.Generator, rows: int, *, tie: float = 0.9) -> Floats:
    """Five normal variables, of which a and b, and c and d, have to do with each other."""
    free = rng.normal(size=(rows, 5))
    rest = np.sqrt(1 - tie**2)
    free[:, 1] = tie * free[:, 0] + rest * free[:, 1]
    free[:, 3] = tie * free[:, 2] + rest * free[:, 3]
    return free


def learnt(values: Floats) -> Reconstruction:
    columns = [values[:, at].tolist() for at in range(values.shape[1])]
    bins = [fit(name, column, numeric=True) for name, column in zip(NAMES, columns, strict=False)]
    found = learn(bins, columns)
    assert found is not None
    return found


def rows_of(values: Floats) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=False)) for row in values.tolist()]


def test_errors_are_those_of_scikit_learns_components() -> None:
    rng = np.random.default_rng(1)
    values, fresh = sample(rng, 2000), sample(rng, 300)
    found = Reconstruction.load(learnt(values).dump())

    seen = values[::2]
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    pca = PCA(n_components=0.65, svd_solver="full").fit((seen - mean) / scale)
    scaled = (fresh - mean) / scale
    again = pca.inverse_transform(pca.transform(scaled))

    assert len(found.components) == pca.n_components_
    assert found.errors(rows_of(fresh)) == pytest.approx(
        np.linalg.norm(scaled - again, axis=1), rel=1e-9
    )


def test_variables_that_part_are_found_though_each_looks_as_before() -> None:
    rng = np.random.default_rng(2)
    found = learnt(sample(rng, 5000))
    parted = sample(rng, 1000)
    parted[:, 1] = rng.permutation(parted[:, 1])  # its values, and nothing to do with a any more

    said = together(found, found.errors(rows_of(parted)), 500)

    assert said.beyond is True
    assert said.effect is not None
    assert said.effect > 0.3


def test_rows_like_the_baselines_are_hardly_ever_beyond() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(20):
        found = learnt(sample(rng, 3000))
        alarms += sum(
            together(found, found.errors(rows_of(sample(rng, 600))), 500).beyond is True
            for _ in range(30)
        )

    assert alarms <= 6


def test_too_few_rows_are_measured_and_not_judged() -> None:
    rng = np.random.default_rng(4)
    found = learnt(sample(rng, 1000))

    said = together(found, found.errors(rows_of(sample(rng, 100))), 500)

    assert (said.n, said.beyond) == (100, None)
    assert said.error is not None
    assert together(found, np.zeros(0), 500).error is None


def test_categories_stand_for_how_often_they_were_and_what_is_missing_for_nothing() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(size=1000)
    kind = np.where(a + rng.normal(size=1000) > 0, "x", "y").tolist()
    columns: list[list[Any]] = [a.tolist(), kind, rng.normal(size=1000).tolist()]
    columns[0][3], columns[1][5], columns[2][7] = None, None, "many"
    bins = [
        fit("a", columns[0], numeric=True), fit("kind", kind, numeric=False),
        fit("c", columns[2], numeric=True),
    ]  # fmt: skip

    found = learn(bins, columns)

    assert found is not None
    assert sum(found.shares["kind"].values()) == pytest.approx(1.0)
    assert np.isfinite(found.errors([{"kind": "never seen"}, {"a": 1.0, "c": float("inf")}])).all()


@pytest.mark.parametrize("values", [np.ones((500, 3)), np.arange(500.0)[:, None]])
def test_of_what_never_varies_or_stands_alone_nothing_is_learnt(values: Floats) -> None:
    columns = [values[:, at].tolist() for at in range(values.shape[1])]
    bins = [fit(name, column, numeric=True) for name, column in zip(NAMES, columns, strict=False)]

    assert learn(bins, columns) is None
