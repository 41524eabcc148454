"""Counts what happens within a minute, so that what happens a thousand times is logged once.

Pure: the clock is the caller's.
"""


class Minute:
    """A window of a minute begins with the first event after the one before; a clock set back begins a new one."""

    __slots__ = ("_since", "count")

    def __init__(self) -> None:
        self._since = float("-inf")
        self.count = 0

    def add(self, now: float) -> int:
        """One more event; how many they are within this minute."""
        if not 0 <= now - self._since < 60:
            self._since, self.count = now, 0
        self.count += 1
        return self.count
