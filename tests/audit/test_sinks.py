"""Sinks: checkpoints arrive outside the database, also after one was away."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.audit import BadSink, Sink, proofs
from app.audit.checkpoint import verify
from app.audit.tables import Delivery
from app.bus import make_bus
from app.platform.db import Database
from app.platform.settings import Settings
from tests.audit.logs import TENANT, signer_in, write

pytestmark = pytest.mark.anyio


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent; answers as it is told to."""

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        place: Place = self.server  # type: ignore[assignment]
        place.taken.append((self.command, self.path, self.rfile.read(length).decode()))
        self.send_response(place.status)
        self.end_headers()

    do_PUT = do_POST  # noqa: N815 - the name its base class calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Place(ThreadingHTTPServer):
    """A server outside the database."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.taken: list[tuple[str, str, str]] = []
        self.status = 200

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def place() -> Iterator[Place]:
    with Place() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    found = Database(empty_database, Settings(), make_bus())
    yield found
    await found.close()


async def test_each_kind_of_sink_takes_what_was_signed(
    database: Database, place: Place, tmp_path: Path
) -> None:
    signer, elsewhere = signer_in(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    sinks = Sink.parse(
        f"file:{elsewhere}, http://{place.host}/hook, put+http://{place.host}/bucket/logs/"
    )
    await write(database, 3)
    await audit.sequence(database, signer)
    await audit.deliver(database, signer, sinks)
    await audit.deliver(database, signer, sinks)

    (line,) = (elsewhere / f"{TENANT}.checkpoints").read_text().splitlines()
    (post, put) = place.taken
    assert post[:2] == ("POST", "/hook")
    assert put[:2] == ("PUT", f"/bucket/logs/{TENANT}/{3:020d}")
    for note in (orjson.loads(line)["note"], post[2], put[2], next(signer.kept(TENANT))):
        assert verify(note, signer.verifier(TENANT)).size == 3


async def test_a_sink_that_was_away_gets_the_newest_and_keeps_nobody_waiting(
    database: Database, place: Place, tmp_path: Path
) -> None:
    signer = signer_in(tmp_path)
    sinks = Sink.parse(f"http://127.0.0.1:9/gone,http://key:secret@{place.host}/hook?token=secret")
    place.status = 503
    for _ in range(2):
        await write(database, 2)
        await audit.sequence(database, signer)
        await audit.deliver(database, signer, sinks)
    async with database.session(TENANT) as session:
        away = await delivered(session)
    place.status = 200
    await audit.deliver(database, signer, sinks)
    async with database.session(TENANT) as session:
        back = await delivered(session)

    assert {path: (sink.size, sink.failures) for path, sink in away.items()} == {
        "gone": (0, 2), "hook": (0, 2),
    }  # fmt: skip
    assert "503" in (away["hook"].error or "")
    for sink in [*away.values(), *back.values()]:
        assert "secret" not in f"{sink.sink} {sink.error}"
    assert {path: (sink.size, sink.failures) for path, sink in back.items()} == {
        "gone": (0, 3), "hook": (4, 0),
    }  # fmt: skip
    assert verify(place.taken[-1][2], signer.verifier(TENANT)).size == 4


async def delivered(session: AsyncSession) -> dict[str, Delivery]:
    sinks = (await proofs.status(session, TENANT))["sinks"]
    return {sink.sink.rpartition("/")[2]: sink for sink in sinks}


@pytest.mark.parametrize("text", ["ftp://host/x", "nowhere", "https:/x, s3://bucket"])
def test_a_sink_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(BadSink):
        Sink.parse(text)
