"""From a configuration to a running qproxy, and back: opens everything in order, closes it in the opposite order.

It decides nothing about a request; it only joins what the other modules offer.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from aiohttp import web

from qproxy import tls
from qproxy.auth.deep_link import DeepLinks
from qproxy.auth.guesses import Guesses
from qproxy.auth.login_keys import LoginKeys
from qproxy.auth.passwords import Passwords
from qproxy.certificates import certificate_lifetimes
from qproxy.checks import readiness
from qproxy.clients import Clients
from qproxy.config import Config, VirtualProxyConfig
from qproxy.configured_mode import open_mode
from qproxy.forwarding.conduct import Limits, Timeouts
from qproxy.forwarding.listener import Listener
from qproxy.gate import Gate
from qproxy.ledger import Ledger
from qproxy.login_methods import Supplies, open_ways
from qproxy.model import End, Session
from qproxy.not_accepted import NotAccepted
from qproxy.observe import Board, Gathered, LogTargets, Metrics, Observer, gathered
from qproxy.pools import fill_gauges, open_pool
from qproxy.road import Road, Surroundings
from qproxy.session_keys import SessionKeys
from qproxy.sessions.front import Sessions
from qproxy.sessions.pace import Pace, QlikMade
from qproxy.sessions.store import StoreUnavailable
from qproxy.shared_memory import Worker
from qproxy.stores import session_store
from qproxy.virtual_proxy import Opened, VirtualProxy
from qproxy.web.administration import Administration
from qproxy.web.internal import CalmLogger, Guard, internal_app
from qproxy.web.internal_protocol import listen
from qproxy.web.login import LoginTools
from qproxy.web.look import looks_of
from qproxy.web.own_app import login_app
from qproxy.web.own_pages import OwnPagesProtocol
from qproxy.web.page_log import identify, logged
from qproxy.web.pages import failure_pages
from qproxy.web.session_module import Asked, SessionModule
from qproxy.web.signature import Signatures
from qproxy.web.status import Status
from qproxy.web.transactions import Transactions

log = logging.getLogger("qproxy.server")

LOOK_EVERY = 0.5
"""Seconds between two looks at which sessions with sockets are over; every tenth is also at the files of session keys,
and sets the gauges."""
UNKNOWN_ELSEWHERE = 1.0
"""Seconds for which an id is taken for nobody's where another process may learn of it: Qlik's proxy service tells one
of them of a session that it made."""
CERTIFICATES_EVERY = 15.0
"""Seconds for which the dates of certificates are told without reading the files again."""


class Server:
    """`start`, then serve until `stop`. `clock` is the wall clock; tests hand in their own. `worker`: which one this
    is, where several processes serve together."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time, worker: Worker | None = None) -> None:
        self.config = config
        self.clock = clock
        self.worker = worker or Worker.only()
        self.public_ports: list[int] = []
        self.internal_ports: list[int] = []
        self.vps: dict[str, VirtualProxy] = {}
        self._closing = contextlib.AsyncExitStack()
        self._draining = False
        self.looks = looks_of(config)
        self._look_at_certificates = 0.0

    async def start(self) -> None:
        """Raises OSError, ssl.SSLError, StoreUnavailable or SecretError; what was opened before is closed again."""
        try:
            await self._open()
        except BaseException:
            await self._closing.aclose()
            raise

    async def _open(self) -> None:
        server = self.config.server
        self.observer = self._observer()
        self._closing.callback(self.observer.close)
        self.numbers = self._numbers()
        self.ledger = Ledger(self.observer, self.clock)
        self._closing.callback(self.ledger.flush)
        self.keys = SessionKeys(server.sessions, self.clock)
        self.store = session_store(self.config, self.keys.current)
        self.keys.tell(self.store.use_keys)
        self._closing.push_async_callback(self.store.close)
        await self.store.check()
        self.sessions = self._sessions()
        self._supplies = Supplies(server.public, self.clock, self.store.notes(self.clock), Passwords())
        self._guesses = Guesses(self.clock, self.store.tries(self.clock), self._supplies.notes)
        for config in self.config.virtual_proxies:
            self._open_vp(config)
        for vp in self.vps.values():
            vp.hide(other.cookie for other in self.vps.values())
            vp.withhold(self.config.vouching)
        self.module = SessionModule(self.vps, self.observer, self.clock, asked=Asked(self.worker.shared.asked))
        await self._listen_internal()
        await self._listen_public()
        self.observer.metrics.before_scrape(self._fill_gauges)
        await self.sessions.start()
        self._closing.push_async_callback(self.sessions.stop)
        self._watch(self._look_after_sessions())
        if isinstance(self.numbers, Gathered):
            self._watch(self._put_up(self.numbers))

    def _observer(self) -> Observer:
        logging_ = self.config.server.logging
        names = tuple(vp.name for vp in self.config.virtual_proxies)
        targets = LogTargets(access=str(logging_.access), audit=str(logging_.audit), form=logging_.format)
        metrics = Metrics(names)
        metrics.worker_started(self.worker.number)
        return Observer(targets, metrics, self.clock)

    def _numbers(self) -> Metrics | Gathered:
        metrics, worker = self.observer.metrics, self.worker
        if worker.count == 1:
            return metrics
        boards = [Board(section, time.monotonic) for section in worker.shared.boards]
        numbers = Gathered(metrics, worker.number, boards, time.monotonic)
        self._closing.callback(numbers.put_up)
        return numbers

    def _sessions(self) -> Sessions:
        lifetimes = {vp.name: vp.lifetime.value for vp in self.config.virtual_proxies}
        wanted = self.config.server.sessions
        qlik_made = QlikMade(wanted.by_qlik.lifetime.value, wanted.by_qlik.cap)
        pace = Pace(grace=wanted.grace)
        if self.worker.count > 1 or wanted.store == "redis":
            pace = replace(pace, unknown=UNKNOWN_ELSEWHERE)
        sessions = Sessions(self.store, lifetimes, self.clock, qlik_made, pace)
        sessions.on_end(self._session_ended)
        sessions.on_gone(self._session_gone)
        return sessions

    def _session_ended(self, session: Session, why: End) -> None:
        self.vps[session.vp].ended(session.id, session, why)

    def _session_gone(self, session: Session, why: End) -> None:
        self.vps[session.vp].ended(session.id, None, why)

    def _open_vp(self, config: VirtualProxyConfig) -> None:
        pool = open_pool(config, self.config.server.public, self.config.server.timeouts.connect)
        pool.start()
        self._closing.push_async_callback(pool.stop)
        ways = open_ways(config, self._supplies)
        mode = open_mode(config, self.config.server.public, self.sessions, self.observer.metrics.qps_api_call)
        opened = Opened(self.sessions, pool, ways, self.observer, self.clock, mode, self._supplies.notes)
        vp = VirtualProxy(config, self.config.server.public, opened)
        self.vps[config.name] = vp
        self._closing.push_async_callback(vp.close)

    # the internal listener

    async def _listen_internal(self) -> None:
        internal = self.config.server.internal
        names = None if internal.tls else {internal.url.host if internal.url else ""}
        guard = Guard(internal.allow, internal.client_ca is not None, self.observer, self.clock, names)
        status = Status(self.numbers, readiness(self))
        signatures = Signatures(self.keys.configured, self.clock, self.worker.shared.nonces)
        self.keys.tell(signatures.use_keys)
        administration = Administration(self.vps, signatures, self.observer, self.clock, self._guesses)
        app = internal_app(guard, self.module, status, administration)
        runner = web.AppRunner(app)
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        context = tls.internal_context(internal.tls, internal.client_ca) if internal.tls else None
        assert runner.server is not None
        for address in internal.listen:
            place = address.host, address.port
            listening = await listen(runner.server, place, context, CalmLogger(), together=self.worker.count > 1)
            self._closing.callback(listening.close)
            self.internal_ports.append(int(listening.sockets[0].getsockname()[1]))

    # the public listener

    async def _listen_public(self) -> None:
        server = self.config.server
        login_keys = LoginKeys(self.keys.current)
        self.keys.tell(login_keys.use_keys)
        transactions = Transactions(login_keys, self._supplies.notes, self.clock)
        pages = login_app(self.vps, LoginTools(login_keys, transactions, self._guesses), identify, self.looks)
        pages.middlewares.insert(0, logged(self.observer, self.clock))
        runner = web.AppRunner(pages, access_log=None)
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        clients = Clients(server.trusted_proxies)
        road = Road(self.vps, self._surroundings(clients, DeepLinks(login_keys), runner))
        pools = [vp.pool for vp in self.vps.values()]
        self.listener = Listener(road, _timeouts(self.config), _limits(self.config), pools, clients.trusts)
        self._closing.push_async_callback(self._drain)
        context = tls.public_context(server.public, self.worker.public_tls) if server.public.tls else None
        for address in server.public.listen:
            together = self.worker.count > 1
            self.public_ports.append(await self.listener.start(address.host, address.port, context, together))

    def _surroundings(self, clients: Clients, links: DeepLinks, runner: web.AppRunner) -> Surroundings:
        def own_pages() -> asyncio.Protocol:
            assert runner.server is not None
            return OwnPagesProtocol(runner.server, self.looks)

        public = self.config.server.public
        return Surroundings(
            hosts=frozenset(name.encode() for name in accepted_hosts(public.hosts, public.origin)),
            origin=public.origin,
            clients=clients,
            links=links,
            gate=Gate(self.observer.metrics.store_error),
            not_accepted=NotAccepted(self.module.memory.asked, self.config.server.internal.session_module, self.clock),
            failure_page=failure_pages(self.looks),
            own_pages=own_pages,
            finished=self.ledger.finished,
            vouching=self.config.vouching,
        )

    def _fill_gauges(self) -> None:
        self.ledger.flush()
        metrics = self.observer.metrics
        metrics.store_up(not self.sessions.troubles)
        for vp in self.vps.values():
            fill_gauges(metrics, vp.name, vp.pool)
        if time.monotonic() >= self._look_at_certificates:
            self._look_at_certificates = time.monotonic() + CERTIFICATES_EVERY
            for name, seconds in certificate_lifetimes(self.config, self.clock()).items():
                metrics.certificate(name, seconds)

    # while it runs, and the end

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        watch = asyncio.get_running_loop().create_task(work)

        async def unwatch() -> None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

        self._closing.push_async_callback(unwatch)

    async def _look_after_sessions(self) -> None:
        for look in itertools.count(1):
            await asyncio.sleep(LOOK_EVERY)
            if look % 10 == 0:
                self.keys.look()
            for vp in self.vps.values():
                await vp.end_overdue()
                vp.recheck()
                if look % 10 == 0:
                    await self._count_sessions(vp.name)

    async def _count_sessions(self, vp: str) -> None:
        with contextlib.suppress(StoreUnavailable):
            self.observer.metrics.sessions(vp, "qproxy", await self.sessions.count(vp))
            self.observer.metrics.sessions(vp, "qlik", await self.sessions.count(vp, by_qlik=True))

    async def _put_up(self, numbers: Gathered) -> None:
        while True:
            numbers.put_up()
            await asyncio.sleep(gathered.EVERY)

    @property
    def draining(self) -> bool:
        return self._draining

    async def _drain(self) -> None:
        self._draining = True
        ended = await self.listener.drain(self.config.server.timeouts.drain)
        if not ended:
            log.warning("cut what had not ended within %g s", self.config.server.timeouts.drain)

    async def stop(self) -> None:
        """Accept no more, let what runs end within the configured time, tell sockets, close everything."""
        await self._closing.aclose()


def accepted_hosts(hosts: tuple[str, ...], origin: str) -> set[str]:
    """Each public host as a browser may write it: with and without the scheme's own port."""
    port = "443" if origin.startswith("https:") else "80"
    return {name for host in hosts for name in (host, host if _has_port(host) else f"{host}:{port}")}


def _has_port(host: str) -> bool:
    return host.rpartition("]")[2].count(":") == 1


def _timeouts(config: Config) -> Timeouts:
    wanted = config.server.timeouts
    return Timeouts(
        wanted.head,
        wanted.keep_alive,
        wanted.body_stall,
        wanted.write_stall,
        wanted.connect,
        wanted.first_byte,
        wanted.response_stall,
        wanted.websocket_idle,
    )


def _limits(config: Config) -> Limits:
    wanted = config.server.limits
    return Limits(wanted.connections, wanted.connections_per_address, wanted.head_bytes)
