"""qproxy's own pages: HTML for people, JSON for programs, and the header fields that keep both safe.

Synchronous and free of aiohttp, because the data plane answers with these pages too. It must never show anything that
a request brought along, except a typed user name, and every value goes through Jinja's escaping.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qproxy.auth.method import Field
from qproxy.errors import Failure
from qproxy.web.texts import LANGUAGE, TEXTS

Headers = list[tuple[str, str]]

RELOADING: Final = frozenset({Failure.UPSTREAM_REFUSED, Failure.UPSTREAM_CONNECT_TIMEOUT, Failure.SHUTTING_DOWN})
"""Failures that pass by themselves within seconds: their page reloads itself."""
RELOAD_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Form:
    """What the login page shows; `message` is plain text, `typed` the user name to keep."""

    fields: tuple[Field, ...]
    token: str
    message: str = ""
    typed: str = ""
    method: str = ""
    step: str = ""
    title: str = ""
    button: str = ""
    other: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    title: str
    icon: str
    address: str


@dataclass(frozen=True, slots=True)
class Picker:
    """The ways to log in; `by_email`: or an e-mail address that says which one."""

    choices: Sequence[Choice]
    token: str
    message: str = ""
    by_email: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    text: str
    word: str
    request_id: str
    again: str
    other: str


def login_page(form: Form, *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    headers = _form_headers(frame_ancestors)
    title = TEXTS.get(form.title, form.title) or TEXTS["login_title"]
    return headers, _render("login.html", title=title, form=form)


def picker_page(picker: Picker, *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    headers = _form_headers(frame_ancestors)
    return headers, _render("picker.html", title=TEXTS["login_title"], picker=picker)


def refused_page(refused: Refused, *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    headers = _headers("text/html; charset=utf-8", frame_ancestors)
    return headers, _render("refused.html", title=TEXTS["refused_title"], refused=refused)


def sent_page(url: str, form: Mapping[str, str], *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    """A form that the person posts to an identity provider: the one page whose form may go to another host."""
    headers = _headers("text/html; charset=utf-8", frame_ancestors, form_action=origin_of(url))
    return headers, _render("sent.html", title=TEXTS["sent_title"], url=url, form=form)


def logout_page(token: str, message: str = "", *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    headers = _form_headers(frame_ancestors)
    return headers, _render("logout.html", title=TEXTS["logout_title"], token=token, message=message)


def logged_out_page(login_url: str, *, frame_ancestors: Sequence[str] = ()) -> tuple[Headers, bytes]:
    headers = _headers("text/html; charset=utf-8", frame_ancestors)
    return headers, _render("logged_out.html", title=TEXTS["logged_out_title"], login_url=login_url)


def failure_page(
    failure: Failure,
    request_id: str,
    *,
    html: bool,
    login_url: str | None = None,
    frame_ancestors: Sequence[str] = (),
) -> tuple[Headers, bytes]:
    """The answer to a request that failed: header fields (no Content-Length, Date, Connection) and the body.

    `html` False gives programs JSON: {"error": word, "message", "requestId"} and "loginUrl" when there is one.
    """
    if not html:
        return _failure_json(failure, request_id, login_url)
    headers = _headers("text/html; charset=utf-8", frame_ancestors)
    if failure in RELOADING:
        headers += [("Retry-After", str(RELOAD_SECONDS)), ("Refresh", str(RELOAD_SECONDS))]
    body = _render(
        "failure.html",
        title=_by_failure("title", failure),
        advice=_by_failure("advice", failure),
        failure=failure,
        request_id=request_id,
        login_url=login_url,
    )
    return headers, body


def compile_pages() -> None:
    """Once, at the start: a missing template is then found there, and the first page costs nobody's time."""
    for template in _pages().list_templates(extensions=["html"]):
        _pages().get_template(template)


def _failure_json(failure: Failure, request_id: str, login_url: str | None) -> tuple[Headers, bytes]:
    told = {"error": failure.word, "message": failure.sentence, "requestId": request_id}
    if login_url is not None:
        told["loginUrl"] = login_url
    headers = _headers("application/json", ())
    if failure in RELOADING:
        headers.append(("Retry-After", str(RELOAD_SECONDS)))
    return headers, json.dumps(told).encode()


def _by_failure(kind: str, failure: Failure) -> str:
    return TEXTS.get(f"{kind}_{failure.word}", TEXTS[f"{kind}_{failure.blame}"])


def _form_headers(frame_ancestors: Sequence[str]) -> Headers:
    """Like `_headers`, but a browser that sends no referrer also posts `Origin: null`, which cannot be told from a
    sandboxed foreign page (Fetch, "append a request Origin header"); so pages with a form give their origin, no more.
    """
    return _headers("text/html; charset=utf-8", frame_ancestors, referrer="strict-origin")


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _headers(
    content_type: str, frame_ancestors: Sequence[str], *, referrer: str = "no-referrer", form_action: str = "'self'"
) -> Headers:
    return [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", _policy(tuple(frame_ancestors), form_action)),
        ("Referrer-Policy", referrer),
        ("X-Content-Type-Options", "nosniff"),
    ]


@cache
def _policy(frame_ancestors: tuple[str, ...], form_action: str) -> str:
    """This host may always frame its pages: a login can be due within a frame of Qlik's own. Every ancestor counts, so
    within a portal these are the portal and this very host."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    ancestors = " ".join(("'self'", *frame_ancestors))
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action {form_action}; base-uri 'none'; "
        f"frame-ancestors {ancestors}"
    )


def _render(template: str, **values: object) -> bytes:
    return _pages().get_template(template).render(values).encode()


@cache
def _style() -> Markup:
    """The style sheet with LF line ends whatever the checkout made of them: browsers hash it after that change."""
    source = _templates().get_source(Environment(autoescape=True), "style.css")[0]
    return Markup(source.replace("\r\n", "\n"))  # noqa: S704 - a file of this package, not input


@cache
def _templates() -> PackageLoader:
    return PackageLoader("qproxy.web", "templates")


@cache
def _pages() -> Environment:
    pages = Environment(
        loader=_templates(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.globals.update(text=TEXTS, language=LANGUAGE, style=_style())
    return pages
