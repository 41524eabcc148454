"""Asks Have I Been Pwned whether a password was found in a breach, only where an administrator wants it.

The service learns the first five digits of a SHA-1 hash, which some thousand passwords have in common, and sends all
that it knows of those, with made-up ones among them. It must never be asked by a login.
"""

import re
from http.client import HTTPException
from typing import Final
from urllib.request import HTTPRedirectHandler, Request, build_opener

from qproxy.breached import BreachedError, sha1_of

SERVICE: Final = "https://api.pwnedpasswords.com/range/"
SECONDS: Final = 10.0
_LARGEST: Final = 1 << 20
_LINE: Final = re.compile(r"([0-9A-F]{35}):([0-9]+)")


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def is_breached_online(password: str, service: str = SERVICE) -> bool:
    """Blocking. Raises BreachedError when the service cannot be asked or gives no such answer."""
    digest = sha1_of(password)
    answer = _asked(service + digest[:5])
    known = {found[1]: found[2] for line in answer.split() if (found := _LINE.fullmatch(line))}
    if not known:
        raise BreachedError(f"{service} did not answer as the service for breached passwords does; leave out --online")
    return known.get(digest[5:], "0") != "0"


def _asked(address: str) -> str:
    request = Request(address, headers={"Add-Padding": "true", "User-Agent": "qproxy"})  # noqa: S310 - not from outside
    try:
        with build_opener(_NoRedirects).open(request, timeout=SECONDS) as answer:
            return str(answer.read(_LARGEST).decode("ascii", "replace"))
    except (OSError, HTTPException) as error:
        raise BreachedError(f"{address} cannot be asked: {error}; leave out --online, or use --breached") from None
