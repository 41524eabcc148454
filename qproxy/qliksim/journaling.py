"""Turns a request as aiohttp holds it into a journal entry, byte for byte.

Apart from the journal itself, which knows no web framework.
"""

from aiohttp import web

from qproxy.qliksim.recorded import Entry


def entry_for(kind: str, request: web.BaseRequest, now: float) -> Entry:
    """The journal's record of a request, byte for byte."""
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    headers = [(_text(name), _text(value)) for name, value in request.raw_headers]
    return Entry(kind, f"{request.method} {request.raw_path} {version}", headers=headers, time=now)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
