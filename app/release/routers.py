"""What the room answers over HTTP."""

from app.release import integration_routes, operation_routes, routes, run_routes
from app.release.contract_routes import contracts
from app.release.rework_routes import hand_backs, procedures
from app.release.sample_routes import samples

routers = (
    run_routes.router,
    routes.validations,
    routes.releases,
    samples,
    contracts,
    hand_backs,
    procedures,
    integration_routes.runs,
    integration_routes.tests,
    integration_routes.kept,
    operation_routes.router,
)
