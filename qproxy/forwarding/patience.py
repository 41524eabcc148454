"""How long a silent side of an exchange is waited for, and whose silence it is.

Looks at an exchange from the listener's sweep only, so that it costs the bytes that flow nothing.
"""

from typing import TYPE_CHECKING

from qproxy.errors import Failure
from qproxy.forwarding import sockets

if TYPE_CHECKING:
    from qproxy.forwarding.exchange import Exchange


class Patience:
    """Remembers when its exchange last got on."""

    __slots__ = ("_exchange", "_progress", "_since")

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self._progress: tuple[int, ...] = ()
        self._since = 0.0

    def end(self, now: float) -> tuple[Failure, float] | None:
        """The failure, and its limit in seconds, once the side that is waited for has been silent for so long."""
        progress = self._got_on()
        if progress != self._progress:
            self._progress = progress
            self._since = now
            return None
        failure, limit = self._awaited()
        return (failure, limit) if now - self._since >= limit else None

    def _got_on(self) -> tuple[int, ...]:
        """Changes when bytes come from either side, or when a slow browser takes what waits for it."""
        exchange = self._exchange
        record, downstream = exchange.record, exchange.downstream
        unsent = sockets.unsent(downstream.transport) if downstream.write_paused else 0
        return record.bytes_in, record.bytes_out, exchange.started, unsent

    def _awaited(self) -> tuple[Failure, float]:
        exchange = self._exchange
        downstream = exchange.downstream
        timeouts = downstream.listener.timeouts
        if downstream.write_paused:
            return Failure.BROWSER_STALLED, timeouts.write_stall
        if exchange.started:
            return Failure.UPSTREAM_STALLED, timeouts.response_stall
        if exchange.awaits_body:
            return Failure.BODY_TIMEOUT, timeouts.body_stall
        return Failure.UPSTREAM_TIMEOUT, timeouts.first_byte
