"""Guessing is slowed down by pair, by network and by name, and nobody is locked out by strangers."""

import pytest

from qproxy.auth.guesses import NAME, NETWORK, PAIR, Guesses
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.memory_tries import MemoryTries
from qproxy.sessions.store import StoreUnavailable

HERE, THERE = "192.0.2.1", "198.51.100.1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Away(MemoryNotes):
    back = False

    async def look(self, key: str) -> bytes | None:
        if not self.back:
            raise StoreUnavailable("away")
        return await super().look(key)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guesses(clock: Clock) -> Guesses:
    return Guesses(clock, MemoryTries(clock), MemoryNotes(clock))


async def waits_for(guesses: Guesses, address: str, name: str, scope: str = "s") -> float:
    """How long a guess has to wait; 0 counts it."""
    return (await guesses.take(scope, address, name)).wait


async def in_from(guesses: Guesses, address: str, name: str) -> None:
    """A login."""
    guess = await guesses.take("s", address, name)
    assert guess.wait == 0
    await guesses.forgive(guess)


def far(number: int) -> str:
    return f"203.0.{number // 250}.{number % 250}"


async def test_a_name_is_guessed_slower_and_slower_from_one_network(guesses: Guesses, clock: Clock) -> None:
    waits = []
    for _ in range(PAIR.free + 12):
        wait = await waits_for(guesses, HERE, "ann")
        clock.now += wait
        waits.append(wait)
        if wait:
            assert await waits_for(guesses, HERE, "ann") == 0
    slowed = [wait for wait in waits if wait]
    assert waits[: PAIR.free] == [0] * PAIR.free
    assert slowed == sorted(slowed)
    assert slowed[-1] > 500


async def test_many_names_from_one_network_are_slowed_down(guesses: Guesses) -> None:
    waits = [await waits_for(guesses, HERE, f"user{number}") for number in range(NETWORK.free + 1)]
    assert waits[:-1] == [0] * NETWORK.free
    assert waits[-1] > 0
    assert await waits_for(guesses, THERE, "bob") == 0


async def test_a_name_that_many_networks_try_is_slowed_down_but_never_for_long(guesses: Guesses, clock: Clock) -> None:
    longest = 0.0
    for number in range(300):
        wait = await waits_for(guesses, far(number), "ann")
        longest = max(longest, wait)
        clock.now += wait
    assert 0 < longest <= NAME.longest


async def test_who_logged_in_from_a_network_before_gets_in_while_strangers_hammer(
    guesses: Guesses, clock: Clock
) -> None:
    await in_from(guesses, HERE, "ann")
    for number in range(NAME.free + 5):
        await waits_for(guesses, far(number), "ann")
    assert await waits_for(guesses, far(999), "ann") > 0
    assert await waits_for(guesses, HERE, "ann") == 0


@pytest.mark.parametrize("right", [True, False])
async def test_what_a_person_does_at_her_usual_network_opens_her_name_to_no_stranger(
    guesses: Guesses, right: bool
) -> None:
    await in_from(guesses, HERE, "ann")
    for number in range(NAME.free):
        await waits_for(guesses, far(number), "ann")
    for number in range(NAME.free):
        guess = await guesses.take("s", HERE, "ann")
        assert guess.wait == 0
        await (guesses.forgive if right else guesses.give_back)(guess)
        assert await waits_for(guesses, far(500 + number), "ann") > 0


async def test_logging_in_again_and_again_with_an_account_of_ones_own_buys_no_guesses(guesses: Guesses) -> None:
    await in_from(guesses, HERE, "mallory")
    for number in range(NETWORK.free):
        await waits_for(guesses, HERE, f"user{number}")
    for number in range(20):
        await in_from(guesses, HERE, "mallory")
        assert await waits_for(guesses, HERE, f"another{number}") > 0


async def test_a_store_that_is_away_lets_nothing_count(clock: Clock) -> None:
    away = Away(clock)
    guesses = Guesses(clock, MemoryTries(clock), away)
    for _ in range(2 * NETWORK.free):
        with pytest.raises(StoreUnavailable):
            await waits_for(guesses, HERE, "ann")
    away.back = True
    assert await waits_for(guesses, HERE, "ann") == 0


async def test_an_account_of_ones_own_buys_no_guesses_at_others(guesses: Guesses) -> None:
    for number in range(NETWORK.free):
        await waits_for(guesses, HERE, f"user{number}")
        if number % 5 == 0:
            await in_from(guesses, HERE, "mallory")
    assert await waits_for(guesses, HERE, "another") > 0


async def test_a_wait_counts_nowhere_else(guesses: Guesses) -> None:
    for _ in range(PAIR.free):
        await waits_for(guesses, HERE, "ann")
    for _ in range(2 * NETWORK.free):
        assert await waits_for(guesses, HERE, "ann") > 0
    assert await waits_for(guesses, HERE, "bob") == 0


async def test_what_could_not_be_judged_does_not_count(guesses: Guesses) -> None:
    for _ in range(3 * NETWORK.free):
        guess = await guesses.take("s", HERE, "ann")
        assert guess.wait == 0
        await guesses.give_back(guess)


async def test_different_judges_count_apart(guesses: Guesses) -> None:
    for _ in range(PAIR.free):
        await waits_for(guesses, HERE, "ann", "one")
    assert await waits_for(guesses, HERE, "ann", "one") > 0
    assert await waits_for(guesses, HERE, "ann", "other") == 0


async def test_an_administrator_lets_a_name_try_again_from_wherever(guesses: Guesses) -> None:
    for number in range(NAME.free + 5):
        await waits_for(guesses, far(number), "ann")
    for _ in range(PAIR.free):
        await waits_for(guesses, HERE, "bob")
    assert await guesses.clear(lambda one: one.name == "ann") == NAME.free + 1
    assert await waits_for(guesses, far(0), "ann") == 0
    assert await waits_for(guesses, HERE, "bob") > 0


async def test_an_administrator_lets_a_network_try_again(guesses: Guesses) -> None:
    for number in range(NETWORK.free):
        await waits_for(guesses, HERE, f"user{number}")
    assert await waits_for(guesses, HERE, "ann") > 0
    assert await guesses.clear(lambda one: one.network == HERE and one.name is None) == 1
    assert await waits_for(guesses, HERE, "ann") == 0


async def test_an_administrator_lets_everybody_try_again(guesses: Guesses) -> None:
    for _ in range(PAIR.free):
        await waits_for(guesses, HERE, "ann")
    await guesses.clear(lambda _: True)
    assert await waits_for(guesses, HERE, "ann") == 0


async def test_an_office_behind_one_address_keeps_nobody_out_who_was_in_before(guesses: Guesses) -> None:
    await in_from(guesses, HERE, "ann")
    for number in range(NETWORK.free + 3):
        await waits_for(guesses, HERE, f"colleague{number}")
    assert await waits_for(guesses, HERE, "a new colleague") > 0
    assert await waits_for(guesses, HERE, "ann") == 0


async def test_an_administrator_sees_what_counts_for_whom(guesses: Guesses, clock: Clock) -> None:
    for _ in range(PAIR.free):
        await guesses.take("s", "2001:db8::7", "ann")
    clock.now += 0.25
    found = {(one.name, one.network): (one.scope, one.tries, one.last, one.wait) async for one in guesses.each()}
    assert found == {
        ("ann", "2001:db8::/64"): ("s", PAIR.free, 1000.0, 0.75),
        (None, "2001:db8::/64"): ("s", PAIR.free, 1000.0, 0.0),
        ("ann", None): ("s", PAIR.free, 1000.0, 0.0),
    }


async def test_more_counts_than_are_cleared_at_once_are_all_cleared(guesses: Guesses) -> None:
    for number in range(350):
        await guesses.take("s", far(number), f"user{number}")
    assert await guesses.clear(lambda _: True) == 3 * 350
    assert [one async for one in guesses.each()] == []
