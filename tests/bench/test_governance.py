import pytest

from tests.bench.governance import BOUNDS
from tests.bench.judging import RULES, ten_rules
from tests.bench.quick import quick_run


def test_the_judged_policy_has_ten_different_rules() -> None:
    assert len({rule.when for rule in ten_rules()}) == RULES


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    assert quick_run("governance", BOUNDS)["entries"] > 6_000
