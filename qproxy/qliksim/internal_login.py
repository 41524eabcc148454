"""Qlik's built-in login pages: a form, or Windows sign-on. Also served by the legacy port of old releases.

A person who lands here behind a proxy has been let down: these pages exist so that tests notice it. Any name
with the password of `PASSWORD` is accepted.
"""

from html import escape
from urllib.parse import parse_qs

from aiohttp import web

from qproxy.qliksim import routes
from qproxy.qliksim.exchange import Exchange

FORMS = "internal_forms_authentication"
WINDOWS = "internal_windows_authentication"
PAGES = frozenset({FORMS, WINDOWS})
PASSWORD = "secret"  # noqa: S105  a password of the stand-in, documented for tests
TEST_HEADER = "X-Test-Windows-User"  # stands in for a finished NTLM exchange: DIRECTORY\user
NO_TARGET = "Virtual proxy not possible to determine, since neither TargetId nor Virtual Proxy were specified"


async def serve(exchange: Exchange, windows: bool) -> web.StreamResponse:
    """`windows` picks the page: Windows sign-on or the form."""
    target_id = routes.argument(exchange.place.query, "targetId")
    if not target_id or target_id not in exchange.vp.targets:
        return exchange.answer(400, NO_TARGET, "text/plain")
    name = exchange.request.headers.get(TEST_HEADER) if windows else await _form_user(exchange)
    if name:
        return _welcome(exchange, name, exchange.vp.targets.pop(target_id))
    if windows:
        asks = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM")]
        return exchange.answer(401, headers=asks)
    return exchange.answer(200, _form(exchange.request.raw_path))


async def _form_user(exchange: Exchange) -> str | None:
    if exchange.request.method != "POST":
        return None
    fields = parse_qs((await exchange.request.read()).decode())
    name, password = fields.get("username", [""])[0], fields.get("pwd", [""])[0]
    return name if password == PASSWORD else None


def _welcome(exchange: Exchange, name: str, target: str) -> web.StreamResponse:
    """Back to where the person wanted to go, with a ticket."""
    directory, _, user = name.rpartition("\\")
    ticket = exchange.vp.issue_ticket((directory, user), [])
    joint = "&" if "?" in target else "?"
    return exchange.answer(302, headers=[("Location", f"{target}{joint}qlikTicket={ticket.id}")])


def _form(address: str) -> str:
    return (
        f'<!doctype html><html><head><title>Login</title></head><body><form method="post" action="{escape(address)}">'
        '<label>User name <input name="username"></label><label>Password <input name="pwd" type="password"></label>'
        '<button id="loginbtn">Log in</button></form></body></html>'
    )
