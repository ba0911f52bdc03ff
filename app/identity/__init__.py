"""Identity: tenants, principals, their keys and roles.

Owns who may call, and which CI tokens stand for whom. Promises that keys are stored only as hashes,
are shown once, expire, grant no more than their maker had, and stop working in every process within
five seconds of revocation; that a CI token is exchanged once. Imports audit.
"""

from app.identity.events import TenantCreated
from app.identity.exchange import Exchange
from app.identity.issuing import issue_key
from app.identity.keyring import Keyring
from app.identity.routes import router as people
from app.identity.rules import ROLES, PrincipalKind, Role
from app.identity.service import create_principal, names_of, owner_of, principal_by_name
from app.identity.tenants import bootstrap, default_tenant, tenants
from app.identity.trust import forget_tokens
from app.identity.trust_routes import router as trust

routers = (people, trust)

__all__ = [
    "ROLES",
    "Exchange",
    "Keyring",
    "PrincipalKind",
    "Role",
    "TenantCreated",
    "bootstrap",
    "create_principal",
    "default_tenant",
    "forget_tokens",
    "issue_key",
    "names_of",
    "owner_of",
    "principal_by_name",
    "routers",
    "tenants",
]
