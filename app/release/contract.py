"""Does a decision point supply what a version asks for? Pure."""

from collections.abc import Sequence
from typing import Any

from app.catalog import Variable


def mismatches(wanted: Sequence[Variable], supplied: Sequence[Variable]) -> list[dict[str, Any]]:
    """Return every variable of the signature that the contract does not supply as asked."""
    offered = {variable.name: variable for variable in supplied}
    found = []
    for variable in wanted:
        given = offered.get(variable.name)
        if given is None:
            found.append({"variable": variable.name, "problem": "not supplied"})
        elif given.type is not variable.type:
            found.append(
                {
                    "variable": variable.name,
                    "problem": f"supplied as {given.type}, wanted as {variable.type}",
                }
            )
        elif variable.unit and given.unit and given.unit != variable.unit:
            found.append(
                {
                    "variable": variable.name,
                    "problem": f"supplied in {given.unit}, wanted in {variable.unit}",
                }
            )
    return found
