"""By column, the events of an Arrow stream are what they are row by row, and count as much."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.telemetry import wholesale
from app.telemetry.arrow import rows_of
from app.telemetry.batch import Batch, Place
from app.telemetry.columnar import sent_of
from app.telemetry.events import EVERYTHING
from app.telemetry.features import Columns, Objects
from app.telemetry.folding import fold
from app.telemetry.layout import Layout, fit, score_bins
from tests.telemetry.streams import stream_of
from tests.telemetry.test_wholesale import MANY, SECRETS, one_by_one, token

AT = 1_714_737_600_000_000
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (pa.float64(), FINITE | st.integers(-3, 3).map(float)),
    (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    (pa.int8(), st.integers(-3, 3)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.dictionary(pa.int16(), pa.string()), TEXT),
    (pa.null(), st.none()),
]
ODD = st.sampled_from([float("nan"), float("inf"), 1e300])


@st.composite
def column(draw: st.DrawFn, kinds: Any) -> Any:
    """As many values as there are rows, few of them different, some of them perhaps none."""
    kind, values = draw(st.sampled_from(kinds))
    if pa.types.is_float64(kind):
        values |= ODD
    if draw(st.booleans()):
        values |= st.none()
    some = draw(st.lists(values, min_size=1, max_size=5))
    return pa.array([some[n % len(some)] for n in range(MANY)], kind)


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Events as columns of any types that are read."""
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    at = pa.array([AT // 1_000_000 + n for n in range(MANY)], pa.timestamp("s", "UTC"))
    sent = {
        "token": pa.array([token(n % (MANY - 2)) for n in range(MANY)]),
        "at": at.cast(pa.timestamp(unit, "Australia/Sydney")),
    }
    if draw(st.booleans()):
        names = [None if n % 3 else UUID(int=n % 9).bytes for n in range(MANY)]
        sent["event_id"] = pa.array(names, pa.binary(16))
    numbers = KINDS[:6] + KINDS[-1:]
    for name in draw(st.sets(st.sampled_from(["score", "prediction", "latency_ms"]))):
        sent[name] = draw(column(numbers))
    features = draw(st.dictionaries(TEXT, column(KINDS), max_size=4))
    if features:
        fields = [pa.field(name, values.type) for name, values in features.items()]
        hidden = pa.array([draw(st.booleans()) and n == 7 for n in range(MANY)])
        sent["features"] = pa.StructArray.from_arrays(
            list(features.values()), fields=fields, mask=hidden
        )
    return pa.table(sent)


def counted(batch: Batch) -> list[Any]:
    """What profiles count of a batch: numbers, words, and one variable that nobody knows."""
    rows = batch.features.objects()
    names = sorted({name for one in rows for name in one})[1:]
    words = [fit(name, [one.get(name) for one in rows], numeric=False) for name in names[:1]]
    numbers = [fit(name, [1.0, 2.5, -1.0], numeric=True) for name in names[1:]]
    layout = Layout((*words, *numbers, score_bins()))
    folded = fold(
        batch, {group: Place(bytes(16), layout, names, frozenset(names)) for group in batch.groups}
    )
    return [folded.deltas, dict(folded.invalid), dict(folded.unknown)]


@settings(max_examples=150, deadline=None)
@given(tables())
def test_by_column_events_are_what_they_are_row_by_row(table: Any) -> None:
    raw = stream_of(table)
    batch, bad = one_by_one(rows_of(raw))

    sent = sent_of(raw)
    found = sent and wholesale.read_columns(sent, SECRETS, EVERYTHING)

    hidden = "features" in table.column_names and table["features"].null_count
    assert (found is None) == bool(bad or hidden)
    if found is not None:
        assert isinstance(found.features, Columns)
        assert found.records.tobytes() == batch.records.tobytes()
        assert found.groups == batch.groups
        assert repr(found.features.objects()) == repr(batch.features.objects())
        texts = [orjson.dumps(one) for one in batch.features.objects()]
        assert found.features.texts() == batch.features.texts() == texts
        assert counted(found) == counted(batch)
        nothing = found.only(np.zeros(len(found), bool)).features
        assert (nothing.texts(), nothing.objects(), len(nothing)) == ([], [], 0)
        assert all(len(one) == 0 for one in nothing.of(["x", *found.features.names])[0])


@pytest.mark.parametrize("same", [True, False])
def test_batches_of_columns_are_merged_as_batches_of_rows_are(same: bool) -> None:  # noqa: FBT001
    def one(first: int, values: Mapping[str, Any]) -> tuple[Batch, Batch]:
        table = pa.table(
            {
                "token": [token(n) for n in range(first, first + MANY)],
                "at": pa.array([AT] * MANY, pa.timestamp("us", "UTC")),
                "features": [values] * MANY,
            }
        )
        raw = stream_of(table)
        sent = sent_of(raw)
        assert sent is not None
        found = wholesale.read_columns(sent, SECRETS, EVERYTHING)
        assert found is not None
        return found, one_by_one(rows_of(raw))[0]

    others = {"x": 7, "word": "a"} if same else {"word": None}
    pairs = [one(0, {"x": 1.5, "word": "b"}), one(MANY // 2, others)]
    columns, rows = (Batch.merge(side) for side in zip(*pairs, strict=True))

    assert isinstance(columns.features, Columns if same else Objects)
    assert columns.records.tobytes() == rows.records.tobytes()
    assert repr(columns.features.objects()) == repr(rows.features.objects())
    assert columns.features.texts() == rows.features.texts()
    some = [columns.records["owner"] == 1, columns.of(columns.groups[0])[:3]]
    assert [len(columns.only(chosen).features) for chosen in some] == [MANY // 2, 3]


def test_few_rows_and_other_fields_are_looked_at_by_row() -> None:
    table = pa.table({"token": ["a"] * MANY, "at": ["b"] * MANY})

    assert sent_of(stream_of(table.slice(0, wholesale.FEWEST - 1))) is None
    assert sent_of(stream_of(table)) is not None
    assert sent_of(stream_of(table.append_column("more", [["c"] * MANY]))) is None


@settings(max_examples=30, deadline=None)
@given(tables(), st.integers(1, MANY - 1))
def test_several_record_batches_are_as_one(table: Any, cut: int) -> None:
    parts = stream_of(pa.concat_tables([table.slice(0, cut), table.slice(cut)]))

    found, whole = sent_of(parts), sent_of(stream_of(table))

    assert (found is None) == (whole is None)
    if found is not None and whole is not None:
        assert repr(said(found)) == repr(said(whole))


def said(sent: wholesale.Sent) -> list[Any]:
    assert isinstance(sent.token, wholesale.Texts)
    letters = sent.token.letters[sent.token.begins[0] : sent.token.begins[-1]].tobytes()
    numbers = (sent.score, sent.prediction, sent.latency_ms)
    return [letters, sent.at, sent.event_id, numbers, sent.features.texts()]
