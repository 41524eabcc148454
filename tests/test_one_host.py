"""Redirects of Qlik, by every name, port, scheme and shape in which they were seen or could be meant to deceive."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.one_host import QLIK_PORTS, OneHost

PUBLIC = b"https://bi.example"
HOST = OneHost(PUBLIC, frozenset({b"qlik1.internal", b"10.0.0.7", b"[fd00::7]", b"bi.example"}))
NAMES = [b"qlik1.internal", b"QLIK1.Internal", b"10.0.0.7", b"[fd00::7]", b"bi.example"]
SCHEMES = [b"https:", b"http:", b"HTTPS:", b""]
PORTS = [b"" if not port else b":" + port for port in sorted(QLIK_PORTS)] + [b":"]
OURS = [b"//".join((scheme, name + port)) for scheme, name, port in itertools.product(SCHEMES, NAMES, PORTS)]


@pytest.mark.parametrize("address", OURS)
def test_an_address_of_qlik_becomes_one_of_the_public_host(address: bytes) -> None:
    assert HOST.location(address + b"/hub/?a=%2F//b#c") == PUBLIC + b"/hub/?a=%2F//b#c"


@pytest.mark.parametrize(("rest", "wanted"), [(b"", b"/"), (b"?a=1", b"/?a=1"), (b"#f", b"/#f"), (b"\\x", b"/\\x")])
def test_an_address_without_a_path_gets_one(rest: bytes, wanted: bytes) -> None:
    assert HOST.location(b"https://qlik1.internal" + rest) == PUBLIC + wanted


@pytest.mark.parametrize(
    "location",
    [
        b"https://qlik1.internal@evil.example/",
        b"https://qlik1.internal:443@evil.example/",
        b"https://evil.example/https://qlik1.internal/",
        b"https://qlik1.internal.evil.example/",
        b"https://evilqlik1.internal/",
        b"https://qlik1.internal:9999/",
        b"https://qlik1.internal:4_4/",
        b"https://idp.example/login?next=https://qlik1.internal/",
        b"//cdn.example/x",
        b"/hub/",
        b"hub/",
        b"../hub",
        b"?a=//qlik1.internal/",
        b"",
        b"mailto:a@qlik1.internal",
        b"ftp://qlik1.internal/",
    ],
)
def test_what_is_not_qliks_crosses_as_it_came(location: bytes) -> None:
    assert HOST.location(location) == location


@pytest.mark.parametrize("trick", [b"\\@evil.example/", b"\\\\evil.example", b"?@evil.example", b"#@evil.example"])
def test_no_trick_behind_the_host_leads_away_from_the_public_host(trick: bytes) -> None:
    assert HOST.location(b"https://qlik1.internal" + trick).startswith(PUBLIC + b"/")


@given(st.binary(max_size=40))
def test_whatever_was_rewritten_is_on_the_public_host(tail: bytes) -> None:
    for start in (b"https://qlik1.internal", b"//qlik1.internal:4244", b""):
        result = HOST.location(start + tail)
        assert result == start + tail or result.startswith(PUBLIC + b"/")


# --- "this session is not accepted" ---

REFUSALS = [
    b"https://bi.example/internal_windows_authentication/?targetId=4f",
    b"https://bi.example/sales/internal_forms_authentication/?targetId=4f",
    b"https://qlik1.internal/internal_windows_authentication?targetId=4f",
    b"/internal_forms_authentication/?targetId=4f",
    b"internal_forms_authentication",
    b"https://qlik1.internal:4244/windows_authentication/?targetID=4f",
    b"http://qlik1.internal:4248/form_authentication/",
    b"https://a-name-nobody-configured:4244/windows_authentication/",
    b"https://qlik1.internal:4244/",
    b"//10.0.0.7:4248",
    b"https://bi.example/qproxy/login/sales?targetId=4f&proxyRestUri=https%3a%2f%2fq%3a4243%2fqps%2fsales%2f",
    b"/qproxy/login/sales?a=1&TARGETID=4f",
]
PASSED = [
    b"https://bi.example/hub/",
    b"/sales/hub/?next=internal_forms_authentication",
    b"/qproxy/login/sales",
    b"/qproxy/login/sales?targetIdx=1",
    b"/sales/qproxy/login/?targetId=1",
    b"https://idp.example/internal_forms_authentication/",
    b"https://idp.example/qproxy/login/sales?targetId=1",
    b"/my_internal_forms_authenticationx/",
    b"",
]


@pytest.mark.parametrize("location", REFUSALS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_refusal_of_the_session_is_recognised(status: int, location: bytes) -> None:
    assert HOST.refuses_session(status, location)


@pytest.mark.parametrize("location", PASSED)
def test_another_redirect_is_no_refusal(location: bytes) -> None:
    assert not HOST.refuses_session(302, location)


@pytest.mark.parametrize("status", [200, 201, 401, 403, 404, 500])
def test_only_a_redirect_refuses(status: int) -> None:
    assert not HOST.refuses_session(status, REFUSALS[0])
