"""Cookies that somebody else put into a browser: Qlik must never see another session than the gate does."""

from pathlib import Path

import pytest
from a_site import site
from security.behind import COOKIE, scripted

EMPTY = b"HTTP/1.1 200 OK\r\nSet-Cookie: %b\r\nContent-Length: 0\r\n\r\n"
FINANCE = "X-Qlik-Session-finance-HTTP"


async def test_no_other_spelling_of_the_session_cookie_reaches_qlik(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Servers compare cookie names without regard to case, and some take a comma for the end of a cookie."""
    async with scripted(tmp_path) as qlik:
        living = (await qlik.login()).partition(" ")[2]
        for tossed in (COOKIE.lower(), COOKIE.upper(), f"a=b,{COOKIE}", f"a=b, {COOKIE}", f"a=b,{COOKIE.lower()} ",
                       f'"{COOKIE}"', f"{COOKIE}\xa0", f"a {COOKIE}"):  # fmt: skip
            for field in (f"{tossed}=evil; b=1; {living}", f"{living}; b=1; {tossed}=evil"):
                with subtests.test(field):
                    assert (await qlik.ask("GET /sales/x", f"Cookie: {field}")).status == 200
                    [cookie] = qlik.arrived("Cookie")
                    assert sorted(cookie.decode().split("; ")) == sorted(["b=1", living])


async def test_qlik_sets_no_cookie_that_is_qproxys_or_another_virtual_proxys(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Without a name (RFC 6265bis section 5.7) a cookie's value is sent back as if it were name and value."""
    names = [COOKIE, f"{COOKIE} ", f"={COOKIE}", f"=\t{COOKIE}", COOKIE.lower(), f'"{COOKIE}"', FINANCE]
    names += ["qproxy-login", "__Host-qproxy-login", "=__host-Qproxy-Login"]
    async with scripted(tmp_path) as qlik:
        cookie = await qlik.login()
        for name in names:
            with subtests.test(name):
                qlik.upstream.scripts["/sales/x"] = EMPTY % f"{name}=evil; Path=/".encode()
                reply = await qlik.ask("GET /sales/x", cookie)
                assert (reply.status, reply.header("Set-Cookie")) == (200, None)


async def test_an_anonymous_visitors_cookie_is_qliks_to_set_but_not_that_of_another_virtual_proxy(
    tmp_path: Path,
) -> None:
    async with scripted(tmp_path, vp="anonymous: allow") as qlik:
        for name, passed in ((COOKIE, True), (COOKIE.lower(), False), (FINANCE, False), ("qproxy-login", False)):
            qlik.upstream.scripts["/sales/x"] = EMPTY % f"{name}=theirs".encode()
            reply = await qlik.ask("GET /sales/x")
            assert (reply.header("Set-Cookie") == f"{name}=theirs") == passed


async def test_an_ended_login_is_not_shown_to_a_qlik_that_admits_strangers(tmp_path: Path) -> None:
    """Qlik keeps what the session module once said for a while: the old id would still be a person there."""
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        await qlik.fill_in(person, "/qproxy/login/sales")
        stolen = qlik.browser(Cookie=f"{COOKIE}={qlik.cookie(person)}")
        async with stolen.get("/sales/qps/user") as before:
            assert (await before.json())["userId"] == "ann"
        await qlik.log_out(person)
        async with stolen.get("/sales/qps/user") as after:
            assert "ann" not in await after.text()


async def test_an_anonymous_session_lives_as_long_as_it_is_used(tmp_path: Path) -> None:
    """Qlik's own sessions are forgotten after a time without use: the browser's requests are use."""
    async with site(tmp_path, vp="anonymous: allow", qlik={"anonymous": "allow"}) as qlik:
        person = qlik.browser()
        await qlik.status(person, "/sales/hub/")
        first = qlik.cookie(person)
        for _ in range(5):
            qlik.clock.now += 1000
            assert await qlik.status(person, "/sales/hub/") == 200
        assert qlik.cookie(person) == first
        assert await qlik.server.sessions.find("sales", first) is not None
