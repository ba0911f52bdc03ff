"""What the room answers over HTTP."""

from app.gates import (
    approval_routes,
    change_routes,
    classification_routes,
    policy_routes,
    rights_routes,
    routes,
)

routers = (
    routes.cases,
    *policy_routes.routers,
    approval_routes.asked,
    approval_routes.given,
    change_routes.asked,
    change_routes.waived,
    change_routes.emergency,
    rights_routes.router,
    classification_routes.router,
)
