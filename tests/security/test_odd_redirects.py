"""Redirects of Qlik in spellings that browsers understand: none leads to a Qlik machine or to its login."""

from pathlib import Path

import pytest
from security.behind import scripted

INTERNAL = [
    "https://user@qlik1.internal/x",
    "https://a:b@qlik1.internal:443/x",
    "https://qlik1.internal./x",
    "https:\\\\qlik1.internal\\x",
    "\\\\qlik1.internal/x",
    "/\\qlik1.internal/x",
    "https:/qlik1.internal/x",
    "https:qlik1.internal/x",
    "https:////qlik1.internal/x",
    "ht\ttps://qlik1.internal/x",
    "//qlik1.int\ternal/x",
]
LOGINS = ["https://u@qlik9.elsewhere:4244/x", "https:\\\\qlik9.elsewhere:4248\\form", "http:/qlik9.elsewhere:4248/form"]
ABROAD = ["https://qlik1.internal@evil.example/", "https://idp.example/?next=https://qlik1.internal/"]


async def test_no_spelling_leads_to_a_machine_of_qlik(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with scripted(tmp_path) as qlik:
        cookie = await qlik.login()
        for location in INTERNAL:
            with subtests.test(location):
                answer = f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                qlik.upstream.scripts["/sales/x"] = answer.encode()
                reply = await qlik.ask("GET /sales/x", cookie)
                assert (reply.header("Location") or "").startswith(qlik.site.origin + "/")


async def test_a_machine_that_is_known_by_its_ipv6_address_is_none_for_the_browser(tmp_path: Path) -> None:
    async with scripted(tmp_path, vp="internal_names: ['fd00::1']") as qlik:
        for location in ("https://[fd00::1]/x", "http://[FD00::1]:80/x"):
            answer = f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            qlik.upstream.scripts["/sales/x"] = answer.encode()
            reply = await qlik.ask("GET /sales/x", await qlik.login())
            assert reply.header("Location") == f"{qlik.site.origin}/x"


async def test_no_spelling_leads_to_qliks_login(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with scripted(tmp_path) as qlik:
        for location in LOGINS:
            with subtests.test(location):
                answer = f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                qlik.upstream.scripts["/sales/x"] = answer.encode()
                reply = await qlik.ask("GET /sales/x", await qlik.login())
                assert (reply.status, reply.header("Location")) == (401, None)


async def test_a_redirect_to_somebody_else_is_left_as_it_is(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with scripted(tmp_path) as qlik:
        cookie = await qlik.login()
        for location in ABROAD:
            with subtests.test(location):
                answer = f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
                qlik.upstream.scripts["/sales/x"] = answer.encode()
                assert (await qlik.ask("GET /sales/x", cookie)).header("Location") == location
