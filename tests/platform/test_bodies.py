"""Whatever bytes come as a body, the answer is the caller's fault."""

import gzip

import pytest

from tests.live import Live
from tests.platform.targets import KINDS, MIB, Target, make_targets, send
from tests.platform.wire import problem_of, require_4xx

VALUES = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e400": b"1e400",
    "-1e400": b"-1E+400",
    "400 digits": b"9" * 400,
    "NUL": b'"a\\u0000b"',
    "raw NUL": b'"a\x00b"',
    "lone surrogate": b'"\\ud800"',
    "swapped surrogates": b'"\\udc00\\ud800"',
    "invalid UTF-8": b'"\xff\xfe"',
    "overlong UTF-8": b'"\xc0\xaf"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "duplicate keys": b'{"a":1,"a":2}',
    "escaped duplicate keys": b'{"a":1,"\\u0061":2}',
    "900-deep arrays": b"[" * 900 + b"]" * 900,
    "900-deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "100000-deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "trailing comma": b"[1,]",
    "comment": b"/* */ 1",
    "single quotes": b"'a'",
    "octal": b"017",
    "raw newline": b'"a\nb"',
}
BODIES = {
    "empty": b"",
    "blank": b" \n",
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"unit":"u"}'.encode("utf-16"),
    "two documents": b"{}{}",
    "an array": b"[]",
    "null": b"null",
    "a number": b"1",
    "a text": b'"events"',
    "an empty object": b"{}",
    "form": b"unit=u",
}


@pytest.fixture(scope="module")
def targets(live: Live) -> dict[str, Target]:
    return make_targets(live)


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_json_is_read(live: Live, targets: dict[str, Target], kind: str) -> None:
    answer = send(live, targets[kind], targets[kind].good % b"1")

    assert answer.status_code in {200, 201, 404, 409, 422}, answer.text


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_cannot_be_kept_is_refused(
    live: Live, targets: dict[str, Target], kind: str, value: str
) -> None:
    target = targets[kind]

    answer = send(live, target, target.good % VALUES[value])

    assert answer.status_code in {400, 413, 422}
    require_4xx(answer)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_no_object_of_fields_is_refused(
    live: Live, targets: dict[str, Target], kind: str, body: str
) -> None:
    require_4xx(send(live, targets[kind], BODIES[body]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_body_is_refused_wherever_it_ends(
    live: Live, targets: dict[str, Target], kind: str
) -> None:
    whole = targets[kind].good % b"1"
    for end in range(1, len(whole), 7):
        problem_of(send(live, targets[kind], whole[:end]), 400, "malformed")


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data", ""])
@pytest.mark.parametrize("kind", KINDS)
def test_another_media_type_is_refused(
    live: Live, targets: dict[str, Target], kind: str, media: str
) -> None:
    target = targets[kind]

    answer = send(live, target, target.good % b"1", **{"Content-Type": media})

    problem_of(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [10, 30 * MIB])
def test_compressed_bodies_and_bombs_are_not_opened(
    live: Live, targets: dict[str, Target], kind: str, size: int
) -> None:
    body = gzip.compress(b'{"unit":"' + b"u" * size + b'"}', 1)

    require_4xx(send(live, targets[kind], body, **{"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoding_is_refused_even_if_it_is_a_lie(
    live: Live, targets: dict[str, Target], kind: str
) -> None:
    target = targets[kind]

    if kind in {"events", "outcomes"}:  # which are unpacked
        lie = send(live, target, target.good % b"1", **{"Content-Encoding": "gzip"})
        problem_of(lie, 400, "malformed")
        problem_of(send(live, target, b"{}", **{"Content-Encoding": "br"}), 415)
        return
    problem_of(send(live, target, target.good % b"1", **{"Content-Encoding": "gzip"}), 415)
