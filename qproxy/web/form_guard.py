"""Whether a form was sent by the person in front of the browser: the browser-binding cookie, token and origin.

It exists against login CSRF and forged logouts. It must not decide what to do about it: it names the problem with a
word of the table of texts, and the flow shows the form again.
"""

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from qproxy import cookies
from qproxy.auth.login_keys import LoginKeys
from qproxy.errors import Failure, Refused
from qproxy.web.desk import LoginDesk, origin

LARGEST_FORM: Final = 256 * 1024
"""Bytes: an identity provider's answer with hundreds of groups."""
FORM_SECONDS: Final = 30.0
"""How long the body of a form may take."""
_MOST_FIELDS: Final = 32
_BINDING = re.compile(r"[A-Za-z0-9_-]{22}")


class FormGuard:
    """The binding of one browser to one virtual proxy's forms, for one request."""

    def __init__(self, keys: LoginKeys, request: web.Request, desk: LoginDesk, purpose: str) -> None:
        self._keys = keys
        self._request = request
        self._desk = desk
        self._purpose = purpose
        # Browsers take this prefix from this very host and over https only (RFC 6265bis section 4.1.3.2).
        self._cookie = "__Host-qproxy-login" if desk.secure else "qproxy-login"
        known = [value for value in cookie_values(request, self._cookie) if _BINDING.fullmatch(value)]
        self._known = bool(known)
        self.binding = known[0] if known else secrets.token_urlsafe(16)

    @property
    def token(self) -> str:
        return self._keys.token(self._purpose, self._desk.name, self.binding)

    @property
    def set_cookie(self) -> str | None:
        """The binding for a browser that has none yet; all its tabs share it."""
        if self._known:
            return None
        posted = any(way.method.posts_back for way in self._desk.ways)
        elsewhere = self._desk.secure and (posted or self._desk.same_site.lower() == "none")
        same_site = "none" if elsewhere else "lax"
        return cookies.set_cookie(self._cookie, self.binding, secure=self._desk.secure, same_site=same_site)

    def problem(self, form: Mapping[str, str]) -> str:
        """ "" when the form is the person's own, else "cross_site" or "token"."""
        if self._cross_site():
            return "cross_site"
        is_ours = self._known and self._keys.is_token(
            form.get("token", ""), self._purpose, self._desk.name, self.binding
        )
        return "" if is_ours else "token"

    def _cross_site(self) -> bool:
        site = self._request.headers.get("Sec-Fetch-Site", "")
        if site not in ("", "same-origin", "none"):
            return True
        sent = self._request.headers.get("Origin", "")
        if sent == "null":
            return site != "same-origin"
        return bool(sent) and sent.lower() != origin(self._desk, self._request.host)


def with_binding(response: web.Response, guard: FormGuard) -> web.Response:
    """A browser without a binding gets it."""
    if guard.set_cookie is not None:
        response.headers.add("Set-Cookie", guard.set_cookie)
    return response


def cookie_values(request: web.Request, name: str) -> list[str]:
    """Every value that the browser sent for this cookie."""
    header = "; ".join(request.headers.getall("Cookie", []))
    found = cookies.values(header.encode(errors="surrogateescape"), name.encode())
    return [value.decode("latin-1") for value in found]


async def read_form(request: web.Request, *, once: bool = False) -> dict[str, str]:
    """The fields of a form, of repeated ones the last; where each may stand `once`, such a form is refused.

    Raises Refused.
    """
    if request.content_type != "application/x-www-form-urlencoded" or request.headers.get("Content-Encoding"):
        raise Refused(Failure.BAD_REQUEST, "a login form is application/x-www-form-urlencoded, without a coding")
    try:
        async with asyncio.timeout(FORM_SECONDS):
            body = await request.read()
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS)
        if once and len(dict(fields)) != len(fields):
            raise Refused(Failure.BAD_REQUEST, "a field stands twice in the form")
        return dict(fields)
    except TimeoutError:
        raise Refused(Failure.BODY_TIMEOUT, "the login form did not arrive in time") from None
    except (web.HTTPRequestEntityTooLarge, web.RequestPayloadError):
        raise Refused(Failure.BAD_REQUEST, "the login form is too large, or its body is broken") from None
    except ValueError:
        raise Refused(Failure.BAD_REQUEST, "the login form is not UTF-8 or has too many fields") from None
