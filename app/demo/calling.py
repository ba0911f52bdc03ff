"""Integration testing: the version is served, and the server calls it as the application will."""

from collections.abc import Callable
from typing import Any

from app.demo import cycle
from app.demo.cast import Cast
from app.demo.cycle import Built, Names
from app.demo.market import Market
from app.demo.serving import serve

_CASES = 40
_LOAD = {"requests": 100, "concurrency": 2}
_SECONDS = 60


def integrate(cast: Cast, names: Names, market: Market, built: Built, case: Any) -> None:
    """Serve the version, have it called case by case and under load, and wait for the end."""
    rows = range(built.held_out.start, built.held_out.start + _CASES)
    expected = built.model.score(market.inputs[rows.start : rows.stop])
    cases: list[dict[str, Any]] = [
        {
            "name": f"half-hour {row}",
            "input": market.features(row),
            "expect": [{"pointer": "/probability", "value": float(wanted)}],
            "tolerance": {"absolute": 1e-9},
        }
        for row, wanted in zip(rows, expected, strict=True)
    ]
    cases.append({"name": "nothing sent", "input": {}, "bad": True})
    # What a version is tried with is the decision point's to say, and Oscar's: Dana built it.
    path = f"/v1/decision-points/{names.point}/contract-cases"
    cast["oscar"].put(path, {"cases": cases}, revision=built.number - 1 or None)
    with serve(built.model) as address:
        run = cast["dana"].post(
            f"/v1/releases/{case['id']}/integration-runs", {"endpoint": address, "load": _LOAD}
        )
        path = f"/v1/operations/{run['id']}"
        for _ in range(_SECONDS // 20):
            if cast["dana"].get(path, wait=20)["ended_at"] is not None:
                break


def release(
    cast: Cast, names: Names, market: Market, built: Built, say: Callable[[str, Any], None]
) -> Any:
    """Take the release's steps, with the version called by a server on this machine."""

    def called(case: Any) -> None:
        integrate(cast, names, market, built, case)

    return cycle.release(cast, names, market, built, say, called)
