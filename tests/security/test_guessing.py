"""Guessing passwords: what a guesser may spend, and whom it may hinder."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Literal

from argon2 import PasswordHasher
from security.behind import scripted
from security.forms import Form
from waiting import eventually

from qproxy.auth.guesses import PAIR, Guesses
from qproxy.auth.passwords import Passwords, TooBusy
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.memory_tries import MemoryTries


async def test_a_flood_of_names_costs_little_when_the_memory_is_full() -> None:
    tries = MemoryTries(lambda: 0.0, room=10_000)
    for number in range(10_000):
        await tries.take({("a name", str(number)): PAIR})
    before = time.process_time()
    for number in range(2_000):
        await tries.take({("another name", str(number)): PAIR})
    assert time.process_time() - before < 0.5


async def test_ipv4_within_ipv6_is_no_network_of_everybody() -> None:
    guesses = Guesses(lambda: 0.0, MemoryTries(lambda: 0.0), MemoryNotes(lambda: 0.0))
    for _ in range(PAIR.free):
        await guesses.take("s", "::ffff:192.0.2.1", "ann")
    assert (await guesses.take("s", "192.0.2.1", "ann")).wait > 0
    assert (await guesses.take("s", "::ffff:192.0.2.2", "ann")).wait == 0


async def test_a_guesser_cannot_say_where_it_guesses_from(tmp_path: Path) -> None:
    async with scripted(tmp_path) as qlik:
        form = await Form.of(qlik)
        statuses = []
        for number in range(PAIR.free + 1):
            forged = [f"{name}: 10.0.0.{number}" for name in ("X-Qproxy-Client", "X-Forwarded-For", "X-Real-IP")]
            statuses.append(await form.post(*forged, "Connection: X-Qproxy-Client", name="ann", password="wrong"))
    assert statuses == [403] * PAIR.free + [429]


async def test_behind_a_trusted_proxy_the_address_that_it_saw_counts_alone(tmp_path: Path) -> None:
    async with scripted(tmp_path, server="trusted_proxies: [127.0.0.0/8]") as qlik:
        form = await Form.of(qlik)
        statuses = []
        for number in range(PAIR.free + 1):
            chain = f"X-Forwarded-For: 10.0.0.{number}, 203.0.113.9"
            statuses.append(await form.post(chain, name="ann", password="wrong"))
        elsewhere = await form.post("X-Forwarded-For: 203.0.113.10", name="ann", password="wrong")
    assert (statuses, elsewhere) == ([403] * PAIR.free + [429], 403)


class Held(PasswordHasher):
    """Finishes no check before it is let go."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's own name for it
        self.go.wait(10)
        return super().verify(hash, password)


async def test_a_flood_from_one_address_leaves_others_a_place_in_the_queue() -> None:
    hasher = Held()
    passwords = Passwords(hasher, at_once=1, waiting=8)
    flood = [asyncio.create_task(passwords.matches("wrong", None, "192.0.2.1")) for _ in range(50)]
    await eventually(lambda: passwords._under_way["192.0.2.1"] == 7)
    other = asyncio.create_task(passwords.matches("right", hasher.hash("right"), "192.0.2.2"))
    await eventually(lambda: passwords._under_way["192.0.2.2"] == 1)
    hasher.go.set()
    assert await other is not None
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert [isinstance(answer, TooBusy) for answer in answers] == [False] * 7 + [True] * 43
    passwords.close()
