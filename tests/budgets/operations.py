"""The operations that have budgets, each on a warm site: `OPERATIONS` gives, by name, what does one of them."""

import itertools
from collections.abc import Callable

from budgets.counting import Operation
from budgets.paper_site import HOST, KEY, Link, PaperSite, switching

from qproxy.forwarding.frames import TEXT, frame

CHUNK = bytes(65536)
FOREVER = 2**50
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
KINDS = (
    ("text/html,application/xhtml+xml,*/*;q=0.8", "navigate", "document", "hub/"),
    ("application/json, text/plain, */*", "cors", "empty", "api/v1/items"),
    ("image/avif,image/webp,*/*;q=0.8", "no-cors", "image", "content/default/logo.png"),
    ("text/css,*/*;q=0.1", "no-cors", "style", "resources/hub/hub.css"),
    ("*/*", "no-cors", "script", "resources/assets/client.js"),
    ("*/*", "cors", "empty", "qrs/app/hublist"),
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nCache-Control: private, must-revalidate, max-age=0\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nVary: Accept-Encoding\r\n"
    b"Server: Microsoft-HTTPAPI/2.0\r\nContent-Length: 1024\r\n\r\n" + bytes(1024)
)


def request(kind: int, number: int, *more: str, method: str = "GET") -> bytes:
    accept, mode, destination, path = KINDS[kind % len(KINDS)]
    lines = (
        f"{method} /sales/{path}?xrfkey=1234567890123456&_={number} HTTP/1.1",
        f"Host: {HOST}",
        "Connection: keep-alive",
        'sec-ch-ua: "Chromium";v="142", "Not?A_Brand";v="99"',
        "sec-ch-ua-mobile: ?0",
        f"User-Agent: {AGENT}",
        f"Accept: {accept}",
        "X-Qlik-Xrfkey: 1234567890123456",
        "Sec-Fetch-Site: same-origin",
        f"Sec-Fetch-Mode: {mode}",
        f"Sec-Fetch-Dest: {destination}",
        f"Referer: https://{HOST}/sales/hub/",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: de-DE,de;q=0.9,en;q=0.8",
        *more,
    )
    return "\r\n".join([*lines, "", ""]).encode()


def proxied_get(site: PaperSite) -> Operation:
    """One browser's requests, of six kinds in turn and never for the same target."""
    browser, node = site.browser(), site.node()
    numbers = itertools.count()
    heads = (request(number, number, site.cookie) for number in numbers)

    def run() -> None:
        site.request_over()
        browser.arrive(next(heads))
        node.arrive(ANSWER)
        assert browser.last.startswith(b"HTTP/1.1 200 ")

    return run


def passing(source: Link, drain: Link, data: bytes) -> Operation:
    """What comes at one end goes out at the other, as it is."""

    def run() -> None:
        drain.last = b""
        source.arrive(data)
        assert drain.last == data

    return run


def upload_chunk(site: PaperSite) -> Operation:
    browser, node = site.browser(), site.node()
    browser.arrive(request(1, 0, site.cookie, f"Content-Length: {FOREVER}", method="POST"))
    return passing(browser, node, CHUNK)


def download_chunk(site: PaperSite) -> Operation:
    browser, node = site.browser(), site.node()
    browser.arrive(request(1, 0, site.cookie))
    node.arrive(ANSWER.replace(b"Content-Length: 1024", b"Content-Length: %d" % FOREVER))
    return passing(node, browser, CHUNK)


def refused_request(site: PaperSite) -> Operation:
    """A script's request without a session: a JSON page that says where to log in."""
    browser = site.browser()
    numbers = itertools.count()
    heads = (request(1, number) for number in numbers)

    def run() -> None:
        site.request_over()
        browser.arrive(next(heads))
        assert browser.last.startswith(b"HTTP/1.1 401 ")

    return run


def tunnel(site: PaperSite) -> tuple[Link, Link]:
    browser, node = site.browser(), site.node()
    upgrade = (
        f"Origin: https://{HOST}",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {KEY.decode()}",
        "Sec-WebSocket-Version: 13",
    )
    browser.arrive(request(1, 0, site.cookie, *upgrade).replace(b"keep-alive", b"Upgrade"))
    node.arrive(switching())
    assert browser.last.startswith(b"HTTP/1.1 101 ")
    return browser, node


def opened_tunnel(site: PaperSite) -> Operation:
    def run() -> None:
        browser, node = tunnel(site)
        browser.last = node.last = b""

    return run


def message_from_browser(site: PaperSite) -> Operation:
    browser, node = tunnel(site)
    return passing(browser, node, b"\x81\xfe\x00\xc8abcd" + bytes(200))


def message_from_qlik(site: PaperSite) -> Operation:
    browser, node = tunnel(site)
    return passing(node, browser, frame(TEXT, b"x" * 200))


OPERATIONS: dict[str, Callable[[PaperSite], Operation]] = {
    one.__name__: one
    for one in (
        proxied_get,
        refused_request,
        upload_chunk,
        download_chunk,
        opened_tunnel,
        message_from_browser,
        message_from_qlik,
    )
}
WARM = {"proxied_get": 66, "refused_request": 66}
"""Batches until every memo of qproxy's is as full as it gets: the largest hold 4096 entries."""
