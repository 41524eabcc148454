"""A node's settings from a YAML file."""

import ssl
from pathlib import Path

import pytest
import trustme

from qproxy.qliksim import AppSettings, SimConfig
from qproxy.qliksim.loading import load

WHOLE = """
release: "2024-05"
machine_names: [qlik1.internal, qlik1]
listeners: {https: 0, http: 0, rest: off, control: 0}
virtual_proxies:
  - prefix: sso
    cookie_name: X-Qlik-Session-sso
    inactivity_s: 1800
    anonymous: allow
    session_module: http://127.0.0.1:8443
    host_allow: [bi.test]
    extra_headers: [[X-One, "1"]]
  - {prefix: hdr, cookie_name: X-Qlik-Session-hdr, auth: header_static, header_name: hdr-usr, static_dir: LAB}
apps: [{id: a1, title: Sales}, {id: big, layout_bytes: 33554432}, {id: slow, delay_ms: 5000}]
toggles: {ping_poison: false, cache_ttl_s: null, host_mismatch: 403}
"""


def loaded(text: str, tmp_path: Path) -> SimConfig:
    path = tmp_path / "sim.yaml"
    path.write_text(text)
    return load(path)


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    config = loaded(WHOLE, tmp_path)
    first, second = config.virtual_proxies
    assert (config.release, config.rest_port, config.control_port) == ("2024-05", None, 0)
    assert (first.host_allow, first.extra_headers, second.auth) == (("bi.test",), (("X-One", "1"),), "header_static")
    assert config.apps[1] == AppSettings("big", "big", layout_bytes=33554432)
    assert (config.toggles.ping_poison, config.toggles.host_mismatch) == (False, 403)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert loaded("", tmp_path) == SimConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toggels: {}", "the file: unknown key 'toggels'; known are "),
        ("toggles: {ping_poisn: on}", "toggles: unknown key 'ping_poisn'"),
        ("toggles: {ping_poison: 1}", "toggles: ping_poison: 1 is not of the type bool"),
        ("toggles: {host_mismatch: on}", "toggles: host_mismatch: True is not of the type int"),
        ("virtual_proxies: {prefix: a}", "virtual_proxies: a list is expected"),
        ("virtual_proxies: [{host_allow: bi.test}]", r"virtual_proxies\[0\]: host_allow: 'bi.test' is not"),
        ("apps: [{title: x}]", r"apps\[0\]: id is missing"),
        ("apps: [x]", r"apps\[0\]: keys and values are expected"),
        ("listeners: {http: on}", "listeners: http: a port number or off is expected, not True"),
        ("listeners: {http: 70000}", "listeners: http: a port number or off is expected, not 70000"),
        ("toggles: {cache_ttl_s: long}", r"toggles: cache_ttl_s: 'long' is not of the type float | None"),
        ("release: 2031", "unknown release 2031"),
        ("a: [", "sim.yaml: "),
        ("tls: {key: x}", "tls: certificate is missing"),
    ],
)
def test_mistakes_are_refused_with_their_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(text, tmp_path)


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    authority, leaf = trustme.CA(), trustme.CA().issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "node.pem"))
    config = loaded(
        "tls: {certificate: node.pem, client_ca: ca.pem}\nmodule_tls: {ca: ca.pem, certificate: node.pem}", tmp_path
    )
    assert config.rest_tls is not None
    assert config.rest_tls.verify_mode is ssl.CERT_OPTIONAL
    assert config.tls is not None
    assert config.module_ssl is not None
    assert config.module_ssl.verify_mode is ssl.CERT_REQUIRED


def test_without_a_client_authority_the_rest_port_is_plain(tmp_path: Path) -> None:
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "node.pem"))
    assert loaded("tls: {certificate: node.pem}", tmp_path).rest_tls is None
