"""The proxy that everybody writes with aiohttp: its server, its ClientSession, WebSockets as messages. A program.

It stands for what qproxy would be without a data plane of its own, so it is written for clearness: asyncio's own event
loop, as web.run_app takes it, one client for all, bodies streamed both ways, and no limit of connections.
"""

import argparse
import asyncio
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

HOST = "127.0.0.1"
HOP_BY_HOP = ("Connection", "Keep-Alive", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "Upgrade")
OF_THE_HANDSHAKE = ("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol")
LONGEST_MESSAGE = 64 * 1024 * 1024
CHUNK = 64 * 1024
AnySocket = web.WebSocketResponse | ClientWebSocketResponse


class Proxy:
    def __init__(self, client: ClientSession, upstream: str) -> None:
        self._client = client
        self._upstream = upstream

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._socket(request)
            return await self._request(request)
        except ClientError as error:
            raise web.HTTPBadGateway(text=str(error)) from error

    async def _request(self, request: web.Request) -> web.StreamResponse:
        body = request.content if request.can_read_body else None
        headers = _passed_on(request.headers, HOP_BY_HOP)
        headers["X-Forwarded-For"] = request.remote or ""
        async with self._client.request(
            request.method, self._url(request), headers=headers, data=body, allow_redirects=False
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers, HOP_BY_HOP))
            await response.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK):
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        headers = _passed_on(request.headers, (*HOP_BY_HOP, *OF_THE_HANDSHAKE))
        async with self._client.ws_connect(
            self._url(request), headers=headers, max_msg_size=LONGEST_MESSAGE
        ) as upstream:
            browser = web.WebSocketResponse(max_msg_size=LONGEST_MESSAGE)
            await browser.prepare(request)
            async with asyncio.TaskGroup() as both:
                both.create_task(_relay(browser, upstream))
                both.create_task(_relay(upstream, browser))
            return browser

    def _url(self, request: web.Request) -> URL:
        return URL(self._upstream + request.raw_path, encoded=True)


async def _relay(source: AnySocket, target: AnySocket) -> None:
    """Until the source is closed; then the target is, too."""
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await target.send_bytes(message.data)
    await target.close()


def _passed_on(headers: Mapping[str, str], without: tuple[str, ...]) -> CIMultiDict[str]:
    kept = CIMultiDict(headers)
    for name in without:
        kept.popall(name, None)
    return kept


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--plain", "--tls", "--tls-both", "--upstream", "--upstream-tls"):
        parser.add_argument(name, type=int, required=True, help="port on 127.0.0.1")
    for name in ("--ca", "--certificate", "--key", "--access-log"):
        parser.add_argument(name, type=Path, required=True)
    return parser.parse_args()


def _log_to(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("aiohttp.access")
    access.addHandler(handler)
    access.setLevel(logging.INFO)
    access.propagate = False


async def _listen(proxy: Proxy, port: int, context: ssl.SSLContext | None) -> None:
    application = web.Application(client_max_size=0)
    application.router.add_route("*", "/{path:.*}", proxy.answer)
    runner = web.AppRunner(application, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=context, backlog=4096).start()


async def main(given: argparse.Namespace) -> None:
    browsers = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    browsers.load_cert_chain(given.certificate, given.key)
    connector = TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=given.ca))
    forever = ClientTimeout(total=None)
    async with ClientSession(connector=connector, auto_decompress=False, timeout=forever) as client:
        plain = Proxy(client, f"http://{HOST}:{given.upstream}")
        await _listen(plain, given.plain, None)
        await _listen(plain, given.tls, browsers)
        await _listen(Proxy(client, f"https://{HOST}:{given.upstream_tls}"), given.tls_both, browsers)
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = _arguments()
    _log_to(arguments.access_log)
    asyncio.run(main(arguments))
