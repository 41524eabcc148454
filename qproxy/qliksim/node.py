"""The stand-in node as a test or the demo holds it: start, stop, and every lever that a real site would pull.

Wires the parts and keeps none of their rules.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from qproxy.qliksim import control, legacy_auth, pipeline, rest, scripts
from qproxy.qliksim.core import new_core
from qproxy.qliksim.listeners import Listener
from qproxy.qliksim.recorded import Entry
from qproxy.qliksim.settings import SimConfig
from qproxy.qliksim.state import SimSession, VirtualProxyState

LOOPBACK = "127.0.0.1"


class QlikNode:
    """One node. `clock` gives seconds since the epoch; `advance` moves the node's own time only."""

    def __init__(self, config: SimConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.core = new_core(config, clock)
        self._listeners = self._planned()
        self._background: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()

    def _planned(self) -> dict[str, Listener]:
        config, core = self.config, self.core
        secure = config.tls is not None
        legacy = core.toggles.legacy_auth and config.legacy_auth_port is not None
        plans = {
            "http": (pipeline.handler(core, False), config.http_port, None),
            "https": (pipeline.handler(core, True), config.https_port if secure else None, config.tls),
            "rest": (rest.handler(core, config.rest_tls is not None), config.rest_port, config.rest_tls),
            "legacy": (legacy_auth.handler(core, secure), config.legacy_auth_port if legacy else None, config.tls),
            "control": (control.handler(self._verbs()), config.control_port, None),
        }
        return {
            name: Listener(handler, LOOPBACK if name == "control" else config.bind, port, tls, config.keepalive_s)
            for name, (handler, port, tls) in plans.items()
            if port is not None
        }

    def _url(self, name: str) -> str | None:
        listener = self._listeners.get(name)
        return listener.url if listener else None

    @property
    def http_url(self) -> str | None:
        return self._url("http")

    @property
    def https_url(self) -> str | None:
        return self._url("https")

    @property
    def rest_url(self) -> str | None:
        return self._url("rest")

    @property
    def legacy_url(self) -> str | None:
        return self._url("legacy")

    @property
    def control_url(self) -> str | None:
        return self._url("control")

    async def start(self) -> None:
        await self.core.modules.open()
        for listener in self._listeners.values():
            await listener.start()
        self._background = [asyncio.create_task(self._sweep_for_ever()), asyncio.create_task(self._move_live_data())]

    async def stop(self) -> None:
        """Close everything; afterwards nothing of the node runs."""
        self.core.stopping.set()
        for listener in self._listeners.values():
            await listener.stop()
        unfinished = [*self._background, *self.core.tasks]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        await self.core.modules.close()

    async def _sweep_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self.config.sweep_every_s)
            self._wake.clear()
            await self.sweep()

    async def _move_live_data(self) -> None:
        live = [app for app in self.config.apps if app.live]
        while live:
            await asyncio.sleep(self.config.live_every_s)
            for app in live:
                self.core.engine.advance(app)

    def vp(self, prefix: str) -> VirtualProxyState:
        """The state of one virtual proxy; raises KeyError that names the known prefixes."""
        if prefix not in self.core.vps:
            raise KeyError(f"no virtual proxy {prefix!r}; there are: {', '.join(map(repr, self.core.vps))}")
        return self.core.vps[prefix]

    def set_session_module(self, prefix: str, uri: str) -> None:
        self.core.modules.uris[self.vp(prefix).settings.prefix] = uri

    def set_toggle(self, name: str, value: object) -> None:
        self.core.toggles = self.core.toggles.switched(name, value).for_release(self.config.release)

    def fail_module(self, mode: str | None) -> None:
        """Act as if all session modules were slow, refused, 500, html, null or empty; None ends it."""
        self.core.modules.set_fault(mode)

    def advance(self, seconds: float) -> None:
        """Let time pass for this node; what is overdue then is swept soon (or by `sweep`, at once)."""
        self.core.clock.offset += seconds
        self._wake.set()

    async def sweep(self) -> None:
        await self.core.sweep()

    def expire(self, vp: str, session_id: str) -> asyncio.Task[None]:
        """End one session as if it had been idle for too long; the task is done when all have been told."""
        state = self.vp(vp)
        return self.core.spawn(self.core.expire(state, state.sessions[session_id]))

    def forget_cache(self, vp: str) -> None:
        """Forget who the module's sessions are, as after a change of settings; sockets stay."""
        self.vp(vp).forget_module_sessions()

    async def restart(self, down_s: float = 0.0) -> None:
        """Everything refused for that long, sessions and sockets gone, then the same ports again."""
        await self.stop_listening()
        for state in self.core.vps.values():
            state.sessions.clear()
        await asyncio.sleep(down_s)
        await self.start_listening()

    async def stop_listening(self) -> None:
        """Refuse connections and drop those that there are; the control port stays."""
        for name, listener in self._listeners.items():
            if name != "control":
                await listener.stop()

    async def start_listening(self) -> None:
        for listener in self._listeners.values():
            await listener.start()

    def kill_sockets(
        self, vp: str, session_id: str | None = None, code: int = 1001, reason: str = "", abort: bool = False
    ) -> asyncio.Task[None]:
        """Close the sockets of a virtual proxy, or of one session, with that code, or without a word (`abort`)."""
        sockets = self.core.sockets_of(self.vp(vp).settings.prefix, session_id)

        async def close_all() -> None:
            for socket in sockets:
                if abort:
                    socket.abort()
            if not abort:
                await asyncio.gather(*(socket.end(code, reason) for socket in sockets))

        return self.core.spawn(close_all())

    def sessions(self, vp: str) -> list[SimSession]:
        return list(self.vp(vp).sessions.values())

    def journal(self, kind: str | None = None) -> list[Entry]:
        """What happened, oldest first; `kind` is http, module, ws or rest."""
        return self.core.journal.entries(kind)

    async def run_script(self, name: str, **options: str) -> list[Entry]:
        """Play one of the scripts S1 to S10 (see `scripts`); returns the module calls that it made, in order."""
        return await scripts.run(self.core, name, **options)

    def _verbs(self) -> dict[str, control.Verb]:
        """What the control port may call."""
        levers: tuple[control.Verb, ...] = (
            self.advance,
            self.sweep,
            self.expire,
            self.forget_cache,
            self.restart,
            self.kill_sockets,
            self.fail_module,
            self.set_toggle,
            self.set_session_module,
            self.run_script,
            self.journal,
        )
        return {lever.__name__: lever for lever in levers} | {"sessions": self._shown_sessions}

    def _shown_sessions(self, vp: str) -> list[dict[str, object]]:
        return [session.shown() | {"Source": session.source} for session in self.sessions(vp)]
