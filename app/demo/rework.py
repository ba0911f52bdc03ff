"""What follows when a version is sent back: tasks, a procedure, and what it brought."""

from typing import Any

from app.demo.cast import Cast
from app.demo.cycle import Built, Names
from app.demo.narrator import Narrator

_SHOWN = 3


def hand_back(say: Narrator, cast: Cast, names: Names) -> str:
    """Dana reads what she got back and opens a procedure; return its id."""
    given = cast["dana"].get(f"/v1/models/{names.model}/versions/1/hand-back")
    say.line(f"dana finds {given['open']} tasks in the hand-back, among them:")
    for task in given["tasks"][:_SHOWN]:
        ended = task["title"] if task["title"].endswith("?") else f"{task['title']}."
        say.line(f"  {ended} {task['why']}")
    procedure = cast["dana"].post(
        "/v1/procedures",
        {
            "kind": "retrain",
            "model": names.model,
            "version": 1,
            "cause": "hand_back",
            "cause_id": given["id"],
            "reason": "The market has moved away from the data that built version 1.",
            "expected": {"metric": "accuracy", "by": 0.0},
        },
    )
    say.line("She opens a procedure: retrain, to be right no less often than version 1 was.")
    work_off(cast, names)
    say.line(
        "She works the tasks off, for no release is passed before: a changed world it is, since"
        " the market was joined to Victoria's."
    )
    return str(procedure["id"])


def work_off(cast: Cast, names: Names) -> None:
    """Dana answers what is left of the hand-back; what a call has done is ticked off by then."""
    path = f"/v1/models/{names.model}/versions/1/hand-back"
    for task in cast["dana"].get(path)["tasks"]:
        if task["done_at"] is None and task["key"] != "publish_version":
            found = "Weeks of the joined market are acquired, and explain it: a changed world."
            cast["dana"].post(f"{path}/tasks/{task['key']}:done", {"note": found})


def conclude(say: Narrator, cast: Cast, names: Names, procedure: str, built: Built) -> Any:
    """Dana links the version that came of it; vic says what it brought."""
    path = f"/v1/procedures/{procedure}"
    cast["dana"].post(f"{path}:link", {"model": names.model, "version": built.number})
    found = cast["vic"].post(f"{path}:conclude")["observed"]
    say.line(
        f"vic concludes the procedure: accuracy {found['before']:.1%} before,"
        f" {found['after']:.1%} in the release of version {built.number}; the expected effect is"
        f" {'met' if found['met'] else 'not met'}."
    )
    return found
