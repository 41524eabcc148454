"""Cookie and Set-Cookie, split by hand.

Pure. The standard library's cookie parser gives up at the first odd foreign cookie and so loses the Qlik cookie behind
it; here every pair that is not ours crosses byte for byte, whatever it looks like.
"""

from collections.abc import Collection
from typing import Final

OWN_COOKIES: Final = frozenset({b"__Host-qproxy-login", b"qproxy-login"})
"""Cookies of the login page: none of QPS's business."""


def values(header: bytes, name: bytes) -> list[bytes]:
    """The distinct values that a Cookie header gives to `name`, in order; [] when it has none."""
    found: list[bytes] = []
    for pair in header.split(b";"):
        left, equals, right = pair.partition(b"=")
        if equals and left.strip(b" \t") == name:
            value = right.strip(b" \t")
            if value not in found:
                found.append(value)
    return found


def keep(header: bytes, name: bytes, value: bytes | None, hidden: Collection[bytes]) -> bytes:
    """The Cookie header for QPS: of `name` exactly one pair with `value` (None: no pair), without the `hidden`
    names, all other pairs as they came, in their order."""
    kept: list[bytes] = []
    pending = value
    for pair in header.split(b";"):
        left = pair.partition(b"=")[0].strip(b" \t")
        if left == name:
            if pending is not None:
                kept.append(name + b"=" + pending)
                pending = None
        elif left not in hidden and pair.strip(b" \t"):
            kept.append(pair.strip(b" \t"))
    return b"; ".join(kept)


def set_cookie_name(value: bytes) -> bytes:
    return value.partition(b";")[0].partition(b"=")[0].strip(b" \t")


def host_only(value: bytes) -> bytes:
    """A Set-Cookie value without its Domain attribute: the cookie then belongs to the public host alone."""
    parts = value.split(b";")
    kept = [part for part in parts[1:] if part.partition(b"=")[0].strip(b" \t").lower() != b"domain"]
    return b";".join([parts[0], *kept])


def expired(name: str, *, secure: bool, same_site: str) -> str:
    """A Set-Cookie value that takes the cookie away again."""
    return set_cookie(name, "", secure=secure, same_site=same_site) + "; Max-Age=0"


def set_cookie(name: str, value: str, *, secure: bool, same_site: str) -> str:
    """A Set-Cookie value as qproxy makes them: for the whole host, unseen by scripts, gone with the browser."""
    parts = [f"{name}={value}", "Path=/", "HttpOnly"]
    if secure:
        parts.append("Secure")
    parts.append(f"SameSite={same_site.capitalize()}")
    return "; ".join(parts)
