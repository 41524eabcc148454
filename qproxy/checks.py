"""What /readyz asks: is qproxy able to serve people now, and if not, why.

Only looks; opens a connection to a Qlik node and closes it again, without a request.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from qproxy.certificates import certificate_lifetimes
from qproxy.config import Config
from qproxy.forwarding.node import Node
from qproxy.forwarding.pool import Pool
from qproxy.sessions.front import Sessions
from qproxy.sessions.store import Store, StoreUnavailable
from qproxy.virtual_proxy import VirtualProxy

Check = Callable[[], Awaitable[str | None]]
KNOCK_WITHIN = 1.5
"""Seconds; less than a whole check may take (web/status.py)."""


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
        reasons = await asyncio.gather(*map(_knock, pool.nodes))
        told = [reason for reason in reasons if reason is not None]
        return None if len(told) < len(reasons) else "no Qlik node can be reached: " + "; ".join(told)

    return check


async def _knock(node: Node) -> str | None:
    """Why the node cannot be connected, or None. All are asked at once: one that is silent holds up nobody."""
    try:
        async with asyncio.timeout(KNOCK_WITHIN):
            _, writer = await asyncio.open_connection(
                node.host, node.port, ssl=node.tls, server_hostname=node.server_name if node.tls else None
            )
    except TimeoutError:
        return f"{node}: not connected in {KNOCK_WITHIN:g} s"
    except ssl.SSLError as error:
        return f"{node}: {error.reason or error}"
    except OSError as error:
        return f"{node}: {error.strerror or error}"
    writer.close()
    return None
