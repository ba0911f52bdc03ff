"""Running the whole thing: database, API and worker as one command."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from app.bus import make_bus
from app.platform.db import Database
from app.platform.embedded import EmbeddedPostgres
from app.platform.roles import login_url
from app.platform.server import Server
from app.platform.settings import Settings

_RESTART_SECONDS = (0.5, 30.0)
_SETTLED_SECONDS = 60.0


class DirectoryInUse(RuntimeError):
    """Another server runs on this data directory."""


class NoData(RuntimeError):
    """The data directory holds nothing."""


def settings(data_dir: Path | None = None, **overrides: object) -> Settings:
    """Return the settings of the environment, with what a command's options say instead."""
    given = {key: value for key, value in overrides.items() if value is not None}
    if data_dir is not None:
        given["data_dir"] = data_dir
    return Settings(**given)  # type: ignore[arg-type]


@contextmanager
def database(given: Settings, *, alone: bool = False, must_exist: bool = False) -> Iterator[str]:
    """Yield the database's URL: the configured one, or the embedded one for as long as needed."""
    if given.database_url is not None:
        yield given.database_url.get_secret_value()
        return
    embedded = EmbeddedPostgres(given.data_dir)
    if must_exist and not embedded.exists:
        raise NoData(f"There is no data in {embedded.data_dir}.")
    try:
        url = embedded.start()
        if alone and not embedded.owned:
            raise DirectoryInUse(f"Another modelward serves {embedded.data_dir}.")
        yield url
    finally:
        embedded.stop()


@asynccontextmanager
async def opened(given: Settings, url: str) -> AsyncIterator[Database]:
    """Yield the database for a command's work, and give its connections back."""
    found = Database(url, given, make_bus())
    try:
        yield found
    finally:
        await found.close()


def own_url(given: Settings, url: str) -> str:
    """Return what the server itself connects with: in an embedded database, an owner of nothing."""
    return url if given.database_url is not None else make_login(given, url)


def make_login(given: Settings, url: str) -> str:
    """Make the login that owns nothing, by the owner's URL; return its own."""
    if given.login_password is not None:
        return login_url(url, given.login_password.get_secret_value())
    if given.database_url is not None:
        return login_url(url)
    return login_url(url, EmbeddedPostgres(given.data_dir).login_password)


def serve(given: Settings, url: str, ready: Callable[[str], None], *, worker: bool) -> None:
    """Serve until SIGINT or SIGTERM, with a worker beside it if asked."""
    from app.main import make_app  # noqa: PLC0415 - no other command waits for it

    server = Server(make_app(given, url), given.host, given.port, ready)
    if not worker:
        _until_stopped(server)
        return
    with _worker(given, url):
        _until_stopped(server)


def _until_stopped(server: Server) -> None:
    try:
        server.run()
    except KeyboardInterrupt:
        return


@contextmanager
def _worker(given: Settings, url: str) -> Iterator[None]:
    """Keep a worker process running; one that dies is replaced."""
    stopping = threading.Event()
    environment = {
        **os.environ,
        "MODELWARD_DATABASE_URL": url,
        "MODELWARD_DATA_DIR": str(given.data_dir),
        "MODELWARD_PARENT": str(os.getpid()),
    }
    command = [sys.executable, "-m", "app", "worker"]

    def watch() -> None:
        wait, longest = _RESTART_SECONDS
        while not stopping.is_set():
            started = time.monotonic()
            child = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - ourselves
            while child.poll() is None and not stopping.wait(0.2):
                pass
            if stopping.is_set():
                child.terminate()
                try:
                    child.wait(15)
                except subprocess.TimeoutExpired:
                    child.kill()
                return
            # One that dies at once is given longer and longer, lest it does nothing else.
            settled = time.monotonic() - started > _SETTLED_SECONDS
            wait = _RESTART_SECONDS[0] if settled else min(2 * wait, longest)
            stopping.wait(wait)

    thread = threading.Thread(target=watch, name="worker-watch")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def stop_on_sigterm() -> None:
    """Turn SIGTERM into what Ctrl-C is, so that what was started is always stopped again."""

    def interrupt(*_: object) -> None:
        # Once is enough: a second signal must not cut the stopping short.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def follow_parent() -> None:
    """End this process when the one that started it is gone, however it went."""
    parent = os.environ.get("MODELWARD_PARENT")
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
