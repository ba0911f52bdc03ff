"""Rows sent as text are read as whoever wrote them meant, or refused by line."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.kit.refusal import Invalid
from app.telemetry.lines import json_rows, rewrite_csv
from app.telemetry.reading import CSV, JSON_LINES, opened

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
NAMES = st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique_by=str.lower)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    names = draw(NAMES)
    values = st.lists(TEXTS, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(values, min_size=1, max_size=5))


def written(names: list[str], rows: list[list[str]], **spelling: Any) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, **spelling)
    writer.writerows([names, *rows])
    return out.getvalue().encode()


def rewritten(raw: bytes, most: int = 100) -> tuple[list[str], list[list[str]]]:
    file = io.BytesIO()
    names = rewrite_csv(raw, file, Invalid, most)
    return names, list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))


@given(tables(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_csv_is_what_was_written(
    table: tuple[list[str], list[list[str]]],
    ends: str,
    bom: bool,  # noqa: FBT001 - drawn
) -> None:
    raw = written(*table, lineterminator=ends, quoting=csv.QUOTE_ALL)

    assert rewritten(b"\xef\xbb\xbf" + raw if bom else raw) == table


@given(tables())
def test_the_lake_reads_what_was_written(table: tuple[list[str], list[list[str]]]) -> None:
    names, rows = table
    raw = written(names, rows, quoting=csv.QUOTE_ALL, lineterminator="\n")
    with opened(raw, CSV, Invalid) as found:
        assert (list(found.columns), found.rows) == (names, len(rows))
        for place, name in enumerate(names):
            assert found.plain(name) == [row[place] or None for row in rows]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_values_stand_between_what_the_header_has(delimiter: str) -> None:
    raw = f'at{delimiter}"a,b"\n1{delimiter}2\n\n3{delimiter}\n'.encode()

    names = ["at", "a,b"]
    assert rewritten(raw) == (names, [["1", "2"], ["3", ""]])


def test_an_empty_line_is_a_null_of_one_column() -> None:
    assert rewritten(b"x\n1\n\n2\n") == (["x"], [["1"], [""], ["2"]])
    assert rewritten(b",x\n0,1\n")[0] == ["column0", "x"]  # as pandas writes its index


@pytest.mark.parametrize(
    ("raw", "line", "said"),
    [
        (b"", 1, "no header"),
        (b"x\n1\n2\x00\n", 3, "NUL"),
        ("x\n1\n".encode("utf-16"), 1, "NUL"),
        (b"x\n1\n\xff\n", 3, "not UTF-8"),
        (b"x,y,x\n1,2,3\n", 1, "'x' twice"),
        (b"x,X\n1,2\n", 1, "both 'x' and 'X'"),
        (b"x,y\n1,2\n1,2,3\n", 3, "3 values"),
        (b'x,y\n"a\nb",2\n1\n', 4, "1 values"),
        (b'x,y\n"a\nb\nc",2,3\n', 2, "3 values"),
        (b'x\n"a"b\n', 2, "not CSV"),
        (b'x\n1\n"a\n', 3, "not CSV"),
    ],
)
def test_csv_that_can_be_read_in_two_ways_is_refused_by_line(
    raw: bytes, line: int, said: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        rewritten(raw)

    assert refusal.value.extra["line"] == line
    assert said in refusal.value.detail
    assert refusal.value.mend != Invalid.mend


@given(st.lists(st.dictionaries(TEXTS, st.none() | st.integers(-9, 9) | TEXTS), max_size=5))
def test_json_lines_are_what_was_written(rows: list[dict[str, Any]]) -> None:
    raw = "\n \n".join(json.dumps(row) for row in rows).encode()

    assert list(json_rows(raw, Invalid, 5)) == [(2 * n + 1, row) for n, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "Line 2 is not JSON"),
        (b"[1]", "Line 2 is not an object"),
        (b'{"a": 1, "a": 1}', "Line 2: The key 'a' stands twice"),
        (b'{"a": Infinity}', "Line 2 is not JSON"),
        (b'{"a": -1e999}', "Line 2 is not JSON: number is infinity"),
        (b'{"a\\u0000": 1}', "Line 2: A string holds the NUL"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "Line 2 is nested deeper"),
        (b'{"a": "\xff"}', "Line 2 is not JSON"),
        (b'{"a": 1} {"a": 2}', "Line 2 is not JSON"),
    ],
)
def test_a_line_is_read_as_strictly_as_a_body(line: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refusal:
        list(json_rows(b'{"a": 1}\n' + line + b"\n", Invalid, 5))

    assert refusal.value.extra["line"] == 2
    assert refusal.value.detail.startswith(said)
    assert "line 1" not in refusal.value.detail


def test_more_than_is_read_is_refused_before_it_is_unpacked() -> None:
    for raw, read in ((b"{}\n" * 6, JSON_LINES), (b"x\n" + b"1\n" * 6, CSV)):
        with pytest.raises(Invalid, match=r"[Mm]ore"), opened(raw, read, Invalid, rows=5):
            pass
    with pytest.raises(Invalid, match="objects and lists"):
        list(json_rows(b'{"a":[' + b"[]," * 2_000_000, Invalid, 5))
    nested = [(1, {"x": {"y": 1}}), (2, {"x": "a" * 5000})]
    for number, row in nested:
        raw = b"\n" * (number - 1) + json.dumps(row).encode()
        with opened(raw, JSON_LINES, Invalid) as table:
            table.require(["other"])
            with pytest.raises(Invalid, match=f"Line {number}: 'x'"):
                table.require(["x"])
