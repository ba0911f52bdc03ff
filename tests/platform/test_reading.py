"""What is taken for a plain whole request is what any HTTP parser takes for the same one."""

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.platform.whole import whole, written

GOOD = (
    b"POST /v1/decision-points/a.b@c/route HTTP/1.1\r\nHost: here\r\nContent-Type: application/json"
    b"\r\ncontent-length: 14\r\n\r\n" + b'{"unit":"u-1"}'
)


class Heard:
    """What httptools makes of bytes."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.ends = b"", b"", 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ends += 1


def agrees(data: bytes) -> bool:
    """Say whether ``data`` is taken as whole; then a parser must take it as the same."""
    found = whole(data)
    if found is None:
        return False
    heard = Heard(data)
    assert heard.ends == 1
    assert heard.parser.get_method() == b"POST"
    assert heard.parser.get_http_version() == "1.1"
    assert heard.parser.should_keep_alive()
    assert not heard.parser.should_upgrade()
    assert heard.url.decode() == found.path
    assert dict(heard.headers) == found.headers
    assert len(heard.headers) == len(found.headers)
    assert heard.body == found.body
    return True


def test_a_plain_request_is_taken() -> None:
    assert agrees(GOOD)
    assert agrees(GOOD.replace(b"Host: here", b"Host: here\r\nConnection: keep-alive"))


PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b": ", b"a: b\r\n", b"content-length: 14\r\n",
    b"Content-Length: 3\r\n", b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n",
    b"connection: close\r\n", b"connection: upgrade\r\nupgrade: h2c\r\n", b"x:\r\n", b"x: y \r\n",
    b"x:  y\r\n", b" folded\r\n", b"%2e", b"?a=b", b"#f", b"\x00", b"\x7f", b"\xff", b"GET ",
    b"HTTP/1.0", b"http://other", b"0\r\n\r\n", b"+14", b"0x0e", b"{", GOOD,
]  # fmt: skip


@settings(max_examples=3_000, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(PIECES)),
        min_size=1, max_size=3,
    )
)  # fmt: skip
@example([(len(GOOD), 0, GOOD)])
@example([(65, 0, b"content-length: 14\r\n")])
def test_whatever_is_changed_about_it_both_understand_the_same(
    edits: list[tuple[int, int, bytes]],
) -> None:
    data = GOOD
    for at, cut, piece in edits:
        data = data[:at] + piece + data[at + cut :]
    agrees(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"), (b"POST", b"PUT"), (b"HTTP/1.1", b"HTTP/1.0"), (b"/route", b"/rout%65"),
        (b"/route", b"/route?a=1"), (b"content-length: 14", b"content-length: 13"),
        (b"content-length: 14", b"content-length: 15"), (b"content-length: 14\r\n", b""),
        (b"content-length: 14", b"content-length: 14\r\ncontent-length: 14"),
        (b"content-length: 14", b"transfer-encoding: chunked"), (b"Host: here", b"Host: here "),
        (b"Host: here", b"Host:here"), (b"Host: here", b"Host:"), (b"Host: here", b"Host : here"),
        (b"Host: here", b"Connection: close"), (b"Host: here", b"Expect: 100-continue"),
        (b"Host: here", b"Host: here\r\n folded"), (b"\r\n\r\n", b"\n\n"),
        (b"Host: here", b"Host: h\xc3\xa9"), (b'u-1"}', b'u-1"}POST / HTTP/1.1\r\n\r\n'),
    ],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_left_to_the_parser(old: bytes, new: bytes) -> None:
    assert old in GOOD
    assert whole(GOOD.replace(old, new)) is None


def test_an_answer_is_written_as_http() -> None:
    raw = written(404, [(b"date", b"now")], [(b"content-type", b"text/x")], b"gone", "id-1")

    assert raw == (
        b"HTTP/1.1 404 Not Found\r\ndate: now\r\ncontent-type: text/x\r\ncontent-length: 4\r\n"
        b"x-request-id: id-1\r\n\r\ngone"
    )
