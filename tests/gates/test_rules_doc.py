"""What the packs' rules speak of stands in the document that tells what rules may speak of."""

import json
import re
from pathlib import Path

import pytest

from app.gates.packs import PACKS

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/rules.md").read_text()
NAMED = re.compile(r"\b(evidence\.\w+\.\w+|version\.\w+|point\.\w+|case\.\w+)")


def rows() -> dict[str, set[str]]:
    """Return what each row of the document's tables names, by its kind of evidence or subject."""
    found: dict[str, set[str]] = {}
    for line in DOCUMENT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) > 1:
            (kind, *_) = re.findall(r"`(\w+)`", " ".join(cells[:-1])) or [""]
            found.setdefault(kind, set()).update(re.findall(r"`(\w+)`", cells[-1]))
    return found


@pytest.mark.parametrize("name", sorted(PACKS))
def test_every_fact_that_a_pack_asks_for_is_told(name: str) -> None:
    told = rows()
    for gate in PACKS[name].body.gates.values():
        for rule in gate.rules:
            for fact in NAMED.findall(rule.when):
                *subject, field = fact.removeprefix("evidence.").split(".")
                if field not in {"signed_by", "said_by"}:
                    assert field in told[subject[0]], (rule.name, fact)


def test_the_calls_that_it_names_exist() -> None:
    paths = json.loads((ROOT / "openapi/openapi.json").read_text())["paths"]
    named = re.findall(r"(GET|POST|PUT) (/v1/[^ `?]+)", DOCUMENT)
    assert named
    for method, path in named:
        assert method.lower() in paths.get(path, {}), (method, path)
