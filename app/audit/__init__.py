"""Audit: who did what to which aggregate, as hash chains that show every edit.

Owns the entries and the chain heads. Promises that an entry commits with the act it records, that
each stream is one unbroken chain, and that ``verify`` names the first bad entry. Imports platform.
"""

from app.audit.chain import Fault
from app.audit.routes import router
from app.audit.service import Report, record, verify

__all__ = ["Fault", "Report", "record", "router", "verify"]
