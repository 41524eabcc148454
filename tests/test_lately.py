"""What happened lately: how often somebody was wrong, counted alike for names that are nobody's."""

import asyncio

from qproxy.auth.lately import DAY, Lately
from qproxy.sessions.memory_notes import MemoryNotes


class CountingNotes(MemoryNotes):
    """Counts what it is asked."""

    def __init__(self, now: list[float]) -> None:
        super().__init__(lambda: now[0])
        self.calls: list[str] = []

    async def once(self, key: str, until: float) -> bool:
        self.calls.append("once")
        return await super().once(key, until)

    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        self.calls.append("put")
        await super().put(key, value, until, by)

    @property
    def kept(self) -> int:
        return len(self._kept)


def lately() -> tuple[Lately, CountingNotes, list[float]]:
    now = [1000.0]
    notes = CountingNotes(now)
    return Lately(notes, lambda: now[0]), notes, now


async def test_the_try_that_is_too_many_is_named_and_every_one_after_it() -> None:
    recent, _, _ = lately()
    assert [await recent.wrong("ann", 3, True) for _ in range(4)] == [False, False, True, True]
    assert (await recent.too_many("ann"), await recent.too_many("bob")) == (True, False)


async def test_tries_at_once_are_all_counted() -> None:
    recent, _, _ = lately()
    told = await asyncio.gather(*(recent.wrong("ann", 10, True) for _ in range(12)))
    assert sum(told) == 3


async def test_a_right_one_or_a_day_makes_them_forgotten() -> None:
    recent, _, now = lately()
    for forget in ("right", "wait"):
        assert [await recent.wrong("ann", 2, True) for _ in range(2)] == [False, True]
        if forget == "right":
            await recent.right("ann")
        now[0] += DAY if forget == "wait" else 0
        assert not await recent.too_many("ann")


async def test_a_name_of_nobody_costs_what_another_costs() -> None:
    costs = []
    for known in (True, False):
        recent, notes, _ = lately()
        for _ in range(4):
            await recent.wrong("ann", 3, known)
        costs.append(notes.calls)
    assert costs[0] == costs[1]


async def test_made_up_names_fill_nothing() -> None:
    recent, notes, _ = lately()
    for number in range(2000):
        await recent.wrong(f"made up {number}", 3, False)
    assert notes.kept <= 3 * 64
