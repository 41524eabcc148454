"""A qproxy as a process: the event loop, signals, the service manager, and what it says when it cannot start.

Everything that a configuration describes is server.py's.
"""

import asyncio
import errno
import gc
import importlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from aiohttp.http_parser import HttpRequestParser

from qproxy import __version__, builds
from qproxy.config import Config
from qproxy.observe import Secrets, log_no_more, log_to
from qproxy.secret_files import SecretError
from qproxy.server import Server
from qproxy.sessions.store import StoreUnavailable
from qproxy.shared_memory import Worker

log = logging.getLogger("qproxy")

OK, FAILED, NO_PERMISSION = 0, 1, 77
SPARE_FILES = 200
"""Open files that are no browser's: logs, store, listeners, connections to Qlik."""
FAST_LOOP = "winloop" if sys.platform == "win32" else "uvloop"


class Station(Protocol):
    """A process that serves, as it is seen from outside: who tells it to stop, and who wants to know how it is."""

    @property
    def worker(self) -> Worker: ...

    def heed(self) -> asyncio.Event:
        """Set once it has to stop."""
        ...

    def ready(self) -> None: ...

    def stopping(self) -> None: ...


class Service:
    """The only process, which heeds signals and tells the service manager itself."""

    def __init__(self) -> None:
        self.worker = Worker.only()

    def heed(self) -> asyncio.Event:
        return heed_signals()

    def ready(self) -> None:
        notify("READY=1")

    def stopping(self) -> None:
        notify("STOPPING=1")


def run(config: Config) -> int:
    """Serve in this process until SIGTERM or SIGINT; a second signal ends at once. The exit status."""
    return guarded(config, lambda: run_loop(lambda: serve(config, Service())))


def guarded(config: Config, work: Callable[[], int], worker: int = 0) -> int:
    """The status of `work`, or of why it could not be done, which the application log then has. `worker`: its number,
    from 1, for that log."""
    logging_ = config.server.logging
    handler = log_to(Secrets(), logging_.format, logging_.level.upper(), worker=worker)
    try:
        if HttpRequestParser.__module__ == "aiohttp.http_parser":
            log.error("cannot start: aiohttp lacks its compiled parser; install its wheel, unset AIOHTTP_NO_EXTENSIONS")
            return FAILED
        return work()
    except (OSError, ssl.SSLError, SecretError, StoreUnavailable) as error:
        log.error("cannot start: %s", _why(error))
        denied = isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM)
        return NO_PERMISSION if denied else FAILED
    finally:
        log_no_more(handler)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"{error.strerror or error}: another program listens there; see public.listen and internal.listen"
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        return f"{error.strerror or error}: ports below 1024 need CAP_NET_BIND_SERVICE or an administrator"
    return str(error)


async def serve(config: Config, station: Station) -> int:
    stop = station.heed()
    server = Server(config, worker=station.worker)
    await server.start()
    raise_file_limit(config.server.limits.connections)
    if station.worker.count == 1:
        introduce(config)
    settle()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, server.observer.reopen)
    station.ready()
    await hear(stop)
    station.stopping()
    log.info("stopping: what runs may take %g s to end", config.server.timeouts.drain)
    await server.stop()
    return OK


def introduce(config: Config) -> None:
    log.info("qproxy %s (%s)", __version__, builds.described())
    for warning in config.warnings:
        log.warning("configuration: %s", warning)
    for vp in config.virtual_proxies:
        nodes = ", ".join(map(str, vp.upstreams))
        log.info("virtual proxy %s: %s%s -> %s", vp.name, config.server.public.origin, vp.path, nodes)


def run_loop(serve: Callable[[], Awaitable[int]]) -> int:
    """On the fast event loop where it is installed; says so loudly where not: the standard one costs three times the
    CPU and keeps 256 KB for each TLS connection."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module(FAST_LOOP).new_event_loop
    except ImportError:
        log.warning(
            "%s is not installed: qproxy will be slow and need much memory; pip install %s", FAST_LOOP, FAST_LOOP
        )
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_as_coroutine(serve))


async def _as_coroutine(serve: Callable[[], Awaitable[int]]) -> int:
    return await serve()


def raise_file_limit(connections: int) -> None:
    """As many open files as the system lets this process have: each browser connection needs one, each WebSocket two.

    Says so when that is too few for the configured number of connections.
    """
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if hard != resource.RLIM_INFINITY and hard < 2 * connections + SPARE_FILES:
            log.warning(
                "only %d open files are allowed: too few for %d connections; see LimitNOFILE", hard, connections
            )


def settle() -> None:
    """What was made at the start lives for ever: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def heed_signals(*numbers: signal.Signals) -> asyncio.Event:
    """Set by the first of these signals from now on (without any: SIGTERM or SIGINT, on Windows also Ctrl-Break); the
    next one then has its usual effect: it ends at once."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    wanted = list(numbers or (signal.SIGTERM, signal.SIGINT))
    if sys.platform == "win32":
        wanted.append(signal.SIGBREAK)

    def ask(*_: Any) -> None:
        for number in wanted:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(asked.set)

    for number in wanted:
        signal.signal(number, ask)
    return asked


async def hear(asked: asyncio.Event) -> None:
    """Python runs a signal's handler between two steps of the loop: wake it now and then where nothing else does."""
    while not asked.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asked.wait()


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where nobody asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address and sys.platform != "win32":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
