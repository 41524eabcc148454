"""The seam between the data plane and the rest: what it asks, and the three answers it understands."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qproxy.errors import Failure
from qproxy.headers import RequestHead, ResponseHead
from qproxy.records import Record

if TYPE_CHECKING:
    from qproxy.forwarding.pool import Pool
    from qproxy.forwarding.tunnel import Tunnel


@dataclass(slots=True)
class Answer:
    """A response of qproxy's own: header lines without framing, and the body.

    Status 101 stands for a socket that is opened only to tell why it closes: `body` is then the frames.
    """

    status: int
    lines: list[bytes]
    body: bytes
    failure: Failure | None = None


class TunnelOwner(Protocol):
    """Keeps the live tunnels of a session, so that they can be closed when it ends.

    `heard`: the browser has sent a message over one of them.
    """

    def opened(self, tunnel: "Tunnel") -> None: ...
    def closed(self, tunnel: "Tunnel") -> None: ...
    def heard(self) -> None: ...


@dataclass(slots=True)
class Forward:
    """Pass the request on: to a node of `pool`, with these header fields (each line with its CRLF; no framing).

    `rewrite` changes the answer's head in place before it goes to the browser, or gives an Answer to send instead;
    without `sees_all` it does not see one that is plain; `owner` is needed on an upgrade only; requests of one
    `affinity` go to one node ("": to any).
    """

    pool: "Pool"
    fields: bytes
    rewrite: Callable[[ResponseHead], Answer | None]
    owner: TunnelOwner | None
    affinity: str = ""
    sees_all: bool = True


@dataclass(slots=True)
class HandOver:
    """An own page: `head` is what the aiohttp handler reads as the request's head."""

    head: bytes


Decision = Forward | Answer | HandOver


class Conduct(Protocol):
    """What the data plane is given when the listener is built."""

    def decide(self, head: RequestHead, record: Record) -> Decision | Awaitable[Decision]:
        """Raises Refused. Writes down in `record` what it learned."""

    def refuse(self, failure: Failure, record: Record) -> Answer:
        """The page (or JSON) for a failure; never raises. `record.head` is None when no head could be read."""

    def finished(self, record: Record) -> None:
        """The request is over, or the tunnel closed. Never raises."""

    def own_pages(self) -> asyncio.Protocol:
        """A new protocol that serves qproxy's own pages on a connection handed over."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; `websocket_idle` None: sockets may be silent for ever."""

    head: float = 10.0
    keep_alive: float = 75.0
    body_stall: float = 60.0
    write_stall: float = 60.0
    connect: float = 3.0
    first_byte: float = 600.0
    response_stall: float = 300.0
    websocket_idle: float | None = None
    linger: float = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the data plane one address, or all together, may hold."""

    connections: int = 10_000
    connections_per_address: int = 1_000
    head_bytes: int = 32_768
