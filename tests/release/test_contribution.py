"""What each member contributes to an ensemble's worth."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from app.kit.arrays import Floats
from app.release.contribution import MOST_MEMBERS, Priced, contributions, lacking
from app.release.instantiation import Combiner, combine

Members = dict[str, Floats]


def made(seed: int, count: int, *, classes: bool) -> tuple[Members, dict[str, float], Floats]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=200)
    labels = (truth > 0).astype(float) if classes else truth
    members = {f"m{at}": truth + rng.normal(0, 0.5 + at, 200) for at in range(count)}
    return members, {name: float(rng.uniform(0.5, 3)) for name in members}, labels


def worth(
    members: Members, weights: dict[str, float], how: Combiner, labels: Floats, names: list[str]
) -> float:
    if not names:
        return 0.0
    scores = np.stack([members[name] for name in names])
    answer = combine(scores, np.array([weights[name] for name in names]), how)
    if set(labels.tolist()) <= {0.0, 1.0}:
        return float(roc_auc_score(labels, answer)) - 0.5
    return float(r2_score(labels, answer))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 4),
    st.booleans(),
    st.sampled_from([Combiner.MEAN, Combiner.WEIGHTED_MEAN, Combiner.MAX]),
)
def test_shapley_values_are_what_members_add_on_average_over_all_orders(
    seed: int,
    count: int,
    classes: bool,  # noqa: FBT001 - drawn
    how: Combiner,
) -> None:
    members, weights, labels = made(seed, count, classes=classes)
    names = sorted(members)

    found = contributions(members, weights, how, labels)

    assert found is not None
    for one in found["members"]:
        added = 0.0
        for order in permutations(names):
            before = sorted(order[: order.index(one["member"])])
            joined = sorted([*before, one["member"]])
            added += worth(members, weights, how, labels, joined)
            added -= worth(members, weights, how, labels, before)
        assert one["shapley"] == pytest.approx(added / factorial(count), abs=1e-9)
        rest = [name for name in names if name != one["member"]]
        left_out = found["worth"] - worth(members, weights, how, labels, rest)
        assert one["left_out"] == pytest.approx(left_out, abs=1e-9)
    shares = sum(one["shapley"] for one in found["members"])
    assert shares == pytest.approx(found["worth"], abs=1e-9)


def test_two_that_know_the_same_share_it_though_either_may_go() -> None:
    members, _, labels = made(3, 2, classes=True)
    twins = {"a": members["m0"], "b": members["m0"]}

    found = contributions(twins, {"a": 1.0, "b": 1.0}, Combiner.MEAN, labels)

    assert found is not None
    one, two = found["members"]
    assert one["left_out"] == two["left_out"] == pytest.approx(0, abs=1e-12)
    assert one["shapley"] == two["shapley"] == pytest.approx(found["worth"] / 2)


def test_of_more_than_eight_nothing_is_said() -> None:
    members, weights, labels = made(4, MOST_MEMBERS + 1, classes=True)

    assert contributions(members, weights, Combiner.MEAN, labels) is None
    assert "512 ensembles" in (lacking(MOST_MEMBERS + 1, labelled=True) or "")
    assert lacking(MOST_MEMBERS, labelled=True) is None
    assert "no labels" in (lacking(2, labelled=False) or "")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.tuples(*[st.floats(-50, 50)] * 4))
def test_in_money_shares_add_up_to_what_the_ensemble_brings_beyond_the_better_constant_answer(
    seed: int, count: int, prices: tuple[float, float, float, float]
) -> None:
    members, weights, labels = made(seed, count, classes=True)
    priced = Priced("value", "AUD a decision", *prices)
    names = sorted(members)
    # The prices as a matrix: answer, label.
    paid = np.array([[prices[3], prices[2]], [prices[1], prices[0]]])

    def brings(some: list[str]) -> float:
        scores = np.stack([members[name] for name in some])
        answer = combine(scores, np.array([weights[name] for name in some]), Combiner.WEIGHTED_MEAN)
        yes = (answer >= 0.5).astype(int)
        return float(np.mean([paid[at, int(label)] for at, label in zip(yes, labels, strict=True)]))

    found = contributions(members, weights, Combiner.WEIGHTED_MEAN, labels, priced)

    assert found is not None
    money = found["money"]
    constant = [np.mean([paid[yes, int(label)] for label in labels]) for yes in (0, 1)]
    assert (money["kpi"], money["unit"]) == ("value", "AUD a decision")
    assert money["worth"] == pytest.approx(brings(names), abs=1e-9)
    assert money["without"] == pytest.approx(max(constant), abs=1e-9)
    shares = sum(one["shapley"] for one in money["members"])
    assert shares == pytest.approx(money["worth"] - money["without"], abs=1e-9)
    for one in money["members"]:
        rest = [name for name in names if name != one["member"]]
        assert one["left_out"] == pytest.approx(money["worth"] - brings(rest), abs=1e-9)


def test_numbers_have_no_price() -> None:
    members, weights, labels = made(5, 2, classes=False)

    found = contributions(
        members, weights, Combiner.MEAN, labels, Priced("value", "AUD", 1.0, -1.0, -1.0, 0.0)
    )

    assert found is not None
    assert found["money"] is None
    assert "numbers" in found["money_lacking"]
