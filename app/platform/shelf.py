"""A shelf on this machine's disk: what a process needs to answer before it has a database.

What lies there is sealed (AES-256-GCM) with a key that only its owner can read, and replaced whole:
a file that was altered, half written or made with another key is not taken.
"""

import asyncio
import logging
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.platform.settings import Settings

logger = logging.getLogger(__name__)

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Shelf:
    """Named values in a directory."""

    def __init__(self, directory: Path, key: bytes) -> None:
        self._directory = directory
        self._sealing = AESGCM(key)
        self._failing = False

    @classmethod
    def of(cls, settings: Settings) -> "Shelf | None":
        """Return this machine's shelf; nothing, and a warning, where there is no place for one."""
        directory = settings.snapshot_dir or settings.data_dir / "snapshot"
        directory = directory.expanduser().resolve()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(directory, _key(settings, directory))
        except (OSError, ValueError) as error:
            logger.warning(
                "nothing is kept for a start without database", extra={"why": str(error)}
            )
            return None

    async def keep(self, name: str, value: bytes) -> None:
        """Replace a value; a disk that takes none is told of once, and tried again."""
        try:
            await asyncio.to_thread(self._write, name, value)
        except OSError as error:
            if not self._failing:
                logger.warning("a snapshot was not kept", extra={"name_": name, "why": str(error)})
            self._failing = True
        else:
            self._failing = False

    def _write(self, name: str, value: bytes) -> None:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._sealing.encrypt(nonce, value, name.encode())
        with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
            try:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self._directory / name)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise

    def read(self, name: str) -> bytes | None:
        """Return a value as it was kept; nothing of what was not, or is not what was kept."""
        try:
            sealed = (self._directory / name).read_bytes()
            nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._sealing.decrypt(nonce, sealed, name.encode())
        except FileNotFoundError:
            return None
        except (OSError, InvalidTag, ValueError) as error:
            logger.warning("a snapshot is not taken", extra={"name_": name, "why": repr(error)})
            return None


def _key(settings: Settings, directory: Path) -> bytes:
    """Return the key: the configured one, or one made here at the first start."""
    if settings.snapshot_key is not None:
        return bytes.fromhex(settings.snapshot_key.get_secret_value())
    path = directory / "key"
    # Two processes may begin at once: the key is whole before it has its name.
    with suppress(FileExistsError), tempfile.NamedTemporaryFile(dir=directory) as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
        os.link(file.name, path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{path} is not a key of {_KEY_BYTES} bytes")
    return key
