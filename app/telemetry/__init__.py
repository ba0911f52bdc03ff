"""Telemetry: scored events, outcomes and the mergeable profiles they are folded into.

Owns what production reports. Promises that a 2xx means committed, each event counted once, and
that what is read later costs bins × hours, never rows. Imports catalog, identity, audit.
"""

from app.telemetry.baseline import baseline_in_force, shapers
from app.telemetry.baseline import inherit as inherit_baseline
from app.telemetry.baseline import of_version as baseline_of
from app.telemetry.digest import digest, make_partitions
from app.telemetry.events import MAX_EVENTS, REHEARSAL, SHADOW_PREFIX
from app.telemetry.keys import SigningKeys, make_key, signing_keys
from app.telemetry.lake_engines import Engine, opened_table
from app.telemetry.lake_profile import wired
from app.telemetry.lakes import ANY_TENANT, LakeSource, asked, sources_of
from app.telemetry.lateness import in_time
from app.telemetry.layout import SCORE, Binning, Bins, Layout, category
from app.telemetry.outcomes import Performance
from app.telemetry.reading import CSV, JSON_LINES, PARQUET, LakeTable, RowTable, Table, opened
from app.telemetry.recorded import Recorded, recorded
from app.telemetry.returning import Returning, returning_of
from app.telemetry.tables import Baseline, Outcome, RawEvent, Receipt, Series
from app.telemetry.tally import Tally
from app.telemetry.token import BadToken, Claim, Part, Sealer, unseal
from app.telemetry.windows import (
    Hour,
    Rewarded,
    Traffic,
    events_of,
    first_decision,
    hours_of,
    inputs,
    is_shadow,
    next_hour,
    outcomes,
    rewarded_of,
    series_of,
    traffic,
)

__all__ = [
    "ANY_TENANT",
    "CSV",
    "JSON_LINES",
    "MAX_EVENTS",
    "PARQUET",
    "REHEARSAL",
    "SCORE",
    "SHADOW_PREFIX",
    "BadToken",
    "Baseline",
    "Binning",
    "Bins",
    "Claim",
    "Engine",
    "Hour",
    "LakeSource",
    "LakeTable",
    "Layout",
    "Outcome",
    "Part",
    "Performance",
    "RawEvent",
    "Receipt",
    "Recorded",
    "Returning",
    "Rewarded",
    "RowTable",
    "Sealer",
    "Series",
    "SigningKeys",
    "Table",
    "Tally",
    "Traffic",
    "asked",
    "baseline_in_force",
    "baseline_of",
    "category",
    "digest",
    "events_of",
    "first_decision",
    "hours_of",
    "in_time",
    "inherit_baseline",
    "inputs",
    "is_shadow",
    "make_key",
    "make_partitions",
    "next_hour",
    "opened",
    "opened_table",
    "outcomes",
    "recorded",
    "returning_of",
    "rewarded_of",
    "series_of",
    "shapers",
    "signing_keys",
    "sources_of",
    "traffic",
    "unseal",
    "wired",
]
