"""Rows that were sent as text, CSV and JSON lines: read as strictly as a body, or refused by line.

What a lenient reader makes of a doubtful line is a guess that nobody sees: a row of one value too
many becomes a column, a second column of one name another variable, a broken quote half the file.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol

from app.kit.refusal import Invalid, Malformed
from app.kit.strictjson import loads

MOST_CONTAINERS = 2_000_000
"""Two bytes of JSON may make an empty object of sixty."""
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = (",", ";", "\t", "|")

_UTF8 = "Send the file in UTF-8."
_WHOLE = (
    "Quote a value whole where it holds a quote, a delimiter or a line break, and double the"
    " quotes in it (RFC 4180)."
)
_AS_MANY = "Give every line a value for each column of the header; an empty one is null."
_NAMES = "Name each column once, in the first line."
_OBJECTS = "Send one JSON object (RFC 8259) a line, in UTF-8, each of its keys once."


class Refuse(Protocol):
    """Makes the refusal of a file out of a sentence, of what mends it, and of the line."""

    def __call__(self, detail: str, *, mend: str | None = None, **extra: Any) -> Invalid:
        """Return the refusal."""
        ...


def json_rows(raw: bytes, refuse: Refuse, most: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of JSON lines with the lines' numbers, blank lines left out."""
    if raw.count(b"{") + raw.count(b"[") > MOST_CONTAINERS:
        raise refuse(f"The file holds more than {MOST_CONTAINERS} objects and lists.")
    found = 0
    for number, line in enumerate(io.BytesIO(raw), 1):
        if line.isspace():
            continue
        try:
            row = loads(line.rstrip(b"\n"))
        except Malformed as error:
            raise _of_line(number, error.detail, refuse) from error
        if not isinstance(row, dict):
            raise refuse(f"Line {number} is not an object.", mend=_OBJECTS, line=number)
        found += 1
        if found > most:
            raise refuse(f"More rows than {most}, which are read.")
        yield number, row


def _of_line(number: int, detail: str, refuse: Refuse) -> Invalid:
    said = detail.replace("(line 1, ", "(")
    of_it = said.removeprefix("The body ")
    return refuse(
        f"Line {number} {of_it}" if of_it != said else f"Line {number}: {said}",
        mend=_OBJECTS,
        line=number,
    )


def rewrite_csv(raw: bytes, file: IO[bytes], refuse: Refuse, most: int) -> list[str]:
    """Write the rows of CSV anew as nobody reads otherwise; return the header.

    Commas, semicolons, tabs or bars stand between values, as they do in the header.
    """
    text = _decoded(raw, refuse)
    delimiter = _delimiter(text)
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    out = io.TextIOWrapper(file, encoding="utf-8", newline="")
    written = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows = 0
    try:
        names = _named(next(records, []), refuse)
        begins = records.line_num + 1
        for record in records:
            # An empty line is a null of a single column, and nothing otherwise.
            values = record or ([""] if len(names) == 1 else [])
            if values:
                _require_as_many(values, names, begins, refuse)
                written.writerow(values)
                rows += 1
            if rows > most:
                raise refuse(f"The file has more than {most} rows, which are read.")
            begins = records.line_num + 1
    except csv.Error as error:
        at = records.line_num
        raise refuse(f"Line {at} is not CSV: {error}.", mend=_WHOLE, line=at) from error
    finally:
        out.flush()
        out.detach()
    return names


def _decoded(raw: bytes, refuse: Refuse) -> str:
    nul = raw.find(b"\0")
    if nul >= 0:
        line = raw.count(b"\n", 0, nul) + 1
        raise refuse(
            f"Line {line} holds the NUL character, which cannot be stored.",
            mend="Take the NUL characters out; a file in UTF-16 is full of them: send UTF-8.",
            line=line,
        )
    try:
        return raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise refuse(f"Line {line} is not UTF-8.", mend=_UTF8, line=line) from error


def _delimiter(text: str) -> str:
    header = text[: text.find("\n")] if "\n" in text else text
    outside = "".join(header.split('"')[::2])
    return next((one for one in _DELIMITERS if one in outside), _DELIMITERS[0])


def _named(header: Sequence[str], refuse: Refuse) -> list[str]:
    if not header:
        raise refuse("There is no header in line 1.", mend=_NAMES, line=1)
    names = [name or f"column{place}" for place, name in enumerate(header)]
    known: dict[str, str] = {}
    for name in names:
        other = known.get(name.lower())
        if other is not None:
            what = f"{name!r} twice" if other == name else f"both {other!r} and {name!r}"
            raise refuse(f"The header in line 1 names {what}.", mend=_NAMES, line=1)
        known[name.lower()] = name
    return names


def _require_as_many(
    values: Sequence[str], names: Sequence[str], line: int, refuse: Refuse
) -> None:
    if len(values) != len(names):
        raise refuse(
            f"Line {line} has {len(values)} values; the header names {len(names)} columns.",
            mend=_AS_MANY,
            line=line,
        )
