from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.catalog.rules import (
    SCHEMES,
    BadSource,
    ReservedName,
    require_alias,
    require_source,
)

ACCEPTED = [
    "s3://models/price-direction/1",
    "s3://models/a%2Bb/model.pkl",
    "S3://models/x",
    "gs://bucket/path/model.onnx?generation=1712345678901234",
    "abfss://container/path/model",
    "az://container/blob",
    "hdfs://namenode:8020/models/1",
    "https://models.example.com:8443/a/b.tar.gz?version=1.2.3",
    "oci://registry.example.com/team/model:1.0",
    "docker://registry.example.com/team/model:v1",
    "models:/price-direction/1",
    "mlflow-artifacts:/0/9f2c1e7/artifacts/model",
    "dbfs:/mnt/models/1",
    "git+https://example.com/team/repo.git",
    "urn:modelward:rule-set:7",
    "s3://models/..hidden/a..b/...",
    "s3://models/v1.2..3/x",
    "https://exämple.com/modèle",
]

# The shapes of MLflow's CVE-2023-1177 (local paths), -2356 (steps upwards in any scheme),
# CVE-2024-1560 (decoded twice), -1593 (behind a semicolon) and their kin.
REFUSED = [
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "\\\\host\\share",
    "//host/etc/passwd",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:///etc/passwd#/../../x",
    "./local",
    "",
    ":",
    "model",
    "http://169.254.169.254/latest/meta-data",
    "ftp://host/x",
    "javascript:alert(1)",
    "data:text/plain,x",
    "local-file:/etc/passwd",
    "sqlite:///x.db",
    "jar:file:///x!/y",
    "s3://models/../../etc/passwd",
    "s3://models/./x",
    "s3://models/..",
    "s3://models/a/..",
    "s3://../x",
    "mlflow-artifacts:/../../etc/passwd",
    "models:/name/../1",
    "dbfs:/../etc",
    "s3://models/%2e%2e/x",
    "s3://models/%2E%2E/x",
    "s3://models/.%2e/x",
    "s3://models/%252e%252e/x",
    "s3://models/%25252e%25252e/x",
    "s3://models/..%2f..%2fetc",
    "s3://models/..%252f..%252fetc",
    "s3://models/..%5c..%5cetc",
    "s3://models\\..\\x",
    "s3://models/..;/x",
    "s3://models/a;b",
    "s3://models/a%3b/../x",
    "https://host/x#../../y",
    "https://host/%23/../../y",
    "https://host/x?/../../y",
    "https://host/x?a=b/../..",
    "https://user@host/x",
    "https://user:secret@host/x",
    "https://host%40evil/x",
    "https://host/a b",
    " s3://models/x",
    "s3://models/x ",
    "s3://models/x\n",
    "s3://models/\0x",
    "s3://models/%00x",
    "s3://models/%0d%0ax",
    "s3://models/\x7f",
    "ht\ttps://host/x",
    "java\nscript:x",
]

# Found by looking at the rule itself.
CLIMBING = [
    "s3://models/a/..?versionId=1",
    "https://host/a/..?x",
    "dbfs:../etc",
    "dbfs:..",
    "models:../x",
    "https://host/x?path=../../etc/passwd",
    "s3://models/%2525252e%2525252e/x",
    "s3://models/%" + "25" * 12 + "2e%" + "25" * 12 + "2e/x",
]
UNREADABLE = ["https://[x", "https://[::1", "https://x]/", "https://exa\u2100mple.com/x"]


@pytest.mark.parametrize("uri", ACCEPTED)
def test_a_source_of_a_known_scheme_is_kept_as_it_was_written(uri: str) -> None:
    assert require_source(uri) == uri


@pytest.mark.parametrize("uri", REFUSED)
def test_tricks_known_from_other_registries_are_refused(uri: str) -> None:
    with pytest.raises(BadSource) as refusal:
        require_source(uri)

    assert refusal.value.code == "bad_source"
    assert refusal.value.mend


@pytest.mark.parametrize("uri", CLIMBING)
def test_a_source_climbs_nowhere_in_query_opaque_path_or_deep_encoding(uri: str) -> None:
    with pytest.raises(BadSource):
        require_source(uri)


@pytest.mark.parametrize("uri", UNREADABLE)
def test_a_host_that_cannot_be_read_is_refused_and_no_fault(uri: str) -> None:
    with pytest.raises(BadSource):
        require_source(uri)


def encoded(text: str, times: int) -> str:
    for _ in range(times):
        text = "".join(f"%{ord(char):02x}" for char in text) if text == ".." else quote(text)
    return text


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.lists(st.text("abc.-_", min_size=1, max_size=4), max_size=4),
    st.integers(0, 3),
    st.data(),
)
def test_a_step_upwards_is_found_anywhere_in_the_path_and_through_three_encodings(
    scheme: str, steps: list[str], times: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(steps)))
    climbing = [*steps[:at], encoded("..", times), *steps[at:]]

    with pytest.raises(BadSource):
        require_source(f"{scheme}://bucket/{'/'.join(climbing)}")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text(":/.?#[]@;%25eEs3htp\\ ", max_size=30))
@example("https://[")
@example("s3://\ud800")
@example("s3://%ff%fe")
def test_any_text_is_a_source_or_refused(text: str) -> None:
    for uri in (text, f"s3://{text}", f"https://{text}", f"s3://models/{text}"):
        try:
            assert require_source(uri) == uri
        except BadSource as refusal:
            assert refusal.detail  # noqa: PT017 - both outcomes are legal


RESERVED = ["latest", "LATEST", "champion", "Champion", "1", "42", "v1", "V2", "007"]


@pytest.mark.parametrize("name", RESERVED)
def test_what_the_server_answers_itself_is_no_alias(name: str) -> None:
    with pytest.raises(ReservedName) as refusal:
        require_alias(name)

    assert refusal.value.code == "reserved_name"


@pytest.mark.parametrize(
    "name", ["staging", "champion-2", "latest-stable", "v1.2", "1a", "vx", "v"]
)
def test_any_other_name_is_an_alias(name: str) -> None:
    assert require_alias(name) == name


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**12), st.sampled_from(["", "v", "V"]))
def test_no_version_number_is_an_alias(number: int, prefix: str) -> None:
    with pytest.raises(ReservedName):
        require_alias(f"{prefix}{number}")
