import pytest

from tests.bench.quick import quick_run
from tests.bench.routing import BOUNDS


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    figures = quick_run("routing", BOUNDS)

    for name in ("routes_per_second", "bare_per_second", "batch_decisions_per_second"):
        assert figures[name] > 0
    assert figures["flagd_core_us"] > figures["evaluate_us"]
