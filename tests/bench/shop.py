"""What the catalog's bench asks for: models, an alias in each, and keys to ask with."""

import time
from dataclasses import dataclass
from typing import Any

from app.client import Client
from app.demo.cast import Cast
from tests.bench import bulk
from tests.bench.servers import Served

VERSION: dict[str, Any] = {
    "source": "s3://models/bench/1",
    "digest": "sha256:" + "0" * 64,
    "signature": {"inputs": [{"name": f"x{number}", "unit": "MW"} for number in range(10)]},
    "training_data": {"reference": "s3://data/bench.parquet"},
    "card": {"summary": "Logistic regression of ten variables.", "intended_use": "A bench."},
    "tags": {"team": "bench"},
}
SPECIFICS: dict[str, dict[str, Any]] = {
    "machine_learning": {"algorithm": "logistic regression"},
    "mathematical": {"equation": "y = a + b x", "assumptions": ["x is measured."]},
    "rule_set": {"language": "dmn", "rule_count": 12, "conflict_resolution": "first"},
    "optimiser": {"objective": "cost", "direction": "minimise", "constraints": [], "solver": "any"},
}
KINDS = tuple(SPECIFICS)
TIERS = ("low", "medium", "high")


def version_of(number: int) -> dict[str, Any]:
    """Return what is published of a shop's model: each kind says of itself what it must."""
    kind = KINDS[number % len(KINDS)]
    return {**VERSION, "specifics": {"kind": kind, **SPECIFICS[kind]}}


@dataclass(frozen=True, slots=True)
class Shop:
    """The models by name, and as many keys of one CI account: each makes so many calls a second."""

    served: Served
    models: dict[str, Any]
    keys: tuple[str, ...]
    sample: str

    def fill(self, versions: int) -> float:
        """Add versions to the models; return the seconds it took."""
        began = time.monotonic()
        bulk.fill(self.served.database_url, list(self.models.values()), self.sample, versions)
        return time.monotonic() - began


def open_shop(served: Served, cast: Cast, models: int, alias: str) -> Shop:
    """Make the models, a version with an alias in each, and the keys."""
    account = Client(served.url, served.key).post(
        "/v1/principals",
        {"name": "ci", "kind": "service", "owner": "dana", "roles": ["developer"]},
    )
    path = f"/v1/principals/{account['id']}/keys"
    keys = tuple(cast["dana"].post(path, {"days": 1})["key"] for _ in range(models))
    made, sample = {}, ""
    for number in range(models):
        name = f"shop-{number}"
        made[name] = cast["dana"].post(
            "/v1/models",
            {
                "name": name,
                "kind": KINDS[number % len(KINDS)],
                "risk_tier": TIERS[number % len(TIERS)],
                "owner": "dana",
                "purpose": f"Be looked for in shelf {number}, and found.",
                "tags": {"shelf": str(number % 4)},
            },
        )
        version = cast["dana"].post(f"/v1/models/{name}/versions", version_of(number))
        sample = version["id"]
        cast["dana"].put(f"/v1/models/{name}/aliases/{alias}", {"number": version["number"]})
    return Shop(served, made, keys, sample)
