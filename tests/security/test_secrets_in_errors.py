"""What goes wrong is told, and no secret with it: canaries on every way that ends in an error."""

import logging
from pathlib import Path

import pytest
from a_site import Site
from hostile.wire import connected
from security.behind import COOKIE, UPGRADE, Scripted, ended, scripted
from security.forms import Form

CANARY = "CANARYcanary0123456789CANARYcanary0123456789a"
SECRETS = f"qlikTicket={CANARY}&qlik-csrf-token={CANARY}&xrfkey={CANARY}&state={CANARY}"
CLOSE = "Host: localhost\r\nConnection: close\r\n"
REDIRECT = b"HTTP/1.1 302 F\r\nLocation: /internal_forms_authentication/?targetId=%b\r\nContent-Length: 0\r\n\r\n"


async def public_errors(qlik: Scripted) -> None:
    """Each ends in a 4xx or 5xx."""
    lines = [f"Cookie: {COOKIE}={CANARY}", f"Authorization: Bearer {CANARY}", f"X-Qlik-Xrfkey: {CANARY}"]
    for line, *fields in (
        (f"GET /sales/x?{SECRETS}", *lines),
        (f"GET /nowhere?{SECRETS}", *lines),
        (f"GET /sales/../x?{SECRETS}", *lines),
        (f"POST /sales/x?{SECRETS}", "Origin: https://evil.example", *lines),
        (f"GET /sales/x?{SECRETS}", *UPGRADE, *lines),
        (f"GET /sales/x?{SECRETS}", f"Cookie {COOKIE}={CANARY}"),
        (f"GET /sales/x?{SECRETS}", f"X_Token: {CANARY}", *lines),
        (f"GET /sales/x?{SECRETS}", *(f"Cookie: {COOKIE}={CANARY}{number}" for number in range(9))),
        (f"GET /qproxy/nowhere?{SECRETS}", *lines),
        (f"GET /qproxy/login/sales?state={CANARY}", *lines),
    ):
        reply = await qlik.ask(line, *fields)
        assert CANARY not in reply.head.decode() + reply.body.decode(), line


async def own_page_errors(qlik: Scripted) -> None:
    form = await Form.of(qlik)
    assert await form.post(name="ann", password=CANARY) == 403
    assert await form.post("Content-Encoding: gzip", name="ann", password=CANARY) == 400
    assert await Form(qlik, form.cookie, CANARY).post(name="ann", password=CANARY) == 403


async def upstream_errors(qlik: Scripted) -> None:
    for answer in (REDIRECT % CANARY.encode(), b"HTTP/1.1 200 OK\r\nSet-Cookie: " + CANARY.encode() + b"\0\r\n\r\n"):
        qlik.upstream.scripts[f"/sales/x?{SECRETS}"] = answer
        cookie = await qlik.login()
        reply = await qlik.ask(f"GET /sales/x?{SECRETS}", cookie)
        assert reply.status in (401, 502)


async def module_errors(site: Site) -> None:
    area = "/session-module/sales/session"
    bodies = (f'{{"SessionId":"{CANARY}"', f'{{"SessionId":"{CANARY}","UserId":7,"UserDirectory":"X"}}')
    targets = (
        f"{area}/{CANARY}",
        f"/session-module/none/session/{CANARY}",
        f"{area}/{CANARY}%0a",
        f"{area}/{CANARY}\0",
    )
    requests = [f"GET {target} HTTP/1.1\r\n{CLOSE}\r\n" for target in targets]
    requests += [f"POST {area} HTTP/1.1\r\n{CLOSE}Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies]
    for request in requests:
        async with connected(site.server.internal_ports[0]) as caller:
            caller.send(request.encode())
            received = await ended(caller)
            assert received[8:10] == b" 4"
            assert CANARY.encode() not in received


async def test_no_secret_stands_in_a_log_when_something_goes_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "qproxy")
    async with scripted(tmp_path) as qlik:
        await public_errors(qlik)
        await own_page_errors(qlik)
        await upstream_errors(qlik)
        await module_errors(qlik.site)
    logs = caplog.text + "".join((tmp_path / name).read_text("utf-8") for name in ("access.log", "audit.log"))
    assert [line for line in logs.splitlines() if CANARY[:20] in line] == []
    assert "not_logged_in" in logs
