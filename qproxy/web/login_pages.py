"""What the login flow shows: a form, the choice of a way, a refusal, the way out to an identity provider.

Answers only: they decide nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from qproxy.auth.method import Ask, Send
from qproxy.auth.way import Way
from qproxy.web import pages
from qproxy.web.desk import LoginDesk
from qproxy.web.icons import icon_of
from qproxy.web.own_pages import page, see_other
from qproxy.web.visit import LAST_WAY, Visit, login_path

REMEMBERED: Final = 365 * 86400
"""Seconds for which a browser keeps the last way."""


@dataclass(frozen=True, slots=True)
class Extras:
    """Of a form: a message, the sealed step that it brings back, the address of the choice ("" where there is none);
    whether the message is a refusal; the address at which the same way begins anew."""

    message: str
    step: str
    other: str
    refused: bool
    here: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a person is told: a sentence, the exact word for the administrator, where to begin again, or to choose."""

    text: str
    word: str
    again: str
    other: str


def asked(visit: Visit, status: int, ask: Ask, extras: Extras) -> web.Response:
    several = len(visit.desk.ways) > 1
    form = pages.Form(
        ask.fields,
        visit.guard.token,
        visit.texts.say(extras.message),
        visit.typed,
        visit.way.name if visit.way and several else "",
        step=extras.step,
        title=ask.title,
        button=ask.button,
        other=extras.other,
        shown=ask.shown,
        refused=extras.refused,
        further=(visit.texts[f"login_{ask.further}"], f"{extras.here}&{ask.further}=") if ask.further else None,
    )
    return page(status, pages.login_page(visit.look, form, frame_ancestors=visit.desk.frame_ancestors))


def picker(visit: Visit, status: int, choices: Sequence[tuple[Way, str]], message: str) -> web.Response:
    by_email = any(way.email_domains for way in visit.desk.ways)
    listed = [pages.Choice(titled(visit, way), icon_of(way.icon, way.kind), address) for way, address in choices]
    shown = pages.Picker(listed, visit.guard.token, message, by_email)
    return page(status, pages.picker_page(visit.look, shown, frame_ancestors=visit.desk.frame_ancestors))


def refused(visit: Visit, status: int, refusal: Refusal) -> web.Response:
    told = pages.Refused(refusal.text, refusal.word, visit.caller.request_id, refusal.again, refusal.other)
    return page(status, pages.refused_page(visit.look, told, frame_ancestors=visit.desk.frame_ancestors))


def sent(visit: Visit, send: Send) -> web.Response:
    if not send.form:
        return onward(visit, send.url) if visit.form and not visit.verb else see_other(send.url)
    return page(200, pages.sent_page(visit.look, send.url, send.form, frame_ancestors=visit.desk.frame_ancestors))


def onward(visit: Visit, url: str) -> web.Response:
    """To another host, perhaps by way of our own, for who has just sent a form."""
    return page(200, pages.onward_page(visit.look, url, frame_ancestors=visit.desk.frame_ancestors))


def titled(visit: Visit, way: Way) -> str:
    return visit.texts.say(way.title) or visit.texts.table.get(f"way_{way.kind}", way.name)


def last_way(desk: LoginDesk, way: Way) -> str:
    """A Set-Cookie value: seen by nobody but this virtual proxy's login pages."""
    secure = "; Secure" if desk.secure else ""
    return f"{LAST_WAY}={way.name}; Path={login_path(desk)}; Max-Age={REMEMBERED}; HttpOnly; SameSite=Lax{secure}"
