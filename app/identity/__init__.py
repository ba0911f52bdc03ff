"""Identity: tenants, principals, their keys and roles.

Owns who may call. Promises that keys are stored only as hashes, are shown once, expire, grant no
more than their maker had, and stop working in every process within five seconds of revocation.
Imports audit.
"""

from app.identity.events import TenantCreated
from app.identity.issuing import issue_key
from app.identity.keyring import Keyring
from app.identity.routes import router
from app.identity.rules import ROLES, PrincipalKind, Role
from app.identity.service import create_principal, names_of, owner_of, principal_by_name
from app.identity.tenants import bootstrap, default_tenant

__all__ = [
    "ROLES",
    "Keyring",
    "PrincipalKind",
    "Role",
    "TenantCreated",
    "bootstrap",
    "create_principal",
    "default_tenant",
    "issue_key",
    "names_of",
    "owner_of",
    "principal_by_name",
    "router",
]
