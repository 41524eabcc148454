"""Configurations that would silently open something: each is refused, or said aloud where it may be meant."""

from pathlib import Path

import pytest
from config_site import SALES, SERVER, ConfigSite

EVERYBODY = "internal: {listen: '0.0.0.0:8443', url: 'http://q.internal:8443', allow: [%s]}\n"
BEHIND = "public: {url: 'https://bi.example.com', listen: '0.0.0.0:80'}\nsessions: {store: memory}\n"

REFUSED = {
    "nobody may call": (SERVER + "internal: {allow: []}\n", SALES, "internal.allow: is empty"),
    "everybody by halves": (SERVER + EVERYBODY % "0.0.0.0/1, 128.0.0.0/1", SALES, "internal.allow: is everybody"),
    "everybody of IPv6": (SERVER + EVERYBODY % "'::/1', '8000::/1'", SALES, "internal.allow: is everybody"),
    "plain http to everybody": (BEHIND + "trusted_proxies: [0.0.0.0/0]\n", SALES, "would serve plain http"),
    "plain http by halves": (BEHIND + "trusted_proxies: [0.0.0.0/1, 128.0.0.0/1]\n", SALES, "would serve plain http"),
    "the login's cookie": (SERVER, SALES.replace("X-Qlik-Session-sales", "__Host-qproxy-login"), "qproxy's own cookie"),
    "its plain form": (SERVER, SALES.replace("X-Qlik-Session-sales", "Qproxy-Login"), "qproxy's own cookie"),
    "one file for both logs": (SERVER + "logging: {access: a.log, audit: a.log}\n", SALES, "is the access log's file"),
}  # fmt: skip
WARNED = {
    "trust by halves": (SERVER + "trusted_proxies: [0.0.0.0/1, 128.0.0.0/1]\n", SALES, "believes anybody's"),
    "an origin over http": (SERVER, SALES + "allowed_origins: http://portal.example\n", "is http: whoever is on"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_open_something_is_refused(tmp_path: Path, name: str) -> None:
    server, sales, wanted = REFUSED[name]
    problems = ConfigSite(tmp_path).write(server, sales=sales).problems(files=False)
    assert [wanted in problem for problem in problems] == [True]


@pytest.mark.parametrize("name", WARNED)
def test_what_may_be_meant_is_said_aloud(tmp_path: Path, name: str) -> None:
    server, sales, wanted = WARNED[name]
    assert any(wanted in warning for warning in ConfigSite(tmp_path).write(server, sales=sales).warnings())
