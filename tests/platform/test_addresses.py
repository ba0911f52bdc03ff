"""Which addresses the server calls, however they are spelled."""

import ipaddress

import pytest

from app.platform.outbound import Outbound, OutboundFailed, OutboundRefused, is_public
from app.platform.settings import Settings
from tests.platform.resolvers import NAME, NEAR, STRICT, outbound

HIDDEN = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",  # noqa: S104 - an address to refuse
    "169.254.169.254", "100.64.0.1", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::8.8.8.8", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:0",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.1.2.3", "64:ff9b:1::808:808",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1", "2001:0:4136:e378::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1",
]  # fmt: skip
OPEN = [
    "8.8.8.8", "1.1.1.1", "140.82.121.4", "2606:4700::1111", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", HIDDEN)
def test_an_address_that_only_this_machine_reaches_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", HIDDEN)
@pytest.mark.anyio
async def test_a_name_for_a_hidden_address_is_not_called(address: str) -> None:
    for answer in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        with pytest.raises(OutboundRefused):
            await outbound(STRICT, answer).fetch("GET", f"https://{NAME}/", limit=10)


@pytest.mark.parametrize("settings", [STRICT, NEAR])
@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1"])
@pytest.mark.anyio
async def test_loopback_allowed_is_not_the_local_network(address: str, settings: Settings) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(OutboundRefused):
            await outbound(settings, [address]).fetch("GET", f"{scheme}://{NAME}/", limit=10)


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("address", ["10.0.0.1", "172.20.0.1", "192.168.1.1", "fd12:3456::1"])
@pytest.mark.anyio
async def test_a_host_that_a_setting_names_may_be_on_the_local_network(
    address: str, scheme: str
) -> None:
    settings = Settings(outbound_private_hosts=f"other.example.com, {NAME.upper()}")
    # Nobody needs to be there: what is tried is whether it is called at all.
    expected = OutboundFailed if scheme == "https" else OutboundRefused
    with pytest.raises(expected):
        await outbound(settings, [address]).fetch(
            "GET", f"{scheme}://{NAME}/", limit=10, seconds=0.2
        )
    with pytest.raises(OutboundRefused):
        await outbound(settings, [address]).fetch("GET", f"https://not.{NAME}/", limit=10)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "100.100.100.200",  # noqa: S104 - an address to refuse
     "fd00:ec2::254", "fd20:ce::254", "::ffff:127.0.0.1", "224.0.0.1"],
)  # fmt: skip
@pytest.mark.anyio
async def test_such_a_host_is_no_machine_s_own(address: str) -> None:
    settings = Settings(outbound_private_hosts=NAME)
    with pytest.raises(OutboundRefused):
        await outbound(settings, [address]).fetch("GET", f"https://{NAME}/", limit=10)


@pytest.mark.anyio
async def test_plain_http_is_for_this_machine_alone() -> None:
    with pytest.raises(OutboundRefused):
        await outbound(NEAR, ["8.8.8.8"]).fetch("GET", f"http://{NAME}/", limit=10)
    with pytest.raises(OutboundRefused):
        await outbound(STRICT, ["127.0.0.1"]).fetch("GET", f"http://{NAME}/", limit=10)


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--/", "https://xn--0.com/", "https://xn--a.com/hook",
        "https://localhost/", "https://localhost./", "https://127.0.0.1/", "https://127.1/",
        "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://0/",
        "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://169.254.169.254/",
        "https://１２７.0.0.1/", "https://user:pass@8.8.8.8/", "https://8.8.8.8/#x",
        "http://8.8.8.8/", "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "//8.8.8.8",
        "https://", "https:///x", "", "nonsense", "https://[::1", "https://a b/", "https://8.8.8.8:x/",
        "https://\0/", "javascript:alert(1)", "https://[fe80::1%25lo]/",
    ],
)  # fmt: skip
@pytest.mark.anyio
async def test_however_it_is_spelled_this_machine_is_not_called(url: str) -> None:
    with pytest.raises((OutboundRefused, OutboundFailed)) as refusal:
        await Outbound(STRICT).fetch("GET", url, limit=10, seconds=2)

    if "8.8.8.8" not in url:
        assert not isinstance(refusal.value.__cause__, ConnectionError)
