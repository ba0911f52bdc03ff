"""Telemetry: scored events, outcomes and the mergeable profiles they are folded into.

Owns what production reports. Promises that a 2xx means committed, each event counted once, and
that what is read later costs bins × hours, never rows. Imports catalog, identity, audit.
"""

from app.telemetry.arms import ReleasesEnded, decides, is_given, is_rehearsal, is_shadow
from app.telemetry.backlog import unfolded
from app.telemetry.baseline import baseline_in_force, shapers
from app.telemetry.baseline import inherit as inherit_baseline
from app.telemetry.baseline import of_version as baseline_of
from app.telemetry.became import became_of
from app.telemetry.bringing import Groups, brought_by, came_by
from app.telemetry.chance import mean_deviation
from app.telemetry.charts import (
    MOST_HOURS,
    begins,
    events_in,
    events_over,
    hour_at,
    hours_between,
    profiles_in,
)
from app.telemetry.digest import digest, make_partitions
from app.telemetry.dividing import (
    answered_in_parts,
    named_segments,
    require_declared,
    segments_of,
)
from app.telemetry.events import GREATEST, HOLDOUT, MAX_EVENTS, REHEARSAL, SHADOW_PREFIX
from app.telemetry.forgetting import forget
from app.telemetry.grouped import Answered, answered_by, scores_by_chance
from app.telemetry.keys import SigningKeys, make_key, signing_keys
from app.telemetry.lake_engines import Engine, opened_table
from app.telemetry.lake_profile import wired
from app.telemetry.lakes import ANY_TENANT, LakeSource, asked, sources_of
from app.telemetry.lateness import in_time
from app.telemetry.layout import SCORE, Binning, Bins, Layout, category
from app.telemetry.outcomes import performance
from app.telemetry.performance import METRICS, Measure, Performance
from app.telemetry.reading import CSV, JSON_LINES, PARQUET, Table, opened
from app.telemetry.reconstruction import MOST_VARIABLES, Reconstruction
from app.telemetry.recorded import Recorded, recorded
from app.telemetry.rehearsal import rehearsed_by
from app.telemetry.retention import events_kept_from
from app.telemetry.returning import Returning, returning_of
from app.telemetry.row_tables import RowTable
from app.telemetry.sampled import rows_between
from app.telemetry.segments import REST, NoSuchSegment, TooManyHours, answers
from app.telemetry.tables import (
    Baseline,
    HourProfile,
    Outcome,
    OutcomeHistory,
    ProfileKind,
    RawEvent,
    Receipt,
    Segment,
    Series,
)
from app.telemetry.tally import Tally, total
from app.telemetry.timing import Timing, timing
from app.telemetry.token import BadToken, Claim, Part, Sealer, unseal
from app.telemetry.touching import mark, touch
from app.telemetry.unknown import fold as fold_unknown
from app.telemetry.unknown import forget_unknown
from app.telemetry.windows import (
    Hour,
    Rewarded,
    Traffic,
    events_of,
    first_decision,
    folded_since,
    hours_of,
    inputs,
    next_hour,
    outcomes,
    rewarded_of,
    series_of,
    traffic,
)

__all__ = [
    "ANY_TENANT",
    "CSV",
    "GREATEST",
    "HOLDOUT",
    "JSON_LINES",
    "MAX_EVENTS",
    "METRICS",
    "MOST_HOURS",
    "MOST_VARIABLES",
    "PARQUET",
    "REHEARSAL",
    "REST",
    "SCORE",
    "SHADOW_PREFIX",
    "Answered",
    "BadToken",
    "Baseline",
    "Binning",
    "Bins",
    "Claim",
    "Engine",
    "Groups",
    "Hour",
    "HourProfile",
    "LakeSource",
    "Layout",
    "Measure",
    "NoSuchSegment",
    "Outcome",
    "OutcomeHistory",
    "Part",
    "Performance",
    "ProfileKind",
    "RawEvent",
    "Receipt",
    "Reconstruction",
    "Recorded",
    "ReleasesEnded",
    "Returning",
    "Rewarded",
    "RowTable",
    "Sealer",
    "Segment",
    "Series",
    "SigningKeys",
    "Table",
    "Tally",
    "Timing",
    "TooManyHours",
    "Traffic",
    "answered_by",
    "answered_in_parts",
    "answers",
    "asked",
    "baseline_in_force",
    "baseline_of",
    "became_of",
    "begins",
    "brought_by",
    "came_by",
    "category",
    "decides",
    "digest",
    "events_in",
    "events_kept_from",
    "events_of",
    "events_over",
    "first_decision",
    "fold_unknown",
    "folded_since",
    "forget",
    "forget_unknown",
    "hour_at",
    "hours_between",
    "hours_of",
    "in_time",
    "inherit_baseline",
    "inputs",
    "is_given",
    "is_rehearsal",
    "is_shadow",
    "make_key",
    "make_partitions",
    "mark",
    "mean_deviation",
    "named_segments",
    "next_hour",
    "opened",
    "opened_table",
    "outcomes",
    "performance",
    "profiles_in",
    "recorded",
    "rehearsed_by",
    "require_declared",
    "returning_of",
    "rewarded_of",
    "rows_between",
    "scores_by_chance",
    "segments_of",
    "series_of",
    "shapers",
    "signing_keys",
    "sources_of",
    "timing",
    "total",
    "touch",
    "traffic",
    "unfolded",
    "unseal",
    "wired",
]
