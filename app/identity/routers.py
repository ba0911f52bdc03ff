"""What the room answers over HTTP."""

from app.identity.delegation_routes import router as delegations
from app.identity.routes import router as people
from app.identity.signing_routes import router as signing_keys
from app.identity.trust_routes import router as trust

routers = (people, delegations, trust, signing_keys)
