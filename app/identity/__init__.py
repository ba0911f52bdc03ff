"""Identity: tenants, principals, their keys and roles.

Owns who may call. Promises that keys are stored only as hashes, are shown once, expire, and stop
working in every process within five seconds of revocation. Imports audit.
"""

from app.identity.events import TenantCreated
from app.identity.keyring import Keyring
from app.identity.rules import ROLES, Role
from app.identity.routes import router
from app.identity.service import (
    bootstrap,
    default_tenant,
    names_of,
    issue_key,
    owner_of,
    principal_by_name,
)

__all__ = [
    "ROLES",
    "Keyring",
    "Role",
    "TenantCreated",
    "bootstrap",
    "default_tenant",
    "issue_key",
    "names_of",
    "owner_of",
    "principal_by_name",
    "router",
]
