"""A refusal names the call that mends it, with the names that it knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import app.main  # noqa: F401 - whatever refuses is imported
from app.kit.refusal import Kind, Refusal

APP = Path(__file__).parents[2] / "app"
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Lacking(Refusal):
    """Something is missing."""

    kind = Kind.CONFLICT
    code = "lacking"
    mend = 'POST /v1/cases/{case_id} with {"a": 1}.'


def test_what_is_known_stands_in_the_place_of_its_name() -> None:
    told = Lacking("It lacks.", filled={"case_id": 7}, more=1)

    assert told.mend == 'POST /v1/cases/7 with {"a": 1}.'
    assert told.extra == {"more": 1}
    assert Lacking("It lacks.").mend == Lacking.mend
    assert Lacking("It lacks.", mend="Wait.").mend == "Wait."


def kinds(of: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Each call of a name anywhere in the server, by that name."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func
                yield str(getattr(called, "attr", getattr(called, "id", ""))), node


def test_no_refusal_leaves_a_name_in_braces_where_it_knows_it() -> None:
    asked = {
        kind.__name__: set(PLACEHOLDER.findall(kind.mend or ""))
        for kind in kinds()
        if kind.__module__.startswith("app.")
    }
    asked = {name: names for name, names in asked.items() if names}
    assert asked
    found = [(name, call) for name, call in raised() if name in asked]
    assert {name for name, _ in found} == set(asked)
    for name, call in found:
        given = {word.arg: word.value for word in call.keywords}
        own = " ".join(
            str(part.value)
            for part in ast.walk(given.get("mend", ast.Constant("{}")))
            if isinstance(part, ast.Constant)
        )
        said = "mend" in given and not PLACEHOLDER.search(own)
        assert "filled" in given or said, (name, call.lineno)
