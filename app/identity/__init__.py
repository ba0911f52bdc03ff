"""Identity: tenants, principals, their keys and roles.

Owns who may call, and which CI tokens stand for whom. Promises that keys are stored only as hashes,
are shown once, expire, grant no more than their maker had, end with the key they were made with,
and stop working in every process within five seconds of revocation; that a CI token is exchanged
once. Imports audit.
"""

from app.identity.access import grant
from app.identity.actors import acting
from app.identity.decisions import (
    Action,
    BadRights,
    DecisionDenied,
    DecisionRights,
    Governed,
    completed,
    raci,
)
from app.identity.events import TenantCreated
from app.identity.exchange import Exchange
from app.identity.granting import GrantWanted, require_reachable, unreachable
from app.identity.issuing import issue_key
from app.identity.keyring import Keyring
from app.identity.rights import (
    checked,
    list_rights,
    replace_rights,
    require_allowed,
    require_right,
    rights_of,
    rights_row,
    seed_rights,
)
from app.identity.rules import DECIDING, ROLES, Disabled, NoKeyYet, PrincipalKind, Role
from app.identity.schemas import PrincipalOut
from app.identity.service import (
    create_principal,
    disabled,
    get_principal,
    names_of,
    owner_of,
    people_in,
    principal_by_name,
)
from app.identity.signatures import BadSignature, SigningKeyRefused
from app.identity.signing import Signed, signed_by
from app.identity.standing_in import KeyEnded, acting_with
from app.identity.tables import Principal, RightsRevision
from app.identity.tenants import bootstrap, create_tenant, default_tenant, tenant_name, tenants
from app.identity.trust import forget_tokens

__all__ = [
    "DECIDING",
    "ROLES",
    "Action",
    "BadRights",
    "BadSignature",
    "DecisionDenied",
    "DecisionRights",
    "Disabled",
    "Exchange",
    "Governed",
    "GrantWanted",
    "KeyEnded",
    "Keyring",
    "NoKeyYet",
    "Principal",
    "PrincipalKind",
    "PrincipalOut",
    "RightsRevision",
    "Role",
    "Signed",
    "SigningKeyRefused",
    "TenantCreated",
    "acting",
    "acting_with",
    "bootstrap",
    "checked",
    "completed",
    "create_principal",
    "create_tenant",
    "default_tenant",
    "disabled",
    "forget_tokens",
    "get_principal",
    "grant",
    "issue_key",
    "list_rights",
    "names_of",
    "owner_of",
    "people_in",
    "principal_by_name",
    "raci",
    "replace_rights",
    "require_allowed",
    "require_reachable",
    "require_right",
    "rights_of",
    "rights_row",
    "seed_rights",
    "signed_by",
    "tenant_name",
    "tenants",
    "unreachable",
]
