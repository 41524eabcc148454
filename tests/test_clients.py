"""Whose address counts, by who is trusted and what they say."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.clients import _MEMO, Clients
from qproxy.headers import FieldBlock, RequestHead

PROXIES = Clients([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")])


def head(chain: bytes | None) -> RequestHead:
    return RequestHead(b"GET", b"/", FieldBlock(1, b"", {} if chain is None else {b"x-forwarded-for": chain}))


def test_nobody_is_trusted_unless_configured() -> None:
    assert not Clients().trusts("127.0.0.1")
    assert Clients().of("127.0.0.1", head(b"1.1.1.1")) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("9.9.9.9", b"1.1.1.1", "9.9.9.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", b"6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", b"6.6.6.6, 1.1.1.1 ,\t10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", b"1.1.1.1, unknown", "10.0.0.1"),
        ("10.0.0.1", b"1.1.1.1, unknown, 10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", b"None, 1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", b"1.1.1.1:4711", "1.1.1.1"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", b"1.1.1.1:x", "10.0.0.1"),
        ("10.0.0.1", b"fe80::1%anything at all", "10.0.0.1"),
        ("10.0.0.1", b"2001:db8::1", "2001:db8::1"),
        ("fd00::1", b"1.1.1.1", "1.1.1.1"),
        ("::ffff:10.0.0.1", b"1.1.1.1", "1.1.1.1"),
        ("::ffff:9.9.9.9", b"1.1.1.1", "::ffff:9.9.9.9"),
        ("10.0.0.1", b"\xff\xfe", "10.0.0.1"),
        ("", b"1.1.1.1", ""),
    ],
)
def test_the_right_most_address_that_is_no_proxy_counts(peer: str, chain: bytes | None, client: str) -> None:
    assert PROXIES.of(peer, head(chain)) == client


@given(st.binary(max_size=60))
def test_the_client_is_always_an_address(chain: bytes) -> None:
    assert ipaddress.ip_address(PROXIES.of("10.0.0.1", head(chain))).max_prefixlen in (32, 128)


def test_verdicts_are_remembered_within_bounds() -> None:
    clients = Clients([ipaddress.ip_network("10.0.0.0/8")])
    for number in range(_MEMO + 10):
        clients.trusts(str(ipaddress.ip_address(number)))
    assert len(clients._verdicts) <= _MEMO
    assert clients.trusts("10.1.2.3")
    assert clients.trusts("10.1.2.3")
