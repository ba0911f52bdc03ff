"""A right is limited only to what is known where it is asked for."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.identity.decisions import DEFAULT, LIMITS, Action, BadRights
from app.identity.rights import checked

APP = Path(__file__).parents[2] / "app"
FIELDS = {"tier": "tiers", "model": "models", "point": "points"}
VALUES = {"tiers": ["high"], "models": ["price"], "points": ["bidding"]}


def asked() -> Iterator[tuple[Action, tuple[str, ...]]]:
    """Yield the places that each call of ``require_right`` names by keyword, and its action."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(
                "require_right"
            ):
                continue
            keywords = [keyword.arg for keyword in node.keywords]
            actions = [
                Action[argument.attr]
                for argument in node.args
                if isinstance(argument, ast.Attribute) and argument.attr in Action.__members__
            ]
            # The catalog's own knows the model it is given, and is named without a module.
            named = ["tier", "model"] if "by" in keywords else keywords
            for action in actions if None not in keywords else ():
                yield action, tuple(field for name, field in FIELDS.items() if name in named)


def with_grant(**grant: Any) -> dict[str, Any]:
    body = DEFAULT.model_dump(mode="json")
    return {**body, "grants": [*body["grants"], {"role": "operator", **grant}]}


def test_the_table_of_limits_is_what_the_calls_name() -> None:
    found = list(asked())

    assert len(found) > 10
    for action, limits in found:
        assert LIMITS[action] == limits, action


@pytest.mark.parametrize("action", Action)
def test_a_right_is_limited_to_what_its_action_knows_and_to_nothing_else(action: Action) -> None:
    known = {field: VALUES[field] for field in LIMITS[action]}
    checked(with_grant(action=action, **known))

    for field in VALUES.keys() - known.keys():
        with pytest.raises(BadRights) as refusal:
            checked(with_grant(action=action, **{field: VALUES[field]}))
        (error,) = refusal.value.extra["errors"]
        assert error["at"] == f"grants.{len(DEFAULT.grants)}.{field}"
        assert error["limits"] == list(LIMITS[action])
        assert action in refusal.value.detail


def test_every_limit_that_is_not_known_is_named() -> None:
    with pytest.raises(BadRights) as refusal:
        checked(with_grant(action="plan.edit", tiers=["high"], models=["price"], points=["x"]))

    places = [error["at"].rsplit(".", 1)[1] for error in refusal.value.extra["errors"]]
    assert places == ["tiers", "models"]
