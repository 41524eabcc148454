"""The brake on guessing: how long whom, and how much it remembers."""

import pytest

from qproxy.auth.throttle import FORGET_AFTER, FREE_TRIES, LONGEST_WAIT, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock, room=10)


def fail(throttle: Throttle, times: int, address: str = "192.0.2.1", name: str = "ann") -> list[float]:
    return [throttle.take(address, name) for _ in range(times)]


def test_the_first_tries_are_free(throttle: Throttle) -> None:
    assert fail(throttle, FREE_TRIES) == [0.0] * FREE_TRIES
    assert throttle.take("192.0.2.1", "ann") == 1.0


def test_each_further_try_doubles_the_wait_up_to_a_limit(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, FREE_TRIES)
    waits = []
    for _ in range(12):
        waits.append(throttle.take("192.0.2.1", "ann"))
        clock.now += waits[-1]
        assert throttle.take("192.0.2.1", "ann") == 0.0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, LONGEST_WAIT, LONGEST_WAIT]


def test_asking_during_the_wait_does_not_prolong_it(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, FREE_TRIES + 50)
    clock.now = 1.0
    assert throttle.take("192.0.2.1", "ann") == 0.0


def test_nobody_else_has_to_wait(throttle: Throttle) -> None:
    fail(throttle, FREE_TRIES + 1)
    assert throttle.take("192.0.2.2", "ann") == 0.0
    assert throttle.take("192.0.2.1", "bob") == 0.0


def test_the_right_password_clears_the_slate(throttle: Throttle) -> None:
    fail(throttle, FREE_TRIES - 1)
    throttle.forgive("192.0.2.1", "ann")
    assert fail(throttle, FREE_TRIES) == [0.0] * FREE_TRIES


def test_a_try_that_could_not_be_judged_does_not_count(throttle: Throttle) -> None:
    for _ in range(100):
        assert throttle.take("192.0.2.1", "ann") == 0.0
        throttle.give_back("192.0.2.1", "ann")
    throttle.give_back("192.0.2.9", "nobody")


def test_an_hour_later_everything_is_forgotten(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, FREE_TRIES + 1)
    clock.now = FORGET_AFTER
    assert fail(throttle, FREE_TRIES) == [0.0] * FREE_TRIES


@pytest.mark.parametrize("address", ["2001:db8::1", "2001:db8::ffff:1", "2001:db8::2%eth0"])
def test_one_networks_addresses_count_as_one(throttle: Throttle, address: str) -> None:
    fail(throttle, FREE_TRIES, "2001:db8::99")
    assert throttle.take(address, "ann") > 0
    assert throttle.take("2001:db8:0:1::1", "ann") == 0.0


def test_what_is_no_address_counts_as_itself(throttle: Throttle) -> None:
    fail(throttle, FREE_TRIES, "")
    assert throttle.take("", "ann") > 0


def test_its_memory_is_bounded(throttle: Throttle) -> None:
    for number in range(1_000):
        throttle.take("192.0.2.1", f"name {number}")
    assert len(throttle) == 10


def test_a_flood_of_names_does_not_hide_real_guessing(throttle: Throttle) -> None:
    fail(throttle, FREE_TRIES)
    for number in range(1_000):
        throttle.take("192.0.2.1", f"name {number}")
    assert throttle.take("192.0.2.1", "ann") > 0


def test_what_is_over_makes_room_first(throttle: Throttle, clock: Clock) -> None:
    for number in range(9):
        fail(throttle, 5, name=f"old {number}")
    clock.now = FORGET_AFTER
    throttle.take("192.0.2.1", "new")
    throttle.take("192.0.2.1", "newer")
    assert len(throttle) == 2
