"""The key that signs checkpoints, and the checkpoints kept beside it: outside the database.

A database superuser can rewrite every table. He can neither sign nor change what lies here.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.audit import checkpoint
from app.audit.checkpoint import Checkpoint
from app.platform.settings import Settings

_KEY_FILE = "log.key"
_KEY_BYTES = 32


class Signer:
    """Signs for every tenant's log with one key, and keeps what it signed in files."""

    def __init__(self, key: Ed25519PrivateKey, origin: str, directory: Path) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()
        self._origin = origin
        self._directory = directory
        self._last: dict[UUID, Checkpoint | None] = {}

    @classmethod
    def load(cls, settings: Settings) -> "Signer":
        """Read the key, or make one at the first start; only its owner can read it."""
        directory, path = _places(settings)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make(path)
        return cls(_read(path), settings.audit_origin, directory)

    @classmethod
    def find(cls, settings: Settings) -> "Signer | None":
        """Return the signer of this machine, if it has one that this process may read."""
        directory, path = _places(settings)
        try:
            return cls(_read(path), settings.audit_origin, directory)
        except OSError:
            return None

    def origin(self, tenant_id: UUID) -> str:
        """Return the name of a tenant's log."""
        return f"{self._origin}/{tenant_id}"

    def verifier(self, tenant_id: UUID) -> str:
        """Return the public key under which a tenant's checkpoints are verified."""
        return checkpoint.verifier(self.origin(tenant_id), self._public)

    def sign(self, found: Checkpoint) -> str:
        """Return the checkpoint as a signed note."""
        return checkpoint.sign(found, self._key)

    def keep(self, tenant_id: UUID, note: str) -> None:
        """Append a note to the tenant's file; it is on the disk when this returns."""
        append_line(self._file(tenant_id), note)
        self._last[tenant_id] = checkpoint.read(note)

    def kept(self, tenant_id: UUID) -> Iterator[str]:
        """Return every note that was kept of a tenant's log, oldest first."""
        path = self._file(tenant_id)
        if not path.exists():
            return
        with path.open("rb") as file:
            for line in file:
                yield orjson.loads(line)["note"]

    def last(self, tenant_id: UUID) -> Checkpoint | None:
        """Return the newest checkpoint that was kept of a tenant's log."""
        if tenant_id not in self._last:
            notes = list(self.kept(tenant_id))
            self._last[tenant_id] = checkpoint.read(notes[-1]) if notes else None
        return self._last[tenant_id]

    def _file(self, tenant_id: UUID) -> Path:
        return self._directory / f"{tenant_id}.checkpoints"


def kept(settings: Settings) -> set[UUID]:
    """Return every tenant of whose log a checkpoint was kept on this machine."""
    directory, _ = _places(settings)
    found = set()
    for path in directory.glob("*.checkpoints"):
        with suppress(ValueError):
            found.add(UUID(path.stem))
    return found


def _places(settings: Settings) -> tuple[Path, Path]:
    directory = settings.data_dir.expanduser().resolve() / "audit"
    return directory, settings.audit_key_file or directory / _KEY_FILE


def _read(path: Path) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))


def append_line(path: Path, note: str) -> None:
    """Append a note to a file of JSON lines; it is on the disk when this returns."""
    line = orjson.dumps({"at": datetime.now(UTC), "note": note}) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _make(path: Path) -> None:
    """Write a new key; of two processes that do so at once, one wins for both."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink()
