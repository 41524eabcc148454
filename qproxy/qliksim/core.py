"""The parts of one running node that its listeners share, and the one way in which a session ends.

No listener and no request handling in here: those receive a `Core` and keep nothing of their own.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from qproxy.qliksim.engine import Engine
from qproxy.qliksim.module_client import ModuleClient
from qproxy.qliksim.recorded import Journal
from qproxy.qliksim.settings import SimConfig, Toggles
from qproxy.qliksim.state import EndableSocket, SimClock, SimSession, VirtualProxyState


class Ending(Enum):
    """Why a session ends: the notification's method and its text."""

    TIMED_OUT = ("OnSessionTimedOut", "Session timed out due to inactivity")
    LOGGED_OUT = ("OnSessionLoggedOut", "User logged out manually")
    CLOSED = ("OnSessionClosed", "Session closed by server")


def notification(method: str, params: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})


def fatal(method: str, message: str, now: float) -> str:
    """A notification after which the socket is closed."""
    timestamp = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    return notification(method, {"severity": "fatal", "timestamp": timestamp, "message": message})


def new_core(config: SimConfig, source: Callable[[], float], journal: Journal | None = None) -> "Core":
    """A node's parts at rest, without sessions; `source` gives seconds since the epoch."""
    clock = SimClock(source)
    return Core(
        config=config,
        clock=clock,
        toggles=config.toggles.for_release(config.release),
        journal=journal or Journal(config.journal_limit),
        vps={vp.prefix: VirtualProxyState(vp, clock) for vp in config.virtual_proxies},
        engine=Engine(config.apps, clock),
    )


@dataclass
class Core:
    """State and collaborators of one node; `toggles` are the settled ones and may be replaced while it runs."""

    config: SimConfig
    clock: SimClock
    toggles: Toggles
    journal: Journal
    vps: dict[str, VirtualProxyState]
    engine: Engine
    modules: ModuleClient = field(init=False)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    sockets: set[EndableSocket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.modules = ModuleClient(self.config, lambda: self.toggles, self.journal)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background; stop() waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def sockets_of(self, prefix: str, session_id: str | None = None) -> list[EndableSocket]:
        """The open sockets of a virtual proxy, or of one of its sessions."""
        here = [socket for socket in self.sockets if socket.vp == prefix]
        return here if session_id is None else [socket for socket in here if socket.session_id == session_id]

    async def end_session(self, vp: VirtualProxyState, session: SimSession, ending: Ending) -> None:
        """Forget the session, tell its sockets, close them. The module is told by the caller, who knows what to say."""
        vp.sessions.pop(session.id, None)
        notice = fatal(*ending.value, self.clock())
        code = self.toggles.fatal_close_code
        await asyncio.gather(*(socket.end(code, "", notice) for socket in list(session.sockets)))

    async def expire(self, vp: VirtualProxyState, session: SimSession) -> None:
        await self.end_session(vp, session, Ending.TIMED_OUT)
        await self.modules.forget(vp.settings.prefix, session)

    async def log_out(self, vp: VirtualProxyState, owner: tuple[str, str]) -> list[SimSession]:
        """End all sessions of a user on this virtual proxy and tell the module once, as `logout_calls` says."""
        ended = vp.sessions_of(owner)
        for session in ended:
            await self.end_session(vp, session, Ending.LOGGED_OUT)
        await self._tell_of_logout(vp.settings.prefix, owner, ended)
        return ended

    async def _tell_of_logout(self, prefix: str, owner: tuple[str, str], ended: Sequence[SimSession]) -> None:
        calls = self.toggles.logout_calls
        if calls in ("session", "both"):
            for session in ended:
                await self.modules.forget(prefix, session)
        if calls in ("user", "both"):
            await self.modules.forget_owner(prefix, owner)

    async def sweep(self) -> None:
        """End what has been idle for too long."""
        for vp in self.vps.values():
            for session in vp.overdue():
                await self.expire(vp, session)
