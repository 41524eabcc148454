"""The schema: what one value may look like, and what it means."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from qproxy.config import fields, names
from qproxy.config.models import InternalConfig, PublicConfig, ServerConfig, VirtualProxyConfig
from qproxy.model import Lifetime

SALES = {
    "name": "sales",
    "prefix": "sales",
    "cookie": "X-Qlik-Session-sales",
    "user_directory": "SALES",
    "upstreams": "https://qlik1.internal",
}


def vp(**changes: Any) -> VirtualProxyConfig:
    return VirtualProxyConfig.model_validate(SALES | changes)


def public(**values: Any) -> PublicConfig:
    return PublicConfig.model_validate({"url": "https://bi.example.com"} | values)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("8h", 28800),
        ("2d", 172800),
        ("45", 45),
        ("1.5h", 5400),
        ("5 m", 300),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_a_duration_has_a_unit_or_is_in_seconds(text: object, seconds: float) -> None:
    assert fields.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-1s", "1e3", "5 minutes", "5M", "\u0661s", "nan", "never", "9999d", "1:30", True, None, [1]],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"^must be"):
        fields.parse_duration(text)


@pytest.mark.parametrize(
    "ready", [fields.Address("::1", 443), fields.Origin("https", "a", 443), ipaddress.ip_network("10.0.0.0/8")]
)
def test_from_python_a_finished_object_is_taken(ready: object) -> None:
    parsers = {fields.Address: fields.parse_address, fields.Origin: fields.parse_origin}
    assert parsers.get(type(ready), fields.parse_network)(ready) is ready


def test_never_is_no_duration_at_all() -> None:
    assert fields.parse_duration_or_never("never") is None


@pytest.mark.parametrize("text", ["017", "1e3", "1_000", "-1", "+1", "1.0", "", "0x10", "\u0661", True, 1.0, None])
def test_a_whole_number_is_written_in_plain_digits(text: object) -> None:
    with pytest.raises(ValueError, match="plain digits"):
        fields.parse_whole(text)


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("no", False), ("ON", True), (False, False)])
def test_a_flag_is_true_or_false_in_all_of_yamls_words(text: object, flag: bool) -> None:
    assert fields.parse_flag(text) is flag


def test_another_word_is_no_flag() -> None:
    with pytest.raises(ValueError, match="true or false"):
        fields.parse_flag("1")


ORIGINS = {
    "https://bi.example.com": "https://bi.example.com",
    "HTTPS://BI.Example.COM:443": "https://bi.example.com",
    "https://bi.example.com:8443": "https://bi.example.com:8443",
    "http://localhost:80": "http://localhost",
    "https://[FD00::0:1]:8443": "https://[fd00::1]:8443",
    "https://10.1.2.3": "https://10.1.2.3",
}


@pytest.mark.parametrize(("text", "origin"), ORIGINS.items())
def test_an_origin_is_written_as_browsers_do(text: str, origin: str) -> None:
    assert str(fields.parse_origin(text)) == origin


BAD_ORIGINS = {
    "bi.example.com": "must begin with https://",
    "wss://bi.example.com": "must begin with https://",
    "https://": "must be host or host:port",
    "https://bi.example.com/": "must end after the host",
    "https://bi.example.com?x": "must end after the host",
    "https://anna:secret@bi.example.com": "user name or password",
    "https://bi.example.com:0": "from 1 to 65535",
    "https://bi.example.com:65536": "at most 65535",
    "https://bi..example.com": "must be a host name",
    "https://-bi.example.com": "must be a host name",
    "https://bi example.com": "must be a host name",
    "https://10.1.2.300": "must be a host name",
    "https://käse.example": "must be written in ASCII",
}


@pytest.mark.parametrize(("text", "words"), BAD_ORIGINS.items())
def test_what_is_no_origin_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fields.parse_origin(text)


@pytest.mark.parametrize("text", ["0.0.0.0:443", "[::]:443", "127.0.0.1:0", "localhost:8443"])
def test_an_address_to_listen_on_is_kept(text: str) -> None:
    assert str(fields.parse_address(text)) == text


@pytest.mark.parametrize(
    "text", ["443", ":443", "bi.example.com:443", "10.1.2.3", "::1:443", "1.2.3.4:x", 443, "*:443"]
)
def test_what_is_no_address_to_listen_on_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be IP:port"):
        fields.parse_address(text)


def test_one_ip_address_is_a_network() -> None:
    assert fields.parse_network("10.1.2.3") == ipaddress.ip_network("10.1.2.3/32")


@pytest.mark.parametrize(
    ("text", "words"), [("10.1.2.3/24", "did you mean 10.1.2.0/24"), ("all", "such as 10.1.0.0/16")]
)
def test_what_is_no_network_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fields.parse_network(text)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
@pytest.mark.parametrize(
    "parse",
    [
        fields.parse_duration,
        fields.parse_whole,
        fields.parse_flag,
        fields.parse_netloc,
        fields.parse_address,
        fields.parse_origin,
        fields.parse_network,
        fields.parse_host,
    ],
)
def test_a_parser_returns_or_refuses(parse: Any, value: object) -> None:
    said = "must "
    try:
        parse(value)
    except ValueError as error:
        said = str(error)
    assert said.startswith("must ")


@pytest.mark.parametrize("text", ["", "sales", "sales-2", "a.b_c~d", "7"])
def test_a_prefix_is_as_in_the_qmc(text: str) -> None:
    assert names.check_prefix(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Sales", "lower case"),
        ("/sales", "without a slash at its ends"),
        ("sales/", "without a slash at its ends"),
        ("a/b", "may hold only"),
        ("säles", "may hold only"),
        ("a b", "may hold only"),
        ("hub", "choose another"),
        ("qproxy", "choose another"),
        ("..", "choose another"),
    ],
)
def test_what_cannot_be_a_prefix_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        names.check_prefix(text)


@pytest.mark.parametrize("text", ["", "a b", "a;b", "a=b", "X-Qlik-Session-HTTP", "ä", "x" * 129, "a\n"])
def test_what_cannot_be_the_session_cookie_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        names.check_cookie(text)


@pytest.mark.parametrize("text", ["", "  ", "A\\B", "A\nB", "INTERNAL", "internal", "None"])
def test_what_cannot_be_a_user_directory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|holds|Qlik's own"):
        names.check_user_directory(text)


@pytest.mark.parametrize(
    "attributes", [{"": "x"}, {"a=b": "x"}, {"a;b": "x"}, {"grüp": "x"}, {"a": "x;y"}, {"a": "x\ny"}]
)
def test_an_attribute_that_could_be_read_as_two_is_refused(attributes: Mapping[str, str]) -> None:
    with pytest.raises(ValidationError):
        vp(attributes=attributes)


def test_the_cookie_gets_its_suffix_over_http() -> None:
    assert vp().cookie_name == "X-Qlik-Session-sales"
    assert vp(upstreams=["http://qlik1.internal"]).cookie_name == "X-Qlik-Session-sales-HTTP"


def test_the_default_virtual_proxy_has_no_path() -> None:
    assert (vp().path, vp(prefix="").path) == ("/sales", "")


def test_static_attributes_keep_their_order_and_repeat() -> None:
    pairs = vp(attributes={"group": ["b", "a"], "region": "EU"}).static_attributes.pairs
    assert pairs == (("group", "b"), ("group", "a"), ("region", "EU"))


def test_a_lifetime_is_the_models() -> None:
    assert vp(lifetime={"idle": "10m"}).lifetime.value == Lifetime(600, 36000)


def test_the_public_hosts_leave_out_the_schemes_port() -> None:
    named = public(url="https://BI.example.com:443", names=["Qlik.example.com:443", "[::1]:8443", "bi.example.com"])
    assert named.hosts == ("bi.example.com", "qlik.example.com", "[::1]:8443")
    assert named.origins[2] == "https://[::1]:8443"
    assert (named.origin, named.host) == ("https://bi.example.com", "bi.example.com")


def test_the_internal_url_follows_from_the_address_when_it_is_not_given() -> None:
    assert InternalConfig().session_module("sales") == "http://127.0.0.1:8443/session-module/sales"


def test_the_internal_url_is_what_is_given() -> None:
    given_url = InternalConfig.model_validate({"url": "https://qproxy.internal:8443"})
    assert given_url.session_module("sales") == "https://qproxy.internal:8443/session-module/sales"


def test_a_relative_path_starts_at_the_directory() -> None:
    values = {"public": {"url": "https://a.b"}, "sessions": {"path": "../x.db"}}
    server = ServerConfig.model_validate(values, context={"directory": Path("/etc/qproxy")})
    assert server.sessions.path == Path("/etc/qproxy/../x.db")


def test_the_access_log_can_be_off_and_the_audit_log_cannot() -> None:
    values = {"public": {"url": "https://a.b"}, "logging": {"access": "off"}}
    assert ServerConfig.model_validate(values).logging.access == "off"
    with pytest.raises(ValidationError, match="cannot be switched off"):
        ServerConfig.model_validate(values | {"logging": {"audit": "off"}})


def test_a_configuration_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        vp().prefix = "other"


def test_the_session_key_is_not_in_the_representation() -> None:
    server = ServerConfig.model_validate({"public": {"url": "https://a.b"}, "sessions": {"key": "s3cret"}})
    assert "s3cret" not in repr(server)
