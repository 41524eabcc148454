"""Logging out with a real OpenID provider, in both directions, and asking it whether a login still stands."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from a_process import ProcessSite, process_site
from a_site import Front, Site, farewell, greeting
from oidc_evening import Evening, login_of
from oidc_logout_evening import evening_with_logout, provider_with_logout
from oidc_site import RealProvider, at_the_provider
from site_plan import free_port
from the_workers import workers_of
from waiting import eventually
from yarl import URL

from qproxy.model import Session
from qproxy.qliksim import Toggles

COOKIE = "X-Qlik-Session-sales-HTTP"
HUB = "/sales/hub/"
SECOND = 1.0


@pytest.fixture
async def oidc(tmp_path: Path) -> AsyncIterator[Evening]:
    async with evening_with_logout(tmp_path) as built:
        yield built


class Person:
    """One browser, with its cookies here and at the provider."""

    def __init__(self, site: Front, provider: RealProvider) -> None:
        self.site = site
        self.provider = provider
        self.here = site.browser()
        self.there = provider.visitor()
        site.people.append(self.there)

    async def visit(self, target: str = HUB) -> tuple[str, str]:
        """As a browser follows, until a page comes: its address, and its text. Forms are left alone."""
        address = self.site.url(target)
        for _ in range(12):
            browser = self.there if str(address).startswith(self.provider.issuer) else self.here
            async with browser.get(address, allow_redirects=False) as answer:
                text = await answer.text()
                onward = answer.headers.get("Location") or answer.headers.get("Refresh", "").partition("url=")[2]
            if not onward:
                return str(address), text
            address = address.join(URL(onward, encoded=True))
        raise AssertionError(f"a loop at {address}")

    async def log_in(self, name: str = "ann", target: str = HUB) -> str:
        address, _ = await self.visit(target)
        back = f"{self.site.origin}/qproxy/login/sales/oidc/callback"
        return (await self.visit(await at_the_provider(self.there, address, name, back)))[0]

    async def log_out_there(self, address: str = "") -> tuple[str, str]:
        """At the provider's logout: the page after it."""
        place, page = await self.visit(address or f"{self.provider.issuer}/session/end")
        action = re.search(r'<form[^>]* action="([^"]+)"', page)
        assert action is not None, page
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)) | {"logout": "yes"}
        async with self.there.post(unescape(action[1]), data=fields, allow_redirects=False) as done:
            onward = done.headers["Location"]
        return await self.visit(str(URL(place).join(URL(onward, encoded=True))))


def is_form_of(provider: RealProvider, address: str) -> bool:
    return address.startswith(f"{provider.issuer}/interaction/")


def living(oidc: Evening) -> list[Session]:
    sessions = oidc.site.server.sessions
    return list(getattr(sessions.store, "_groups")["sales", False].values())  # noqa: B009


async def test_a_logout_at_the_provider_closes_an_open_socket_in_qliks_words(oidc: Evening) -> None:
    person = Person(oidc.site, oidc.provider)
    await person.log_in()
    async with oidc.site.engine(person.here) as ws:
        await greeting(ws)
        await person.log_out_there()
        async with asyncio.timeout(SECOND):
            assert await farewell(ws) == (["OnSessionLoggedOut"], 1001, "provider")
    assert await oidc.site.status(person.here, HUB) == 302
    assert is_form_of(oidc.provider, (await person.visit())[0])


async def test_a_logout_at_the_provider_leaves_other_peoples_sessions_alone(oidc: Evening) -> None:
    ann, bob = Person(oidc.site, oidc.provider), Person(oidc.site, oidc.provider)
    await ann.log_in("ann")
    await bob.log_in("bob")
    await ann.log_out_there()
    assert await oidc.site.status(bob.here, HUB) == 200
    [line] = [one for one in audit(oidc.site) if one["event"] == "provider_call"]
    assert (line["outcome"], line["user"]) == ("backchannel_logout", "1 sessions")


async def test_our_logout_is_one_at_the_provider_too_and_comes_back_to_a_page_of_ours(oidc: Evening) -> None:
    person = Person(oidc.site, oidc.provider)
    await person.log_in()
    form = await oidc.site.form(person.here, "/qproxy/logout/sales")
    async with person.here.post("/qproxy/logout/sales", data=form) as page:
        leaving = page.headers["Refresh"].partition("url=")[2]
    assert leaving.startswith(oidc.provider.issuer)
    address, text = await person.log_out_there(leaving)
    assert address.startswith(f"{oidc.site.origin}/qproxy/logout/sales/done")
    assert "You are logged out" in text
    assert is_form_of(oidc.provider, (await person.visit(button(text)))[0])


async def test_after_a_logout_in_the_hub_the_next_page_is_the_providers_logout_and_no_silent_login(
    oidc: Evening,
) -> None:
    person = Person(oidc.site, oidc.provider)
    await person.log_in()
    assert await oidc.site.status(person.here, "/sales/qps/user", method="DELETE") == 200
    await eventually(lambda: not living(oidc))
    address, _ = await person.visit()
    assert address.startswith(f"{oidc.provider.issuer}/session/end?id_token_hint=")
    address, text = await person.log_out_there(address)
    assert address.startswith(f"{oidc.site.origin}/qproxy/logout/sales/done")
    assert is_form_of(oidc.provider, (await person.visit(button(text)))[0])


async def test_who_logs_in_again_after_that_gets_on_as_ever(oidc: Evening) -> None:
    person = Person(oidc.site, oidc.provider)
    await person.log_in()
    await oidc.site.status(person.here, "/sales/qps/user", method="DELETE")
    await eventually(lambda: not living(oidc))
    _, text = await person.log_out_there((await person.visit())[0])
    assert await person.log_in(target=button(text)) == f"{oidc.site.origin}{HUB}"
    assert (await person.visit())[0] == f"{oidc.site.origin}{HUB}"


async def test_a_frame_with_the_providers_name_and_the_session_ends_it(oidc: Evening) -> None:
    person = Person(oidc.site, oidc.provider)
    await person.log_in()
    [sid] = [key.rpartition(" ")[2] for key in living(oidc)[0].tie.keys if key.startswith("sid ")]
    place = "/qproxy/login/sales/oidc/frontchannel"
    stranger = oidc.site.browser()
    assert await oidc.site.status(stranger, f"{place}?iss=https%3A%2F%2Felsewhere&sid={sid}") == 400
    assert await oidc.site.status(person.here, HUB) == 200
    assert await oidc.site.status(stranger, str(URL(place).with_query(iss=oidc.provider.issuer, sid=sid))) == 200
    assert await oidc.site.status(person.here, HUB) == 302


async def test_fifty_requests_after_its_time_renew_a_login_once(tmp_path: Path) -> None:
    async with evening_with_logout(tmp_path, recheck="1m") as oidc:
        person = Person(oidc.site, oidc.provider)
        await person.log_in()
        before = living(oidc)[0].tie
        oidc.site.clock.now += 61
        statuses = await asyncio.gather(*(oidc.site.status(person.here, HUB) for _ in range(50)))
        await eventually(lambda: living(oidc)[0].tie.check_at > before.check_at)
        assert set(statuses) == {200}
        assert living(oidc)[0].tie.kept["refresh_token"] != before.kept["refresh_token"]
        text = oidc.site.server.observer.metrics.text().decode()
    assert 'qproxy_login_rechecks_total{method="oidc",outcome="kept",vp="sales"} 1.0' in text


async def test_a_login_that_the_provider_no_longer_knows_ends_when_it_is_asked(tmp_path: Path) -> None:
    async with evening_with_logout(tmp_path, backchannel=False, recheck="1m") as oidc:
        person = Person(oidc.site, oidc.provider)
        await person.log_in()
        await person.log_out_there()
        assert await oidc.site.status(person.here, HUB) == 200
        async with oidc.site.engine(person.here) as ws:
            await greeting(ws)
            oidc.site.clock.now += 61
            assert await oidc.site.status(person.here, HUB) == 200
            assert await farewell(ws) == (["OnSessionLoggedOut"], 1001, "provider")
        assert await oidc.site.status(person.here, HUB) == 302


@pytest.mark.skipif(sys.platform != "linux", reason="processes share a port on Linux only")
async def test_a_logout_at_the_provider_closes_the_sockets_of_both_workers(tmp_path: Path) -> None:
    port = free_port()
    async with provider_with_logout(tmp_path, port) as provider:
        vp = json.dumps({"login": [login_of(provider, tmp_path)]})
        wishes: dict[str, Any] = {"server": "workers: 2", "vp": vp, "port": port, "vps": {"sales": "sales"}}
        async with process_site(tmp_path, toggles=Toggles(csrf=False), **wishes) as qlik:
            person = Person(qlik, provider)
            await person.log_in()
            async with contextlib.AsyncExitStack() as held:
                sockets = [await held.enter_async_context(qlik.engine(person.here, token="")) for _ in range(12)]
                for ws in sockets:
                    await greeting(ws)
                assert all(len(connections(worker)) > 1 for worker in workers_of(qlik))
                await person.log_out_there()
                async with asyncio.timeout(2 * SECOND):
                    ends = [await farewell(ws) for ws in sockets]
    assert ends == [(["OnSessionLoggedOut"], 1001, ends[0][2])] * 12


def connections(worker: Any) -> list[Any]:
    return [one for one in worker.net_connections("tcp") if one.status == "ESTABLISHED"]


def audit(site: Site | ProcessSite) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (site.directory / "audit.log").read_text().splitlines()]


def button(page: str) -> str:
    found = re.search(r'class="button" href="([^"]*)"', page)
    assert found is not None, page
    return unescape(found[1])
