"""qproxy's own pages: HTML for people, JSON for programs, and the header fields that keep both safe.

Synchronous and free of aiohttp, because the data plane answers with these pages too. It must never show anything that
a request brought along, except a typed user name, and every value goes through Jinja's escaping.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from qproxy.auth.method import Field, Shown
from qproxy.errors import Failure
from qproxy.web.look import Look, Looks, templates

Headers = list[tuple[str, str]]
Page = tuple[Headers, bytes]

RELOADING: Final = frozenset({Failure.UPSTREAM_REFUSED, Failure.UPSTREAM_CONNECT_TIMEOUT, Failure.SHUTTING_DOWN})
"""Failures that pass by themselves within seconds: their page reloads itself."""
RELOAD_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Form:
    """What the login page shows; `message` is plain text, `typed` the user name to keep. `refused`: the message says
    what was wrong with what was typed."""

    fields: tuple[Field, ...]
    token: str
    message: str = ""
    typed: str = ""
    method: str = ""
    step: str = ""
    title: str = ""
    button: str = ""
    other: str = ""
    shown: tuple[Shown, ...] = ()
    refused: bool = True
    further: tuple[str, str] | None = None
    """Text and address of a link to something else that this way to log in can do."""


@dataclass(frozen=True, slots=True)
class Choice:
    title: str
    icon: Markup
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


def login_page(look: Look, form: Form, *, frame_ancestors: Sequence[str] = ()) -> Page:
    title = look.texts.say(form.title) or look.texts["login_title"]
    return _form_headers(look, frame_ancestors), _render(look, "login.html", title=title, form=form)


def picker_page(look: Look, picker: Picker, *, frame_ancestors: Sequence[str] = ()) -> Page:
    title = look.texts["login_title"]
    return _form_headers(look, frame_ancestors), _render(look, "picker.html", title=title, picker=picker)


def refused_page(look: Look, refused: Refused, *, frame_ancestors: Sequence[str] = ()) -> Page:
    title = look.texts["refused_title"]
    return _html_headers(look, frame_ancestors), _render(look, "refused.html", title=title, refused=refused)


def sent_page(look: Look, url: str, form: Mapping[str, str], *, frame_ancestors: Sequence[str] = ()) -> Page:
    """A form that the person posts to an identity provider: the one page whose form may go to another host."""
    headers = _html_headers(look, frame_ancestors, form_action=origin_of(url))
    return headers, _render(look, "sent.html", title=look.texts["sent_title"], url=url, form=form)


def onward_page(look: Look, url: str, *, frame_ancestors: Sequence[str] = ()) -> Page:
    """Goes on by itself. Instead of a redirect after a form: browsers follow that only to where the form's page may
    send forms (form-action), which is never another host."""
    headers = [*_html_headers(look, frame_ancestors), ("Refresh", f"0; url={url}")]
    return headers, _render(look, "onward.html", title=look.texts["sent_title"], url=url)


def logout_page(look: Look, token: str, message: str = "", *, frame_ancestors: Sequence[str] = ()) -> Page:
    title = look.texts["logout_title"]
    return _form_headers(look, frame_ancestors), _render(look, "logout.html", title=title, token=token, message=message)


def logged_out_page(look: Look, login_url: str, leaving: str = "", *, frame_ancestors: Sequence[str] = ()) -> Page:
    """`leaving`: the address of an identity provider's logout, to which the page goes on by itself."""
    headers = _html_headers(look, frame_ancestors)
    if leaving:
        headers.append(("Refresh", f"0;url={leaving}"))
    title = look.texts["logged_out_title"]
    return headers, _render(look, "logged_out.html", title=title, login_url=login_url, leaving=leaving)


def failure_page(
    look: Look,
    failure: Failure,
    request_id: str,
    *,
    html: bool,
    login_url: str | None = None,
    frame_ancestors: Sequence[str] = (),
) -> Page:
    """The answer to a request that failed: header fields (no Content-Length, Date, Connection) and the body.

    `html` False gives programs JSON: {"error": word, "message", "requestId"} and "loginUrl" when there is one.
    """
    if not html:
        return _failure_json(failure, request_id, login_url)
    headers = _html_headers(look, frame_ancestors)
    if failure in RELOADING:
        headers += [("Retry-After", str(RELOAD_SECONDS)), ("Refresh", str(RELOAD_SECONDS))]
    body = _render(
        look,
        "failure.html",
        title=_by_failure(look, "title", failure),
        advice=_by_failure(look, "advice", failure),
        failure=failure,
        request_id=request_id,
        login_url=login_url,
    )
    return headers, body


def failure_pages(looks: Looks) -> Callable[[str, str], Callable[..., Page]]:
    """For the data plane: `failure_page` of a virtual proxy and for an Accept-Language."""
    return lambda vp, accepted: partial(failure_page, looks.of(vp, accepted))


def compile_pages() -> None:
    """Once, at the start: a missing template is then found there, and the first page costs nobody's time."""
    for template in _pages().list_templates(extensions=["html"]):
        _pages().get_template(template)


def _failure_json(failure: Failure, request_id: str, login_url: str | None) -> Page:
    told = {"error": failure.word, "message": failure.sentence, "requestId": request_id}
    if login_url is not None:
        told["loginUrl"] = login_url
    headers = _headers("application/json", "default-src 'none'; frame-ancestors 'self'")
    if failure in RELOADING:
        headers.append(("Retry-After", str(RELOAD_SECONDS)))
    return headers, json.dumps(told).encode()


def _by_failure(look: Look, kind: str, failure: Failure) -> str:
    return look.texts.table.get(f"{kind}_{failure.word}") or look.texts[f"{kind}_{failure.blame}"]


def _form_headers(look: Look, frame_ancestors: Sequence[str]) -> Headers:
    """Like `_html_headers`, but a browser that sends no referrer also posts `Origin: null`, which cannot be told from a
    sandboxed foreign page (Fetch, "append a request Origin header"); so pages with a form give their origin, no more.
    """
    return _html_headers(look, frame_ancestors, referrer="strict-origin")


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _html_headers(
    look: Look, frame_ancestors: Sequence[str], *, referrer: str = "no-referrer", form_action: str = "'self'"
) -> Headers:
    policy = _policy(look.style_hash, tuple(frame_ancestors), form_action)
    return [
        *_headers("text/html; charset=utf-8", policy, referrer),
        ("Content-Language", look.texts.language),
        ("Vary", "Accept-Language"),
    ]


def _headers(content_type: str, policy: str, referrer: str = "no-referrer") -> Headers:
    return [
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", referrer),
        ("X-Content-Type-Options", "nosniff"),
    ]


@cache
def _policy(style_hash: str, frame_ancestors: tuple[str, ...], form_action: str) -> str:
    """This host may always frame its pages: a login can be due within a frame of Qlik's own. Every ancestor counts, so
    within a portal these are the portal and this very host."""
    ancestors = " ".join(("'self'", *frame_ancestors))
    return (
        f"default-src 'none'; style-src '{style_hash}'; img-src data:; form-action {form_action}; base-uri 'none'; "
        f"frame-ancestors {ancestors}"
    )


def _render(look: Look, template: str, **values: object) -> bytes:
    shown = {"look": look, "text": look.texts.table, "language": look.texts.language, "style": look.style}
    return _pages().get_template(template).render(shown | values).encode()


@cache
def _pages() -> Environment:
    return Environment(
        loader=templates(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
