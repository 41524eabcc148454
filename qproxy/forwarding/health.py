"""Whether a node is up, by two witnesses: the requests that it was given, and the checks that ask it now and then.

They are counted apart, because each sees what the other cannot: a check learns that a node does not know the virtual
proxy, where requests only see pages. Pure: no connection, no clock.
"""

from qproxy.forwarding.node import Rules


class Health:
    """`failures` of requests, and `missed` checks, in a row; `up` until enough of either have failed."""

    __slots__ = ("_back_since", "_passed", "_rules", "failures", "missed", "reason", "up")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.up = True
        self.reason = ""
        self.failures = 0
        self.missed = 0
        self._passed = 0
        self._back_since: float | None = None

    def request_failed(self, reason: str) -> bool:
        """Whether the node is down by this."""
        self.failures += 1
        return self._falls(self.failures, reason)

    def check_failed(self, reason: str) -> bool:
        """Whether the node is down by this."""
        self._passed = 0
        self.missed += 1
        return self._falls(self.missed, reason)

    def _falls(self, count: int, reason: str) -> bool:
        self.reason = reason
        if not self.up or count < self._rules.unhealthy_after:
            return False
        self.up = False
        self._passed = 0
        return True

    def check_passed(self, now: float) -> bool:
        """Whether the node is back by this."""
        self.missed = 0
        if self.up:
            return False
        self._passed += 1
        if self._passed < self._rules.healthy_after:
            return False
        self.up = True
        self.failures = 0
        self.reason = ""
        self._back_since = now
        return True

    def share(self, now: float) -> float:
        """Of its sessions that the node gets at `now`, from 0 to 1: less than all only soon after it was down."""
        if self._back_since is None:
            return 1.0
        share = (now - self._back_since) / self._rules.slow_start
        if share >= 1:
            self._back_since = None
        return min(share, 1.0)

    def take_all(self) -> None:
        """No slow start this time."""
        self._back_since = None
