"""Compiled plans as JSON and back, so that a process can answer by the last ones it saw. Pure."""

from typing import Any

from app.routing.conditions import compile_condition
from app.routing.engine import Arm, Branch, Compiled, Share, Watcher
from app.routing.linear import Linear


def dumped(value: Any) -> Any:
    """Return what JSON has no form for, as ``orjson`` asks: bytes in hex, and no functions."""
    if isinstance(value, Linear):
        return value.stored
    return value.hex() if isinstance(value, bytes) else None


def loaded(stored: dict[str, Any]) -> Compiled:
    """Return a plan as it was stored; its conditions are compiled again."""
    holdout = stored["holdout"]
    return Compiled(
        key=stored["key"],
        fragment=stored["fragment"],
        point_id=bytes.fromhex(stored["point_id"]),
        revision=stored["revision"],
        generation=stored["generation"],
        salt=bytes.fromhex(stored["salt"]),
        branches=tuple(_branch(one) for one in stored["branches"]),
        shadows=tuple(
            Watcher(_arm(one["arm"]), bytes.fromhex(one["salt"]), one["limit"])
            for one in stored["shadows"]
        ),
        holdout=None if holdout is None else (Share(**holdout[0]), _arm(holdout[1])),
        oldest_ms=stored["oldest_ms"],
        stale=None if stored["stale"] is None else _arm(stored["stale"]),
    )


def _branch(stored: dict[str, Any]) -> Branch:
    when, layer, linear = stored["when"], stored["layer"], stored.get("linear")
    return Branch(
        name=stored["name"],
        total=stored["total"],
        bounds=tuple(stored["bounds"]),
        arms=tuple(_arm(one) for one in stored["arms"]),
        when=when,
        test=None if when is None else compile_condition(when),
        layer=None if layer is None else Share(**layer),
        salt=stored["salt"],
        linear=None if linear is None else Linear(linear),
        left=stored.get("left", 1.0),
        remote=stored.get("remote", False),
        sticky_ms=stored.get("sticky_ms"),
    )


def _arm(stored: dict[str, Any]) -> Arm:
    return Arm(**{**stored, "version_id": bytes.fromhex(stored["version_id"])})
