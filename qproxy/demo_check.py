"""The demo's own evening: `make run CHECK=1` logs in, uses Qlik, logs out, and says what happened, a line a step.

It goes the way that a browser goes, over the public port; only "what did Qlik ask?" is looked up in the stand-in.
"""

import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import click
from yarl import URL

from qproxy.demo import APPS, Demo

TIMEOUT = aiohttp.ClientTimeout(total=30)
APP = APPS[0].id
SHEET = f"/sales/sense/app/{APP}/sheet/overview/state/analysis?lang=en&note=%2Fa+b"


class StepFailed(Exception):
    """A step did not go as it must; the text says what came instead."""


def expect(condition: object, what: str) -> None:
    if not condition:
        raise StepFailed(what)


async def evening(demo: Demo) -> int:
    """0 when every step went well, 1 at the first that did not."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Accept": "text/html", "Origin": demo.origin}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=demo.ca) if demo.ca else True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers=headers, connector=connector, timeout=TIMEOUT) as browser:
        person = Person(demo, browser)
        for step in (
            person.deep_link, person.login, person.hub, person.csrf_token, person.engine, person.module, person.logout,
            person.refused,
        ):  # fmt: skip
            if not await _told(step):
                return 1
    click.echo("all well")
    return 0


async def _told(step: Callable[[], Awaitable[str]]) -> bool:
    started = time.perf_counter()
    name = step.__name__.replace("_", " ")
    try:
        outcome = await step()
    except (StepFailed, aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        click.echo(f"FAILED  {name}: {str(error) or type(error).__name__}", err=True)
        return False
    click.echo(f"ok  {name:<12} {outcome}  ({(time.perf_counter() - started) * 1000:.0f} ms)")
    return True


class Person:
    """Ann, with a browser."""

    def __init__(self, demo: Demo, browser: aiohttp.ClientSession) -> None:
        self._demo = demo
        self._browser = browser
        self._login = ""
        self._csrf = ""

    def _url(self, target: str) -> URL:
        return URL(self._demo.origin + target, encoded=True)

    async def deep_link(self) -> str:
        async with self._browser.get(self._url(SHEET), allow_redirects=False) as answer:
            self._login = answer.headers.get("Location", "")
            expect(answer.status == 302 and self._login.startswith("/qproxy/login/sales"), f"status {answer.status}")
        return "without a session: sent to the login page"

    async def login(self) -> str:
        name, password = next(iter(self._demo.people.items()))
        form = await self._form(self._login)
        form |= {"name": name, "password": password}
        async with self._browser.post(self._url(self._login), data=form, allow_redirects=False) as answer:
            expect(answer.status == 303, f"status {answer.status}")
            expect(answer.headers["Location"] == self._demo.origin + SHEET, f"sent to {answer.headers['Location']}")
        return f"{name} is logged in and back at the exact address"

    async def _form(self, target: str) -> dict[str, str]:
        async with self._browser.get(self._url(target)) as page:
            expect(page.status == 200, f"status {page.status}")
            return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', await page.text()))

    async def hub(self) -> str:
        async with self._browser.get(self._url("/sales/hub/"), allow_redirects=False) as answer:
            text = await answer.text()
            expect(answer.status == 200 and APPS[0].title in text, f"status {answer.status}")
        return f"Qlik's hub on {self._demo.origin}"

    async def csrf_token(self) -> str:
        async with self._browser.get(self._url("/sales/qps/csrftoken")) as answer:
            self._csrf = answer.headers.get("qlik-csrf-token", "")
            expect(answer.status == 204 and self._csrf, f"status {answer.status}")
        return "passed through"

    async def engine(self) -> str:
        url = self._url(f"/sales/app/{APP}?qlik-csrf-token={self._csrf}")
        async with self._browser.ws_connect(url) as socket:
            await _greeting(socket)
            who = await _call(socket, 1, -1, "GetAuthenticatedUser", [])
            doc = await _call(socket, 2, -1, "OpenDoc", [APP])
            layout = await _call(socket, 3, doc["qReturn"]["qHandle"], "GetAppLayout", [])
        expect("UserDirectory=SALES; UserId=ann" in str(who), f"the engine knows {who}")
        expect(layout["qLayout"]["qTitle"] == APPS[0].title, "another layout")
        return f"{who['qReturn']}; app {layout['qLayout']['qTitle']!r} opened"

    async def module(self) -> str:
        calls = [entry for entry in self._demo.node.journal("module") if entry.status == 200]
        expect(calls, "Qlik never asked the session module")
        people = [session.user for session in self._demo.node.sessions("sales")]
        expect(people == ["ann"], f"Qlik's sessions: {people}")
        return f"Qlik asked {len(calls)} time(s) who the session is; it holds one session, no anonymous ones"

    async def logout(self) -> str:
        form = await self._form("/qproxy/logout/sales")
        async with self._browser.post(self._url("/qproxy/logout/sales"), data=form) as answer:
            expect(answer.status == 200, f"status {answer.status}")
        return "by the button on qproxy's page"

    async def refused(self) -> str:
        async with self._browser.get(self._url("/sales/hub/"), allow_redirects=False) as answer:
            expect(answer.status == 302, f"status {answer.status}")
        async with self._browser.get(self._url("/sales/qrs/about"), headers={"Accept": "*/*"}) as answer:
            expect(answer.status == 401, f"status {answer.status}")
        return "afterwards: the login page for people, 401 for programs"


async def _greeting(socket: aiohttp.ClientWebSocketResponse) -> None:
    seen = {(await socket.receive_json()).get("method") for _ in range(2)}
    expect(seen == {"OnAuthenticationInformation", "OnConnected"}, f"greeted with {seen}")


async def _call(
    socket: aiohttp.ClientWebSocketResponse, number: int, handle: int, method: str, params: list[str]
) -> Any:
    await socket.send_json({"jsonrpc": "2.0", "id": number, "handle": handle, "method": method, "params": params})
    while True:
        answer = await socket.receive_json()
        if answer.get("id") == number:
            expect("result" in answer, f"{method}: {answer.get('error')}")
            return answer["result"]
