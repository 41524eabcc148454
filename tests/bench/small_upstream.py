"""An upstream in a thread, so that tests of whole processes can wait for them without a loop. It counts connections."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator

from aiohttp import WSMsgType, web

from bench.site import HOST, Site


class SmallUpstream:
    """`.../<n>b` is answered with n bytes, a body with its length, a socket's message with itself."""

    def __init__(self) -> None:
        self.connections: set[object] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._echo(request)
        if request.method == "GET":
            return web.Response(body=b"x" * int(request.path.rpartition("/")[2].removesuffix("b")))
        return web.Response(text=str(len(await request.read())))

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def serve(self, site: Site, ready: threading.Event, stop: asyncio.Event) -> None:
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(site.certificate, site.key)
        await web.TCPSite(runner, HOST, site.upstream_port).start()
        await web.TCPSite(runner, HOST, site.upstream_tls_port, ssl_context=context).start()
        ready.set()
        await stop.wait()
        await runner.cleanup()


@contextlib.contextmanager
def small_upstream(site: Site) -> Iterator[SmallUpstream]:
    upstream, ready = SmallUpstream(), threading.Event()
    with asyncio.Runner() as runner:
        loop, stop = runner.get_loop(), asyncio.Event()
        thread = threading.Thread(target=runner.run, args=[upstream.serve(site, ready, stop)])
        thread.start()
        try:
            assert ready.wait(10)
            yield upstream
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
