import pytest

from tests.bench.catalog import BOUNDS
from tests.bench.quick import quick_run


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    figures = quick_run("catalog", BOUNDS)

    for name in ("register_version", "alias_lookup", "champion_lookup"):
        assert figures[f"{name}_per_second"] > 0
