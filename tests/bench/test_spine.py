import pytest

from tests.bench.quick import quick_run
from tests.bench.spine import BOUNDS


@pytest.mark.slow
def test_a_quick_run_ends_with_one_line_of_figures() -> None:
    figures = quick_run("spine", BOUNDS)

    for name in ("routes", "bare", "events", "copy_rows"):
        assert figures[f"{name}_per_second"] > 0
    assert figures["events_acknowledged"] <= figures["events_stored"]
    assert figures["events_stored"] == figures["receipts_stored"]
