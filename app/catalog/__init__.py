"""Catalog: models, their versions, aliases and the decision points they serve.

Owns what exists and what it is called. Promises that versions count up from one, never reuse a
number and never change but for stage, tags and aliases. Imports identity, audit.
"""

from app.catalog.history_routes import history
from app.catalog.indexing import fill as fill_search
from app.catalog.points import point_by_id, point_by_key, points_by_id
from app.catalog.routes import decision_points, lookups, models
from app.catalog.rules import PointKind, ReturnTo, RiskTier, Stage
from app.catalog.schemas import ModelOut
from app.catalog.search_routes import searching
from app.catalog.service import classify, model_of
from app.catalog.signature import Signature, Variable, VariableType
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

routers = (models, history, searching, decision_points)

__all__ = [
    "DecisionPoint",
    "Model",
    "ModelOut",
    "PointKind",
    "ReturnTo",
    "RiskTier",
    "Signature",
    "Stage",
    "Variable",
    "VariableType",
    "Version",
    "classify",
    "developers_of",
    "fill_search",
    "find_version",
    "lock_version",
    "lookups",
    "model_of",
    "point_by_id",
    "point_by_key",
    "points_by_id",
    "restage",
    "routers",
    "version_by_id",
    "version_ids",
    "versions_by_id",
]
