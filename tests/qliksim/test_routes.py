"""Prefix, area and query of raw targets."""

import pytest

from qproxy.qliksim.routes import (
    EngineTarget,
    Place,
    argument,
    engine_target,
    host_of,
    number,
    origin_host,
    place,
)

PREFIXES = ("", "sso", "deep/er")


@pytest.mark.parametrize(
    ("target", "prefix", "rest"),
    [
        ("/sso/hub/", "sso", "hub/"),
        ("/hub/", "", "hub/"),
        ("/SSO/Hub/", "SSO", "Hub/"),
        ("/deep/er/app/x", "deep/er", "app/x"),
        ("/unknown/qps/user", "unknown", "qps/user"),
        ("/sso/content/app/x", "sso", "content/app/x"),
        ("/sso", "sso", ""),
        ("/sso/", "sso", ""),
        ("/", "", ""),
        ("/sso/%2Fa%20b/", "sso", "%2Fa%20b/"),
        ("/sso2/x", "", "sso2/x"),
        ("//sso/hub/", "/sso", "hub/"),
    ],
)
def test_the_prefix_is_what_stands_before_the_first_reserved_word(target: str, prefix: str, rest: str) -> None:
    assert place(target, PREFIXES) == Place(prefix, rest, "")


def test_the_query_stays_raw() -> None:
    assert place("/sso/hub/?a=%20+&&b?c", PREFIXES) == Place("sso", "hub/", "a=%20+&&b?c")


def test_without_a_default_virtual_proxy_an_unknown_path_is_nowhere() -> None:
    assert place("/other/x", ("sso",)) is None


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("app", EngineTarget("")),
        ("app/", EngineTarget("")),
        ("app/abc", EngineTarget("abc")),
        ("app/abc/identity/a%20b/ttl/60", EngineTarget("abc", "a b", 60.0)),
        ("app/abc/ttl/5", EngineTarget("abc", "", 5.0)),
        ("app/abc/ttl/long", EngineTarget("abc")),
        ("app/%3Ftransient%3D/identity/17", EngineTarget("?transient=", "17")),
        ("app/abc/identity", EngineTarget("abc")),
    ],
)
def test_an_engine_path_names_app_identity_and_time_to_live(rest: str, expected: EngineTarget) -> None:
    assert engine_target(rest) == expected


def test_query_keys_are_found_in_any_case() -> None:
    assert argument("a=1&QlikTicket=x%20y", "qlikticket") == "x y"
    assert argument("a=1", "b") is None


def test_a_number_has_a_default_and_must_be_one() -> None:
    assert (number("n=7", "n"), number("", "n", 3)) == (7, 3)
    with pytest.raises(ValueError, match="invalid literal"):
        number("n=x", "n")


@pytest.mark.parametrize(
    ("authority", "host"), [("Bi.Test:443", "bi.test"), ("bi.test", "bi.test"), ("[::1]:80", "::1"), ("", "")]
)
def test_a_host_has_no_port_and_lower_case(authority: str, host: str) -> None:
    assert host_of(authority) == host


def test_an_origin_has_a_host() -> None:
    assert (origin_host("https://Bi.Test:443"), origin_host("null")) == ("bi.test", "")
