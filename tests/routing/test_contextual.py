"""The contextual bandit: its models, its chances, what they earn, and what is logged of them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from bayesianbandits import NormalInverseGammaRegressor
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.kit.arrays import Floats
from app.routing.contexts import Contextual, vector, width
from app.routing.engine import Arm, Branch, Compiled, cbor_text, salt
from app.routing.explaining import explanation
from app.routing.flagd import flag_of
from app.routing.linear import DRAWS, Linear, Posterior, linear_of
from app.routing.logged import Logged, fitted
from app.routing.offpolicy import FEWEST, estimated
from app.routing.stored import dumped, loaded
from tests.live import Live, wait_folded
from tests.routing.plans import Cast, cast
from tests.system.traffic import wait_for

STRATEGY: dict[str, Any] = {
    "kind": "contextual",
    "arms": [
        {"name": "calm", "model": "price", "version": 1},
        {"name": "bold", "model": "price", "version": 2},
    ],
    "features": [
        {"kind": "number", "name": "age", "centre": 40, "scale": 10},
        {"kind": "category", "name": "region", "levels": ["vic", "nsw"]},
    ],
}


def strategy(**more: Any) -> Contextual:
    return Contextual.model_validate({**STRATEGY, **more})


def world(dice: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Contexts, and what each of two arms earns in them: the young take one, the old the other."""
    ages = dice.normal(40, 10, n)
    contexts = np.array([vector(strategy().features, {"age": age}) for age in ages])
    gain = contexts[:, 1]
    return contexts, np.stack([-gain, gain], axis=1) * 0.5


@given(
    st.dictionaries(
        st.sampled_from(["age", "region", "other"]),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
        | st.sampled_from(["vic", "nsw"]),
    )
)  # fmt: skip
def test_any_context_becomes_few_and_finite_numbers(context: dict[str, Any]) -> None:
    found = vector(strategy().features, context)

    assert found.shape == (width(strategy().features),) == (4,)
    assert found[0] == 1
    assert np.abs(found).max() <= 5
    assert found[2:].sum() == (context.get("region") in ("vic", "nsw"))


@pytest.mark.parametrize(
    "change",
    [
        {"features": []},
        {"features": [STRATEGY["features"][0]] * 2},
        {"features": [{"kind": "number", "name": "x", "scale": 0}]},
        {"features": [{"kind": "category", "name": "targetingKey", "levels": ["vip"]}]},
        {"features": [{"kind": "category", "name": "x", "levels": ["a", "a"]}]},
        {"features": [{"kind": "category", "name": f"x{n}",
                       "levels": [f"l{m}" for m in range(20)]} for n in range(4)]},
    ],
)  # fmt: skip
def test_features_that_tell_nothing_apart_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        strategy(**change)


@pytest.mark.parametrize("n", [0, 3, 500])
def test_a_posterior_is_that_of_an_independent_regression(n: int) -> None:
    dice = np.random.default_rng(n)
    contexts = np.column_stack([np.ones(n), dice.normal(size=(n, 2))])
    rewards = contexts @ np.array([0.3, -1.0, 2.0]) + dice.normal(size=n)
    its = NormalInverseGammaRegressor(mu=0.0, lam=1.0, a=1.0, b=1.0)
    if n:
        its.fit(contexts, rewards)

    mine = Posterior.of(contexts, rewards)

    if n:
        assert mine.centre == pytest.approx(np.asarray(its.coef_))
        assert np.triu(mine.precision) == pytest.approx(np.triu(np.asarray(its.cov_inv_)))
        assert (mine.shape, mine.rate) == pytest.approx((its.a_, its.b_))
    drawn = mine.drawn(np.random.default_rng(1), 40_000)
    assert drawn.mean(axis=0) == pytest.approx(mine.centre, abs=0.08)
    if n == 500:
        expected = np.linalg.inv(mine.precision) * mine.rate / (mine.shape - 1)
        assert np.cov(drawn.T) == pytest.approx(expected, abs=3e-4)


def learnt(n: int = 2_000, **more: Any) -> Linear:
    dice = np.random.default_rng(5)
    contexts, means = world(dice, n)
    taken = dice.integers(0, 2, n)
    rewards = means[np.arange(n), taken] + dice.normal(size=n)
    fit = fitted(Logged(taken, np.full(n, 0.5), rewards, contexts), 2)
    return Linear(linear_of(strategy(**more), [one.stored() for one in fit.posteriors]))


def test_each_unit_gets_the_arm_that_earns_more_of_it() -> None:
    linear, turned = learnt(), learnt(better="lower")

    assert linear.chances({"age": 20})[0] > 0.9
    assert linear.chances({"age": 60})[1] > 0.9
    assert turned.chances({"age": 20})[1] > 0.9
    assert 0.1 < linear.chances({"age": 40})[0] < 0.9


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e6, 1e6), st.sampled_from(["vic", "nsw", None]))
def test_chances_keep_the_floor_and_are_the_same_to_anyone(age: float, region: str | None) -> None:
    linear = learnt(300, floor=0.05)
    again = Linear(orjson.loads(orjson.dumps(linear.stored)))
    context = {"age": age, "region": region}

    assert linear.chances(context).sum() == pytest.approx(1)
    assert linear.chances(context).min() >= 0.05 - 1e-9
    assert again.bounds(context) == linear.bounds(context)
    assert linear.bounds(context)[-1] == 10_000


def shares(rewards: Floats, taken: Any = None) -> Floats:
    """The chances at a clear difference, of what rewards of two arms have taught."""
    dice = np.random.default_rng(6)
    n = len(rewards)
    contexts = world(dice, n)[0]
    taken = dice.integers(0, 2, n) if taken is None else taken
    gain = contexts[:, 1] * np.where(taken == 1, 1, -1) if np.ptp(rewards) else 0
    fit = fitted(Logged(taken, np.full(n, 0.5), rewards + gain, contexts), 2)
    stored = [one.stored() for one in fit.posteriors]
    return Linear(linear_of(strategy(), stored)).chances({"age": 60})


def test_one_reward_is_not_all_the_evidence() -> None:
    rewards = np.random.default_rng(7).normal(size=2_000)
    rewards[17] = 1e9

    assert shares(rewards)[1] > 0.9


@pytest.mark.parametrize("value", [0.1, 7.7, 0.0])
def test_rewards_that_are_all_alike_tell_no_arm_from_another(value: float) -> None:
    taken = (np.arange(1_100) >= 1_000).astype(np.int64)

    assert shares(np.full(1_100, value), taken) == pytest.approx([0.5, 0.5], abs=0.08)


def test_two_arms_that_are_stopped_are_one_to_who_answers_for_both() -> None:
    compiled = plan(learnt())
    (branch,) = compiled.branches
    stopped = Arm("fallback", b"", 1.0, '"propensity":1.0,"arm":"fallback"', "stop")
    both = replace(branch, arms=(stopped, stopped))

    arm, _ = both.own({"age": 44}, 12345)

    assert arm.propensity == pytest.approx(0.9)


def plan(linear: Linear) -> Compiled:
    arms = tuple(
        Arm(name, name.encode().ljust(16), 0.5, f'"propensity":0.5,"arm":"{name}"')
        for name in ("calm", "bold")
    )
    branch = Branch("all", 10_000, (5_000, 10_000), arms, linear=linear, left=0.9, remote=True)
    return Compiled("p", "", bytes(16), 1, 1, salt("p"), (branch,), ())


def test_units_are_shared_out_by_their_own_chances_which_the_token_tells() -> None:
    compiled, context = plan(learnt()), {"age": 44}
    chance = compiled.branches[0].linear.chances(context)  # type: ignore[union-attr]
    arms = [
        compiled.assign(unit, cbor_text(unit), context)
        for unit in (f"unit-{n}" for n in range(4_000))
    ]
    bold = [arm for arm in arms if arm.name == "bold"]

    assert len(bold) / len(arms) == pytest.approx(chance[1], abs=0.03)
    assert len({arm.propensity for arm in bold}) == 1
    assert bold[0].propensity == pytest.approx(0.9 * chance[1], abs=1e-4)
    assert orjson.loads(f"{{{bold[0].fragment}}}")["propensity"] == bold[0].propensity
    why = explanation(compiled, "unit-1", context)
    assert why["weights"]["bold"] == pytest.approx(10_000 * chance[1], abs=1)
    assert why["of"] == 10_000


def test_a_plan_on_disk_gives_every_unit_the_same_and_a_flag_file_says_to_ask() -> None:
    compiled = plan(learnt())
    back = loaded(orjson.loads(orjson.dumps(compiled, default=dumped)))

    for number in range(300):
        unit, context = f"unit-{number}", {"age": number % 80}
        assert back.assign(unit, cbor_text(unit), context) == compiled.assign(
            unit, cbor_text(unit), context
        )
    flag = flag_of(compiled)
    assert (flag["state"], flag["metadata"]["remoteOnly"]) == ("DISABLED", True)


def test_it_earns_more_than_the_best_arm_alone() -> None:
    dice, n, each = np.random.default_rng(9), 40, 100
    contexts, taken, rewards, chances = [], [], [], []
    linear: Linear | None = None
    for _ in range(n):
        seen, means = world(dice, each)
        given_ = [np.full(2, 0.5) if linear is None else linear.of(one) for one in seen]
        arm = np.array([int(dice.random() > chance[0]) for chance in given_])
        contexts.append(seen)
        taken.append(arm)
        chances.append([chance[a] for chance, a in zip(given_, arm, strict=True)])
        rewards.append(means[np.arange(each), arm] + dice.normal(size=each))
        so_far = (np.concatenate(one) for one in (taken, chances, rewards, contexts))
        rows = Logged(*so_far)  # type: ignore[arg-type]
        fit = fitted(rows, 2)
        linear = Linear(linear_of(strategy(), [one.stored() for one in fit.posteriors]))
    mean = float(np.concatenate(rewards).mean())

    # Either arm alone earns 0, and who always knew would earn 0.5 E|x| = 0.4.
    assert mean > 0.3


def logged_by(dice: np.random.Generator, n: int) -> tuple[Logged, Floats]:
    contexts, means = world(dice, n)
    bold = 1 / (1 + np.exp(-0.8 * contexts[:, 1]))
    taken = (dice.random(n) < bold).astype(np.int64)
    propensities = np.where(taken == 1, bold, 1 - bold)
    rewards = means[np.arange(n), taken] + 1.0 + dice.normal(size=n)
    return Logged(taken, propensities, rewards, contexts), means + 1.0


def test_off_policy_estimates_find_the_truth_that_plain_means_miss() -> None:
    snips, robust, missed, covered = [], [], [], 0
    for run in range(60):
        rows, means = logged_by(np.random.default_rng([4, run]), 3_000)
        fit = fitted(rows, 2)
        found = estimated(
            1, rows.taken, rows.propensities, rows.rewards, fit.predicted(rows.contexts, 1)
        )
        assert found is not None
        truth = means[:, 1].mean()
        snips.append(found.snips - truth)
        robust.append(found.robust - truth)
        missed.append(rows.rewards[rows.taken == 1].mean() - truth)
        covered += abs(found.robust - truth) < 2 * found.robust_error

    assert np.mean(missed) > 0.1, "who was given to it is not as the others are"
    assert abs(np.mean(snips)) < 0.03
    assert abs(np.mean(robust)) < 0.02
    assert np.std(robust) < np.std(snips)
    assert covered >= 54


def test_too_little_for_an_arm_is_said_so() -> None:
    rows, _ = logged_by(np.random.default_rng(1), 1_000)
    none = replace(rows, taken=np.zeros(1_000, np.int64))
    few = replace(rows, taken=np.arange(1_000) // 900, propensities=np.full(1_000, 0.5))
    zero = np.zeros(1_000)

    assert estimated(1, none.taken, none.propensities, none.rewards, zero) is None
    assert (few.taken == 1).sum() < FEWEST
    assert estimated(1, few.taken, few.propensities, few.rewards, zero) is None
    assert DRAWS == 400


@pytest.fixture(scope="module")
def at(live: Live) -> Cast:
    return cast(live)


def test_over_http_it_learns_whom_to_give_to_whom(at: Cast) -> None:
    arms = [at.arm("champion", "old"), at.arm("challenger", "new")]
    features = [{"kind": "number", "name": "x"}]
    asked = {"kind": "contextual", "arms": arms, "features": features, "update_seconds": 1}
    at.put({"segments": [{"strategy": {**asked, "reward": "continuous", "burn_in_units": 50}}]})
    app, now = at.live["app"], datetime.now(UTC).isoformat()
    dice, events, outcomes = np.random.default_rng(2), [], []
    xs = dice.uniform(-2, 2, 800)
    units = [{"unit": f"unit-{n}", "context": {"x": float(x)}} for n, x in enumerate(xs)]
    for x, one in zip(
        xs, app.post(f"{at.path}/route:batch", {"units": units})["decisions"], strict=True
    ):
        features_ = {"x": float(x)}
        events.append({"token": one["token"], "at": now, "score": 0.5, "features": features_})
        reward = float(x if one["arm"] == "new" else -x)
        outcomes.append({"decision_id": one["decision_id"], "reward": reward, "at": now})
    app.post("/v1/events", {"events": events})
    app.post("/v1/outcomes", {"outcomes": outcomes})
    wait_folded(at.live, at.champion.point)

    def newest() -> Any:
        return at.live["aud"].get(f"{at.path}/rounds", limit=1)["items"][0]["segments"]["everyone"]

    wait_for(lambda: sum(newest().get("units", {}).values()) == 800, "a round", 20)
    wait_for(lambda: at.route("u", context={"x": 2})["propensity"] > 0.9, "the table", 5)
    given_ = [at.route(f"u-{n}", context={"x": 2})["arm"] for n in range(40)]
    other = [at.route(f"u-{n}", context={"x": -2})["arm"] for n in range(40)]
    (found,) = at.live["aud"].get(f"{at.path}/experiments")["experiments"]
    flag = app.get("/flagd/v1/flags.json")["flags"][at.champion.point]

    assert given_.count("new") > 35
    assert other.count("old") > 35
    assert newest()["burning_in"] is False
    assert found["strategy"] == "contextual"
    assert newest()["missing"] == {"x": 0}
    assert "precision" not in newest()["model"]["new"]
    assert found["advice"] == "wait"
    assert "does not compare" in found["lacking"][0]
    assert (
        [arm["gain"] for arm in found["arms"]]
        == [None, None]
        == [arm["p_best"] for arm in found["arms"]]
    )
    assert found["best"] in {"old", "new"}
    assert found["off_policy"]["new"]["snips"] == pytest.approx(0, abs=0.3)
    assert found["off_policy"]["new"]["effective"] == pytest.approx(400, abs=60)
    assert (flag["state"], flag["metadata"]["remoteOnly"]) == ("DISABLED", True)
