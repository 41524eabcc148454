"""What happens within a minute is counted together."""

from qproxy.minutes import Minute


def test_events_of_one_minute_are_counted_and_the_next_minute_begins_anew() -> None:
    minute = Minute()
    assert [minute.add(now) for now in (100, 130, 159.9, 160, 161)] == [1, 2, 3, 1, 2]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    minute = Minute()
    assert [minute.add(now) for now in (100, 50, 51)] == [1, 1, 2]
