"""Audit: who did what to which aggregate, as hash chains and one tree that show every edit.

Owns the entries, the chain heads, each tenant's log and its signed checkpoints. Promises that an
entry commits with the act it records, that each stream is one unbroken chain, that the log only
grows, and that ``verify`` names the first bad entry, from the database or from an export with
nothing but the public key. Imports platform.
"""

from app.audit.adopting import NothingOlder, adopt, untold
from app.audit.backlog import Unsigned, unsigned
from app.audit.chain import Fault
from app.audit.checkpoint import BadNote
from app.audit.export import export
from app.audit.history import Asked, erase, history
from app.audit.offline import Reading, verify_export
from app.audit.recording import Act, record, record_all
from app.audit.schemas import EntryOut
from app.audit.sequencer import SetBack, sequence
from app.audit.signer import Signer, kept
from app.audit.sinks import BadSink, Sink, deliver
from app.audit.verifying import Report, logged, verify
from app.audit.vouching import Unvouched, Vouched, fingerprint_sql, row_key

__all__ = [
    "Act",
    "Asked",
    "BadNote",
    "BadSink",
    "EntryOut",
    "Fault",
    "NothingOlder",
    "Reading",
    "Report",
    "SetBack",
    "Signer",
    "Sink",
    "Unsigned",
    "Unvouched",
    "Vouched",
    "adopt",
    "deliver",
    "erase",
    "export",
    "fingerprint_sql",
    "history",
    "kept",
    "logged",
    "record",
    "record_all",
    "row_key",
    "sequence",
    "unsigned",
    "untold",
    "verify",
    "verify_export",
]
