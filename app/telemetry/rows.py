"""What was sent, as rows: from JSON, from JSON lines, from an Arrow stream.

However they come, rows are the same objects to whoever reads them; one that its format does not
let through stands there as the refusal it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.kit.refusal import Malformed, Refusal, TooLarge
from app.kit.strictjson import loads_flat
from app.telemetry import arrow, columnar
from app.telemetry.events import MAX_EVENTS, REHEARSED, BadEvent, NoEvents, TooManyEvents, items
from app.telemetry.reading import JSON_LINES
from app.telemetry.wholesale import Sent

ARROW = "application/vnd.apache.arrow.stream"
MEDIA = ("application/json", JSON_LINES, ARROW)
ATOMIC = "atomic"
PARAMETERS = frozenset({ATOMIC, *REHEARSED})
"""What the query may say: whether all or nothing is stored, and what a batch rehearses."""

_LARGE = 4 << 20
_MOST_CONTAINERS = 250_000
_MOST_VALUES = 4_000_000
_MOST_LINES = 2 * MAX_EVENTS
_LONGEST_NUMBER = 18
_DOCUMENT = (
    "Send one JSON document (RFC 8259), in UTF-8. One bad value refuses all of it: of JSON lines"
    f" ({JSON_LINES}, a row a line) the good ones are kept and the others named."
)
_STREAM = (
    "Send one whole Arrow IPC stream, as pyarrow.ipc.new_stream writes it, its end included, and"
    " nothing behind it; a Feather or Parquet file is none."
)


@contextmanager
def _mended(mend: str) -> Iterator[None]:
    """Have bytes that are not what they claim to be mended as their format is."""
    try:
        yield
    except Malformed as refusal:
        refusal.mend = mend
        raise


def is_atomic(named: Mapping[str, str]) -> bool:
    """Say whether all or nothing is to be stored."""
    found = named.get(ATOMIC, "false")
    if found not in {"true", "false"}:
        raise BadEvent("atomic is true or false.")
    return found == "true"


def understood(media: str, body: bytes, named: Mapping[str, str], noun: str) -> dict[str, Any]:
    """Return the rows under ``noun``; beside them what makes them a rehearsal, if that was said."""
    if media == ARROW:
        with _mended(_STREAM):
            sent: dict[str, Any] = {noun: _some(arrow.rows_of(body), noun)}
    else:
        if len(body) > _LARGE:
            _require_modest(body)
        if media == JSON_LINES:
            sent = {noun: _some(_lines(body), noun)}
        else:
            with _mended(_DOCUMENT):
                sent = loads_flat(body)
            items(sent, noun)
    for name in REHEARSED & named.keys():
        if name in sent:
            raise BadEvent(f"{name} stands in the body or in the query, not in both.")
        sent[name] = _number(named[name]) if name == "version" else named[name]
    return sent


def columns(media: str, body: bytes, named: Mapping[str, str]) -> Sent | None:
    """Return events by column, if they come so and nothing is odd about them."""
    if media != ARROW or REHEARSED & named.keys():
        return None
    with _mended(_STREAM):
        return columnar.sent_of(body)


def _some(rows: list[Any], noun: str) -> list[Any]:
    if not rows:
        raise NoEvents(f"There are no {noun} in the body.", filled={"noun": noun})
    if len(rows) > MAX_EVENTS:
        raise TooManyEvents(f"{len(rows)} {noun}; {MAX_EVENTS} are taken.", limit=MAX_EVENTS)
    return rows


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
        raise BadEvent("version is a number.")
    return int(text)


def _lines(body: bytes) -> list[Any]:
    count = body.count(b"\n")
    if count > _MOST_LINES:
        raise TooManyEvents(f"{count} lines; {MAX_EVENTS} are taken.", limit=MAX_EVENTS)
    return [_line(line) for line in body.split(b"\n") if line and not line.isspace()]


def _line(line: bytes) -> Any:
    try:
        return loads_flat(line)
    except Refusal as refusal:
        said = refusal.detail.replace("The body", "The line", 1)
        return Malformed(said.replace("(line 1, column ", "(column ", 1))


def _require_modest(body: bytes) -> None:
    """Refuse JSON that would take many times its size in memory, before it does.

    Two bytes of it may make an empty object of sixty. No honest batch has as many, nor as many
    values; small bodies cannot do much harm and are not counted.
    """
    if body.count(b"{") + body.count(b"[") > _MOST_CONTAINERS or body.count(b",") > _MOST_VALUES:
        raise TooLarge("The body holds more objects, lists and values than are read at a time.")
