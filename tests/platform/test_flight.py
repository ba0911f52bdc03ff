"""Back-pressure: what a process holds is bounded, and who is sent away hears when to come again."""

import asyncio
import gzip
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import orjson
import pytest

from app.kit.refusal import Overloaded
from app.platform.coalescing import Coalesced
from app.platform.http.flight import InFlight
from tests.conftest import home
from tests.live import Live, Place, make_model, make_point, make_version, start
from tests.platform.wire import Answer, Line, connected, head, problem_of, speaker
from tests.system.processes import forget_peak, resident

MIB = 1 << 20
MOST = 8 * MIB
CLIENTS = 40
EACH = 3 * MIB
BOUND = 5 * MOST


@pytest.fixture(scope="module")
def narrow() -> Iterator[Live]:
    """A server that holds eight megabytes of bodies."""
    with home() as directory, start(directory, ingest_bytes_in_flight=str(MOST)) as found:
        yield found


@pytest.fixture(scope="module")
def place(narrow: Live) -> Place:
    model = make_model(narrow)
    return Place(model, make_point(narrow), make_version(narrow, model))


def begun(live: Live, media: str, length: int) -> bytes:
    return head("POST", "/v1/events", live.keys["dev"], Content_Type=media, Content_Length=length)


def send(live: Live, place: Place, **headers: str) -> httpx.Response:
    named = {"model": place.model, "version": 1, "decision_point": place.point}
    event = {"event_id": str(uuid.uuid4()), "at": "2026-01-01T00:00:00Z"}
    body = orjson.dumps({**named, "events": [event]})
    content = gzip.compress(body) if headers else body
    sent = {"Content-Type": "application/json", **headers}
    return speaker(live, "dev").post("/v1/events", content=content, headers=sent, timeout=5)


def test_many_slow_clients_take_no_more_memory_than_is_set_aside(
    narrow: Live, place: Place
) -> None:
    pid = narrow.process.pid
    send(narrow, place)
    before = resident(pid)
    forget_peak(pid)
    with ExitStack() as stack:
        lines: list[Line] = []
        for number in range(CLIENTS):
            media = ("application/json", "application/x-ndjson")[number % 2]
            line = stack.enter_context(connected(narrow, begun(narrow, media, EACH + 1)))
            line.say(b" " * EACH)
            lines.append(line)
        began = time.monotonic()
        assert speaker(narrow, "dev").get("/v1/models", timeout=5).status_code == 200
        assert httpx.get(f"{narrow.url}/livez", timeout=5).status_code == 200
        assert time.monotonic() - began < 3
        away = [line for line in lines if line.answered(0.05)]
        for line in away:
            answer = line.answer()
            assert answer is not None
            problem_of(answer, 503, "overloaded")
            assert int(answer.headers["retry-after"]) >= 1
        assert len(away) >= CLIENTS - MOST // EACH
        assert len(away) < CLIENTS, "nobody at all was let in"
        full = send(narrow, place)
        assert full.status_code in {200, 503}

    assert resident(pid, "VmHWM") - before < BOUND
    deadline = time.monotonic() + 5
    while send(narrow, place).status_code != 200:  # those who went away hold nothing
        assert time.monotonic() < deadline
        time.sleep(0.05)


def refused_beside_another(live: Live, ask: Callable[[], httpx.Response | Answer | None]) -> Any:
    """Return how ``ask`` is refused while somebody holds all the room but a megabyte.

    What earlier tests held is let go when the server has noticed that they hung up: until then
    he who is to fill the room may be sent away himself, and comes again.
    """
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with connected(live, begun(live, "application/json", MOST)) as first:
            with suppress(ConnectionError):
                first.say(b" " * (MOST - MIB))
            while not first.answered() and time.monotonic() < deadline:
                answer = ask()
                if answer is not None and answer.status_code == 503:
                    return problem_of(answer, 503, "overloaded")
    raise AssertionError("nobody was refused")


def test_who_does_not_fit_is_sent_away_before_he_sends(narrow: Live, place: Place) -> None:
    assert send(narrow, place).status_code == 200

    def announce() -> Answer | None:
        with connected(narrow, begun(narrow, "application/json", 2 * MIB)) as second:
            return second.answer() if second.answered(0.2) else None

    assert refused_beside_another(narrow, announce)["limit"] == MOST


def test_what_never_fits_is_too_large_and_not_to_be_tried_again(narrow: Live) -> None:
    with connected(narrow, begun(narrow, "application/json", MOST + 1)) as line:
        answer = line.answer()

    assert answer is not None
    problem_of(answer, 413, "too_large")


def test_unpacking_counts_too(narrow: Live, place: Place) -> None:
    packed = {"Content-Encoding": "gzip"}
    assert send(narrow, place, **packed).status_code == 200
    body = gzip.compress(random.Random(1).randbytes(8192) * 384)
    assert len(body) < MIB / 8
    sent = {"Content-Type": "application/json", **packed}

    def unpack() -> httpx.Response:
        return speaker(narrow, "dev").post("/v1/events", content=body, headers=sent)

    assert refused_beside_another(narrow, unpack)["limit"] == MOST


def test_bytes_are_held_and_let_go_and_refused_beyond() -> None:
    flight = InFlight(100)
    first, second = flight.hold(), flight.hold()
    first.add(60)

    flight.require_room(40)
    with pytest.raises(Overloaded):
        flight.require_room(41)
    with pytest.raises(Overloaded):
        second.add(41)
    second.release()
    assert flight.held == 60
    first.add(-60)
    first.add(100)
    first.release()
    first.release()
    assert flight.held == 0


def test_while_much_waits_to_be_written_nobody_joins_the_queue() -> None:
    async def queue() -> tuple[list[int | BaseException], list[list[int]]]:
        going, written = asyncio.Event(), []

        async def commit(_: str, jobs: list[int]) -> list[int]:
            await going.wait()
            written.append(jobs)
            return jobs

        write: Coalesced[str, int, int] = Coalesced(
            commit, nobodys_fault=lambda _: False, lanes=1, each=1, most=10,
            size=lambda job: job, most_waiting=20,
        )  # fmt: skip
        calls = []
        for job in (9, 8, 7, 5, 1):  # the first is being written, and waits for nobody
            calls.append(asyncio.create_task(write("a", job)))
            await asyncio.sleep(0.01)
        going.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        return [*found, await write("a", 50)], written

    found, written = asyncio.run(queue())

    assert [one for one in found if isinstance(one, int)] == [9, 8, 7, 5, 50]
    assert isinstance(found[4], Overloaded)
    assert [sum(jobs) for jobs in written] == [9, 8, 7, 5, 50]
