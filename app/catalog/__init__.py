"""Catalog: models, their versions, aliases and the decision points they serve.

Owns what exists, what it is called, what it is made of and what it came out of. Promises that
versions count up from one, never reuse a number and never change but for stage, tags and aliases;
that an ensemble is never inside of itself; that a fork says where it comes from. Imports identity,
audit.
"""

from app.catalog.aliases import aliases_of
from app.catalog.content import Gap, completeness
from app.catalog.descent import link_retrained, origin_developers, origins_of
from app.catalog.ensembles import ensembles_of, every_member, inside_of, unfit_inside
from app.catalog.events import InstanceEnded, InstanceMade, VersionForked, VersionRegistered
from app.catalog.indexing import fill as fill_search
from app.catalog.instances import instances_by_key, instances_of, instances_of_all, set_up
from app.catalog.json_schema import key_of, places, resolve
from app.catalog.neighbours import downstream_of
from app.catalog.points import (
    ids_of,
    keys_of,
    point_by_id,
    point_by_key,
    points_by_id,
    segments_of,
)
from app.catalog.registering import Registrar
from app.catalog.rules import (
    AssetKind,
    BadEndpoint,
    InstancePinned,
    PointKind,
    ReturnTo,
    RiskTier,
    Stage,
    has_user_info,
    require_target,
)
from app.catalog.schemas import Contract, ModelOut
from app.catalog.service import classify, model_of
from app.catalog.signature import DataClass, Signature, Target, Variable, VariableType
from app.catalog.specifics import expired, expires_at
from app.catalog.tables import DecisionPoint, Instance, Model, Version
from app.catalog.versions import (
    developers_of,
    find_version,
    has_part_in,
    hold_version,
    lock_alike,
    lock_version,
    restage,
    version_by_id,
    version_ids,
    versions_by_id,
    versions_with_digest,
    with_digest_of,
)

__all__ = [
    "AssetKind",
    "BadEndpoint",
    "Contract",
    "DataClass",
    "DecisionPoint",
    "Gap",
    "Instance",
    "InstanceEnded",
    "InstanceMade",
    "InstancePinned",
    "Model",
    "ModelOut",
    "PointKind",
    "Registrar",
    "ReturnTo",
    "RiskTier",
    "Signature",
    "Stage",
    "Target",
    "Variable",
    "VariableType",
    "Version",
    "VersionForked",
    "VersionRegistered",
    "aliases_of",
    "classify",
    "completeness",
    "developers_of",
    "downstream_of",
    "ensembles_of",
    "every_member",
    "expired",
    "expires_at",
    "fill_search",
    "find_version",
    "has_part_in",
    "has_user_info",
    "hold_version",
    "ids_of",
    "inside_of",
    "instances_by_key",
    "instances_of",
    "instances_of_all",
    "key_of",
    "keys_of",
    "link_retrained",
    "lock_alike",
    "lock_version",
    "model_of",
    "origin_developers",
    "origins_of",
    "places",
    "point_by_id",
    "point_by_key",
    "points_by_id",
    "require_target",
    "resolve",
    "restage",
    "segments_of",
    "set_up",
    "unfit_inside",
    "version_by_id",
    "version_ids",
    "versions_by_id",
    "versions_with_digest",
    "with_digest_of",
]
