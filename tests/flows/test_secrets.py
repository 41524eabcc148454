"""An evening with every secret there is, after which none of them stands in any log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_process import ProcessSite, process_site
from a_site import APP, greeting
from login_site import quick_hasher

from qproxy.auth.user_file import Entry

CANARY = "canary-of-the-"
PASSWORD = f"{CANARY}password"
COOKIE = "X-Qlik-Session-sales-HTTP"


@pytest.fixture
def form() -> str:
    return "json"


@pytest.fixture
async def qlik(tmp_path: Path, form: str) -> AsyncIterator[ProcessSite]:
    users = tmp_path / "users"
    users.write_text(Entry("ann", quick_hasher().hash(PASSWORD)).line + "\n")
    users.chmod(0o600)
    async with process_site(tmp_path, server=f"logging: {{level: debug, format: {form}}}") as built:
        yield built


def logs(qlik: ProcessSite) -> dict[str, str]:
    files = {name: (qlik.directory / f"{name}.log").read_text() for name in ("access", "audit")}
    return files | {"stderr": qlik.process.errors, "stdout": qlik.process.said.decode()}


async def wrong_logins(qlik: ProcessSite, person: aiohttp.ClientSession) -> None:
    login = "/qproxy/login/sales"
    form = await qlik.form(person, login)
    mistaken = {"name": "ann", "password": f"{CANARY}mistaken-password"}
    assert await qlik.status(person, login, method="POST", data=form | mistaken) == 403
    forged = {"token": f"{CANARY}form-token", **mistaken}
    assert await qlik.status(person, login, method="POST", data=forged) == 403
    broken = f"password={CANARY}broken-form\x00\xff".encode("latin-1")
    assert await qlik.status(person, login, method="POST", data=broken) in (400, 403)


async def odd_requests(qlik: ProcessSite, person: aiohttp.ClientSession) -> None:
    secrets = {
        "Authorization": f"Bearer {CANARY}authorization",
        "X-Qlik-Xrfkey": f"{CANARY}xrfkey"[:16],
        "Cookie": f"other={CANARY}cookie; {COOKIE}={qlik.cookie(person)}",
    }
    for query in ("qlikTicket", "QlikTicket", "qlik-csrf-token", "access_token", "code", "SAMLResponse", "password"):
        await qlik.status(person, f"/sales/echo?x=1&{query}={CANARY}{query.lower()}", headers=secrets)
    await qlik.status(person, f"/sales/echo?qlik%54icket={CANARY}encoded-ticket")
    await qlik.status(person, f"/elsewhere?qlikTicket={CANARY}ticket-of-no-virtual-proxy")
    await qlik.status(person, "/sales/echo", headers={"Cookie": f"{COOKIE}={CANARY}one; {COOKIE}={CANARY}two"})
    await qlik.status(person, "/sales/fault/reset", headers=secrets)
    await qlik.status(person, "/sales/echo", headers={"X_Odd": f"{CANARY}odd-header"})
    await qlik.status(person, f"/qproxy/login/sales?state={CANARY}login-state&code={CANARY}code")


async def module_calls(qlik: ProcessSite) -> None:
    async with aiohttp.ClientSession() as caller:
        for method, path in (("GET", "session"), ("DELETE", "session"), ("GET", "nothing")):
            url = f"{qlik.internal}/session-module/sales/{path}/{CANARY}unknown-id"
            await (await caller.request(method, url, headers={"X-Qlik-ProxySession": f"{CANARY}proxysession"})).read()
        told = {"UserDirectory": "NONE", "UserId": "anonymous", "SessionId": f"{CANARY}told-id", "Attributes": []}
        await (await caller.post(f"{qlik.internal}/session-module/sales/session", json=told)).read()
        taken = told | {"UserId": "another"}
        await (await caller.post(f"{qlik.internal}/session-module/sales/session", json=taken)).read()


async def whole_evening(qlik: ProcessSite) -> set[str]:
    """The secrets that were made on the way: session ids and tokens."""
    person = qlik.browser()
    await wrong_logins(qlik, person)
    await qlik.log_in(person, f"/sales/hub/?qlikTicket={CANARY}deep-link-ticket", password=PASSWORD)
    made = {qlik.cookie(person), await qlik.csrf(person)}
    async with qlik.engine(person) as ws:
        await greeting(ws)
    await odd_requests(qlik, person)
    await module_calls(qlik)
    qlik.node.set_session_module("sales", "")
    qlik.node.forget_cache("sales")
    await qlik.log_in(person, f"/sales/sense/app/{APP}", password=PASSWORD)  # Qlik does not accept: one new login
    made.add(qlik.cookie(person))
    assert await qlik.status(person, "/sales/hub/") == 502
    await qlik.log_out(person)
    return made | {cookie.value for cookie in person.cookie_jar if cookie.value}


@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_secret_of_a_whole_evening_stands_in_any_log(qlik: ProcessSite) -> None:
    made = await whole_evening(qlik)
    await qlik.stop()
    written = logs(qlik)
    assert len(made) >= 4
    for name, text in written.items():
        found = [secret for secret in (CANARY, *made) if secret in text]
        lines = [line for line in text.splitlines() if any(secret in line for secret in found)]
        assert not lines, f"{name}: {lines}"


async def test_what_the_logs_say_instead_is_enough_to_follow_the_evening(qlik: ProcessSite) -> None:
    await whole_evening(qlik)
    await qlik.stop()
    written = logs(qlik)
    access = [json.loads(line) for line in written["access"].splitlines()]
    audit = [json.loads(line) for line in written["audit"].splitlines()]
    assert {"101", "200", "302", "303", "403", "404", "502"} <= {str(line["status"]) for line in access}
    assert {"login", "logout", "session_ended", "session_told"} <= {line["event"] for line in audit}
    ids = {line["session"] for line in audit if line.get("session")}
    assert {line["session"] for line in access if line["session"] != "-"} <= ids
    assert "session_not_accepted" in {line["failure"] for line in access}
