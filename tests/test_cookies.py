"""Cookie headers as browsers really send them: odd neighbours must neither hide the Qlik cookie nor be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy import cookies

NAME = b"X-Qlik-Session-sales"
FOREIGN = [
    b'quoted="a b"',
    b'json={"a":1,"b":[2]}',
    b"empty=",
    b"noequals",
    b"=novalue",
    b"base64=T+/==",
    b"latin=\xe9\xff",
    b"comma=a,b",
    b"X-Qlik-Session-salesx=other",
    b"aX-Qlik-Session-sales=other",
    b"Expires=Wed, 21 Oct 2026 07:28:00 GMT",
    b"Path=/",
    b"HttpOnly",
    b"big=" + b"x" * 16_384,
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_the_qlik_cookie_is_found_beside_any_foreign_one(foreign: bytes) -> None:
    pair = NAME + b"=id"
    assert cookies.values(foreign + b"; " + pair + b"; " + foreign, NAME) == [b"id"]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_cookie_crosses_as_it_came(foreign: bytes) -> None:
    assert cookies.keep(foreign + b"; " + NAME + b"=id", NAME, b"id", ()) == foreign + b"; " + NAME + b"=id"


def test_a_whole_set_cookie_line_inside_cookie_is_read() -> None:
    header = b"a=1; X-Qlik-Session-sales=id; Path=/; HttpOnly; Secure; SameSite=Lax"
    assert cookies.values(header, NAME) == [b"id"]
    assert cookies.keep(header, NAME, b"id", ()) == header


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"", []),
        (b";;; ;", []),
        (b"X-Qlik-Session-sales", []),
        (b"X-Qlik-Session-sales=", [b""]),
        (b"X-Qlik-Session-sales=a=b", [b"a=b"]),
        (b"\tX-Qlik-Session-sales\t=\ta\t", [b"a"]),
        (b"x-qlik-session-sales=a", []),
        (b"X-Qlik-Session-sales=a; X-Qlik-Session-sales=a", [b"a"]),
        (b"X-Qlik-Session-sales=a; X-Qlik-Session-sales=b", [b"a", b"b"]),
    ],
)
def test_the_values_of_the_qlik_cookie(header: bytes, found: list[bytes]) -> None:
    assert cookies.values(header, NAME) == found


def test_of_several_qlik_cookies_only_the_decided_one_crosses() -> None:
    header = b"X-Qlik-Session-sales=tossed; a=1; X-Qlik-Session-sales=mine"
    assert cookies.keep(header, NAME, b"mine", ()) == b"X-Qlik-Session-sales=mine; a=1"


def test_without_a_session_no_qlik_cookie_crosses() -> None:
    assert cookies.keep(b"X-Qlik-Session-sales=x; a=1; X-Qlik-Session-sales", NAME, None, ()) == b"a=1"


def test_own_cookies_are_hidden_from_qlik() -> None:
    assert cookies.keep(b"own=secret; a=1", NAME, None, {b"own"}) == b"a=1"


def test_a_decided_id_is_not_added_where_none_was_sent() -> None:
    assert cookies.keep(b"a=1", NAME, b"id", ()) == b"a=1"


@given(st.lists(st.binary(min_size=1, max_size=8).filter(lambda name: not set(name) & set(b"=; \t")), max_size=6))
def test_foreign_pairs_keep_their_order(names: list[bytes]) -> None:
    header = b"; ".join(name + b"=" + name for name in names)
    assert cookies.keep(header, NAME, None, ()) == header


@given(st.binary(max_size=80))
def test_any_bytes_are_read_without_an_error_and_no_other_id_crosses(noise: bytes) -> None:
    header = noise + b"; " + NAME + b"=tossed; " + noise
    kept = cookies.keep(header, NAME, b"mine", ())
    assert cookies.values(kept, NAME) == [b"mine"]


# --- Set-Cookie ---


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"a=1; Domain=qlik1.internal; Path=/", b"a=1; Path=/"),
        (b"a=1;domain=.internal;DOMAIN = x; HttpOnly", b"a=1; HttpOnly"),
        (b"a=1; Domain", b"a=1"),
        (b"domain=1; Path=/", b"domain=1; Path=/"),
        (b"a=domain=1; Domainx=1", b"a=domain=1; Domainx=1"),
        (b"", b""),
    ],
)
def test_a_set_cookie_loses_its_domain_and_nothing_else(value: bytes, kept: bytes) -> None:
    assert cookies.host_only(value) == kept


@pytest.mark.parametrize("value", [b"X=1; Path=/", b" X = 1", b"X", b"X;Path=/"])
def test_the_name_of_a_set_cookie(value: bytes) -> None:
    assert cookies.set_cookie_name(value) == b"X"


def test_our_cookie_is_closed_to_scripts_and_other_sites() -> None:
    wanted = "n=v; Path=/; HttpOnly; Secure; SameSite=Lax"
    assert cookies.set_cookie("n", "v", secure=True, same_site="lax") == wanted


def test_over_plain_http_our_cookie_is_not_secure() -> None:
    assert cookies.set_cookie("n", "v", secure=False, same_site="none") == "n=v; Path=/; HttpOnly; SameSite=None"


def test_a_cookie_is_taken_away_by_its_age() -> None:
    assert cookies.expired("n", secure=False, same_site="lax") == "n=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
