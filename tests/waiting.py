"""Bounded waiting for a condition: the only place in the tests that may sleep.

An event, a future or a read is better where there is one; this is for what cannot be subscribed to.
"""

import asyncio
import time
from collections.abc import Callable

PAUSE = 0.005


async def eventually(condition: Callable[[], object], within: float = 5.0) -> None:
    """Return as soon as the condition is true; AssertionError after `within` seconds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not true within {within} s: {condition}"
        await asyncio.sleep(PAUSE)


def wait_until(condition: Callable[[], object], within: float = 5.0) -> None:
    """`eventually` for tests without a loop."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not true within {within} s: {condition}"
        time.sleep(PAUSE)
