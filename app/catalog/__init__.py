"""Catalog: models, their versions, aliases and the decision points they serve.

Owns what exists and what it is called. Promises that versions count up from one, never reuse a
number and never change but for stage, tags and aliases. Imports identity, audit.
"""

from app.catalog.history_routes import history
from app.catalog.json_schema import key_of, resolve
from app.catalog.neighbour_routes import neighbouring
from app.catalog.points import point_by_id, point_by_key, points_by_id
from app.catalog.routes import decision_points, models
from app.catalog.rules import PointKind, ReturnTo, RiskTier, Stage
from app.catalog.schemas import Contract, ModelOut
from app.catalog.service import classify, model_of
from app.catalog.signature import DataClass, Signature, Target, Variable, VariableType
from app.catalog.tables import DecisionPoint, Model, Version
from app.catalog.versions import (
    developers_of,
    find_version,
    lock_version,
    restage,
    version_by_id,
    version_ids,
    versions_by_id,
)

routers = (models, history, decision_points, neighbouring)

__all__ = [
    "Contract",
    "DataClass",
    "DecisionPoint",
    "Model",
    "ModelOut",
    "PointKind",
    "ReturnTo",
    "RiskTier",
    "Signature",
    "Stage",
    "Target",
    "Variable",
    "VariableType",
    "Version",
    "classify",
    "developers_of",
    "find_version",
    "key_of",
    "lock_version",
    "model_of",
    "point_by_id",
    "point_by_key",
    "points_by_id",
    "resolve",
    "restage",
    "routers",
    "version_by_id",
    "version_ids",
    "versions_by_id",
]
