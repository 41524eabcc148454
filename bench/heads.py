"""The requests of a browser in the hub and in apps, as the load generator sends them: alike, but no two the same.

A proxy that remembers whole heads gains nothing here; one that remembers header lines gains what it gains in real life.
All is made from the variant's number, so that every run and every peer gets the same bytes but for host and session.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

VARIANTS = 64
PREFIX = "/sales"
WEBSOCKET_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""RFC 6455's own example; its Accept is s3pPLMBiTxaQ9kYGzzhZRbK+xOo=."""
FOREIGN_SESSION = "X-Qlik-Session-sales-HTTP=9wQm0c1VtYk2R7n_xJ4hZpLs8uEoBfGd3iKaTqWyN5M"
"""What stands in the Cookie where the peer knows no sessions: as long as qproxy's."""
AGENTS = (
    ("Chrome", "142", "Windows", "Windows NT 10.0; Win64; x64"),
    ("Chrome", "141", "macOS", "Macintosh; Intel Mac OS X 10_15_7"),
    ("Edg", "142", "Windows", "Windows NT 10.0; Win64; x64"),
    ("Chrome", "140", "Linux", "X11; Linux x86_64"),
)
LANGUAGES = ("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "sv-SE,sv;q=0.9,en-US;q=0.8", "fr-FR,fr;q=0.9")
APPS, SHEETS = 8, 16


@dataclass(frozen=True, slots=True)
class Browser:
    """Where it looks, and the Cookie pair of its session ("" for peers that know none)."""

    port: int
    tls: bool = False
    cookie: str = ""

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}"


Request = Callable[[Browser, int, int], bytes]
"""(browser, number of the variant, bytes of the body in question) -> the head."""


def get(browser: Browser, variant: int, size: int) -> bytes:
    """Answered with `size` bytes."""
    key = _text(f"xrf{variant}", 16)
    place = f"/qrs/app/{_id('app', variant % APPS)}/object/{_id('object', variant)}/{size}b?xrfkey={key}"
    return _head(f"GET {PREFIX}{place}", browser, (*_asking(variant, key), *_seen_from(browser, variant)))


def post(browser: Browser, variant: int, size: int) -> bytes:
    """Followed by `size` bytes of body; answered with their number."""
    key = _text(f"xrf{variant}", 16)
    place = f"/qrs/app/upload/{_id('file', variant)}?name=sales+{variant}&xrfkey={key}"
    body = (f"Content-Length: {size}", "Content-Type: application/vnd.qlik.sense.app", f"Origin: {browser.origin}")
    return _head(f"POST {PREFIX}{place}", browser, (*body, *_asking(variant, key), *_seen_from(browser, variant)))


def upgrade(browser: Browser, variant: int, size: int = 0) -> bytes:
    """A socket to the engine. `size` has no meaning here."""
    place = f"/app/{_id('app', variant % APPS)}/identity/{_id('tab', variant)}?qlik-csrf-token={_id('csrf', variant)}"
    lines = (
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        f"User-Agent: {_agent(variant)}",
        "Upgrade: websocket",
        f"Origin: {browser.origin}",
        "Sec-WebSocket-Version: 13",
        "Accept-Encoding: gzip, deflate, br, zstd",
        f"Accept-Language: {LANGUAGES[variant % len(LANGUAGES)]}",
        f"Cookie: {_cookies(browser, variant)}",
        f"Sec-WebSocket-Key: {WEBSOCKET_KEY}",
    )
    return _head(f"GET {PREFIX}{place}", browser, lines)


def write(path: Path, make: Request, browser: Browser, size: int = 0) -> Path:
    """All variants in the load generator's form: each after its length as 8 hexadecimal digits and a newline."""
    path.write_bytes(framed(make(browser, variant, size) for variant in range(VARIANTS)))
    return path


def framed(requests: Iterable[bytes]) -> bytes:
    return b"".join(b"%08x\n%b" % (len(request), request) for request in requests)


def _head(target: str, browser: Browser, lines: Iterable[str]) -> bytes:
    return "\r\n".join((f"{target} HTTP/1.1", f"Host: {browser.host}", *lines, "", "")).encode("ascii")


def _asking(variant: int, key: str) -> tuple[str, ...]:
    brand, version, system, _ = AGENTS[variant % len(AGENTS)]
    return (
        "Connection: keep-alive",
        f'sec-ch-ua-platform: "{system}"',
        f"X-Qlik-Xrfkey: {key}",
        f"User-Agent: {_agent(variant)}",
        "Accept: application/json, text/plain, */*",
        f'sec-ch-ua: "Chromium";v="{version}", "{brand}";v="{version}", "Not_A Brand";v="99"',
        "sec-ch-ua-mobile: ?0",
    )


def _seen_from(browser: Browser, variant: int) -> tuple[str, ...]:
    app, sheet = _id("app", variant % APPS), _id("sheet", variant % SHEETS)
    return (
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        f"Referer: {browser.origin}{PREFIX}/sense/app/{app}/sheet/{sheet}/state/analysis",
        "Accept-Encoding: gzip, deflate, br, zstd",
        f"Accept-Language: {LANGUAGES[variant % len(LANGUAGES)]}",
        f"Cookie: {_cookies(browser, variant)}",
    )


def _agent(variant: int) -> str:
    brand, version, _, system = AGENTS[variant % len(AGENTS)]
    edge = f" Edg/{version}.0.0.0" if brand == "Edg" else ""
    return f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36{edge}"


def _cookies(browser: Browser, variant: int) -> str:
    """The company's analytics and consent come first, as they do where Qlik shares a domain with a web site."""
    number = 1_000_000_000 + variant * 7_654_321
    consent = f"isGpcEnabled=0&groups=C0001%3A1&v={_text(f'consent{variant}', 24)}"
    foreign = f"_ga=GA1.1.{number}.17{number}; OptanonConsent={consent}"
    return f"{foreign}; {browser.cookie or FOREIGN_SESSION}; lang=en"


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{number}"))


def _text(seed: str, length: int) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:length]
