"""What every store promises of counted tries: who counts first waits longest, and nobody counts twice."""

import asyncio

import pytest
from some_sessions import Clock

from qproxy.sessions.store import Store
from qproxy.tries import FORGET_AFTER, Label, Limits, Tries

FIVE = Limits(5, 900.0)
ANN: Label = ("pair", "s", "ann", "192.0.2.1")
BOB: Label = ("pair", "s", "bob", "192.0.2.1")
HERE: Label = ("network", "s", "192.0.2.1")


@pytest.fixture
def tries(store: Store, clock: Clock) -> Tries:
    return store.tries(clock)


async def times(tries: Tries, number: int, *labels: Label) -> list[float]:
    return [await tries.take(dict.fromkeys(labels, FIVE)) for _ in range(number)]


async def kept(tries: Tries) -> dict[Label, tuple[int, float, float]]:
    return {one.label: (one.count, one.last, one.until) async for one in tries.each()}


async def test_the_first_are_free(tries: Tries) -> None:
    assert await times(tries, 6, ANN) == [0.0] * 5 + [1.0]
    assert await times(tries, 1, BOB) == [0.0]


async def test_each_further_one_doubles_the_wait_up_to_a_limit(tries: Tries, clock: Clock) -> None:
    await times(tries, 5, ANN)
    waits = []
    for _ in range(12):
        waits += await times(tries, 1, ANN)
        clock.now += waits[-1]
        assert await times(tries, 1, ANN) == [0.0]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


async def test_asking_during_the_wait_does_not_prolong_it(tries: Tries, clock: Clock) -> None:
    await times(tries, 55, ANN)
    clock.now += 1.0
    assert await times(tries, 1, ANN) == [0.0]


@pytest.mark.parametrize("left", [0.4, 0.001, 0.0001])
async def test_the_last_moment_of_a_wait_is_a_wait(tries: Tries, clock: Clock, left: float) -> None:
    await times(tries, 5, ANN)
    clock.now += 1.0 - left
    [wait] = await times(tries, 1, ANN)
    assert wait > 0
    assert (await kept(tries))[ANN][0] == 5
    clock.now += left
    assert await times(tries, 2, ANN) == [0.0, 2.0]


async def test_many_at_once_are_no_better_than_one_by_one(tries: Tries) -> None:
    waits = await asyncio.gather(*(tries.take({ANN: FIVE, HERE: FIVE}) for _ in range(40)))
    assert sorted(waits)[:6] == [0.0] * 5 + [1.0]
    assert (await kept(tries))[ANN][0] == 5


async def test_who_waits_for_one_is_counted_for_none(tries: Tries) -> None:
    await times(tries, 5, ANN)
    assert await times(tries, 1, ANN, HERE) == [1.0]
    assert set(await kept(tries)) == {ANN}


async def test_the_longest_wait_is_told(tries: Tries, clock: Clock) -> None:
    await times(tries, 5, ANN)
    clock.now += 1.0
    await times(tries, 1, ANN)
    await times(tries, 5, HERE)
    assert await times(tries, 1, HERE, ANN) == [2.0]


async def test_what_starts_afresh_is_free_again(tries: Tries) -> None:
    await times(tries, 6, ANN)
    await tries.settle([ANN])
    assert await times(tries, 6, ANN) == [0.0] * 5 + [1.0]
    await tries.settle([("nobody",)], [("nobody", "else")])
    assert set(await kept(tries)) == {ANN}


async def test_what_is_given_back_did_not_count(tries: Tries, clock: Clock) -> None:
    await times(tries, 5, ANN, HERE)
    await tries.settle([HERE], [ANN])
    assert await kept(tries) == {ANN: (4, clock.now, 0.0)}
    assert await times(tries, 2, ANN) == [0.0, 1.0]
    await tries.settle([], [BOB])
    await times(tries, 1, BOB)
    await tries.settle([], [BOB])
    assert BOB not in await kept(tries)


async def test_nothing_to_settle_is_no_mistake(tries: Tries) -> None:
    await tries.settle([])
    assert await kept(tries) == {}


async def test_an_hour_without_a_try_starts_afresh(tries: Tries, clock: Clock) -> None:
    await times(tries, 6, ANN)
    clock.now += FORGET_AFTER
    assert await kept(tries) == {}
    assert await times(tries, 6, ANN) == [0.0] * 5 + [1.0]


@pytest.mark.parametrize("back", [10.0, 1800.0, 86400.0])
async def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_the_longest(
    tries: Tries, clock: Clock, back: float
) -> None:
    await times(tries, 6, ANN)
    clock.now -= back
    (wait,) = await times(tries, 1, ANN)
    assert wait == (0.0 if back > FORGET_AFTER else min(back + 1.0, 900.0))


async def test_every_count_is_told_with_its_label(tries: Tries, clock: Clock) -> None:
    await times(tries, 5, ANN)
    odd = ("pair", "a\nb", "\ud800\x00", "")
    await times(tries, 1, odd)
    assert await kept(tries) == {ANN: (5, clock.now, clock.now + 1.0), odd: (1, clock.now, 0.0)}


async def test_a_thousand_are_told(tries: Tries) -> None:
    for number in range(1200):
        await times(tries, 1, ("n", str(number)))
    assert set(await kept(tries)) == {("n", str(number)) for number in range(1200)}
