"""What /readyz asks: is qproxy able to serve people now, and if not, why.

Only looks; opens a connection to a Qlik node and closes it again, without a request.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from qproxy.certificates import certificate_lifetimes
from qproxy.config import Config
from qproxy.forwarding.pool import Pool
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import Store, StoreUnavailable
from qproxy.virtual_proxy import VirtualProxy

Check = Callable[[], Awaitable[str | None]]


class Running(Protocol):
    """What is looked at: a Server."""

    config: Config
    clock: Callable[[], float]
    store: Store
    sessions: Sessions
    vps: dict[str, VirtualProxy]

    @property
    def draining(self) -> bool: ...


def readiness(running: Running) -> Mapping[str, Check]:
    """By name: a check says why qproxy cannot serve, or None."""

    async def draining() -> str | None:
        return "qproxy is being stopped" if running.draining else None

    async def store() -> str | None:
        if troubles := set(running.sessions.troubles.values()):  # known without asking, which may take its time
            return "; ".join(sorted(troubles))
        try:
            await running.store.check()
        except StoreUnavailable as error:
            return str(error)
        return None

    async def certificates() -> str | None:
        lifetimes = certificate_lifetimes(running.config, running.clock())
        expired = [name for name, seconds in lifetimes.items() if seconds <= 0]
        return f"expired or not readable: {', '.join(expired)}" if expired else None

    checks: dict[str, Check] = {"draining": draining, "store": store, "certificates": certificates}
    for name, vp in running.vps.items():
        checks[f"upstream {name}"] = _reachable(vp.pool)
    return checks


def _reachable(pool: Pool) -> Check:
    async def check() -> str | None:
        reasons = []
        for node in pool.nodes:
            try:
                _, writer = await asyncio.open_connection(
                    node.host, node.port, ssl=node.tls, server_hostname=node.server_name if node.tls else None
                )
            except ssl.SSLError as error:
                reasons.append(f"{node}: {error.reason or error}")
            except OSError as error:
                reasons.append(f"{node}: {error.strerror or error}")
            else:
                writer.close()
                return None
        return "no Qlik node can be reached: " + "; ".join(reasons)

    return check
