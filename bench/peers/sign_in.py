"""Logs a person in at qproxy's own form, as a browser does, and keeps the session's cookie. Blocking."""

import re
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

from bench.site import HOST, SERVER_NAME

PATIENCE_S = 30.0


class SignInError(RuntimeError):
    """What the form answered instead of a session."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str = "ann"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))


PERSON = Person()
"""Who logs in everywhere in this run."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    cookies: Mapping[str, str]
    text: str


def sign_in(port: int, vp: str, ca: Path | None, person: Person = PERSON) -> str:
    """The Cookie pair of the new session. TLS when there is a `ca`. Raises SignInError."""
    target = f"/qproxy/login/{vp}"
    try:
        page = _ask(port, ca, "GET", target)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        form = urlencode(hidden | {"name": person.name, "password": person.password})
        reply = _ask(port, ca, "POST", target, form, page.cookies)
    except (OSError, HTTPException) as error:
        raise SignInError(f"{target}: {error}") from error
    for name, value in reply.cookies.items():
        if name.lower().startswith(f"x-qlik-session-{vp}"):
            return f"{name}={value}"
    raise SignInError(f"POST {target}: status {reply.status} without a session cookie: {reply.text[:300]}")


def _ask(
    port: int, ca: Path | None, method: str, target: str, form: str = "", cookies: Mapping[str, str] | None = None
) -> Reply:
    origin = f"{'https' if ca else 'http'}://{SERVER_NAME}:{port}"
    headers = {"Host": f"{SERVER_NAME}:{port}", "Origin": origin, "Accept": "text/html"}
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    connection = _connection(port, ca)
    try:
        connection.request(method, target, form or None, headers)
        answer = connection.getresponse()
        lines = answer.headers.get_all("Set-Cookie", [])
        pairs = dict(line.partition(";")[0].split("=", 1) for line in lines)
        return Reply(answer.status, pairs, answer.read().decode("utf-8", "replace"))
    finally:
        connection.close()


def _connection(port: int, ca: Path | None) -> HTTPConnection:
    if ca is None:
        return HTTPConnection(HOST, port, timeout=PATIENCE_S)
    # The certificate names the address, too.
    return HTTPSConnection(HOST, port, timeout=PATIENCE_S, context=ssl.create_default_context(cafile=ca))
