"""Places that all workers see: tables whose records do not grow in number, and locks that hold between processes."""

import os
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qproxy.shared_memory import ASKED_BYTES, Section, Shared, Table, Worker


def table(room: int = 100) -> Table:
    return Table(Section.private(100_000), "Id", room)


def weight(values: tuple[float, ...]) -> float:
    return values[1]


def test_a_record_is_found_by_its_key() -> None:
    places = table()
    key, other = places.key("sales", "ann"), places.key("sales", "bob")
    places.put(key, (1, 2.0), weight)
    assert (places.get(key), places.get(other)) == ((1, 2.0), None)


def test_a_record_is_replaced_not_doubled() -> None:
    places = table()
    for count in range(3):
        places.put(places.key("ann"), (count, 1.0), weight)
    assert list(places) == [(2, 1.0)]


@given(st.lists(st.integers(0, 50), max_size=200))
def test_there_are_never_more_records_than_there_is_room(names: list[int]) -> None:
    places = table(room=10)
    for number in names:
        places.put(places.key(str(number)), (number, float(number)), weight)
    assert len(list(places)) == min(10, len(set(names)))


def test_where_there_is_no_room_the_lightest_goes() -> None:
    places = table(room=3)
    for number in (5, 1, 7, 6):
        places.put(places.key(str(number)), (number, float(number)), weight)
    assert sorted(number for number, _ in places) == [5, 6, 7]


def test_parts_of_a_key_are_told_apart() -> None:
    places = table()
    assert places.key("a", "bc") != places.key("ab", "c")


def test_keys_of_two_qproxys_differ_so_that_nobody_can_choose_them() -> None:
    assert table().key("ann") != table().key("ann")


def test_a_table_that_does_not_fit_is_a_mistake_that_is_seen_at_once() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Table(Section.private(100), "Id", 100)


def test_the_only_worker_shares_with_nobody() -> None:
    worker = Worker.only()
    assert (worker.number, worker.count, len(worker.shared.asked.memory)) == (1, 1, ASKED_BYTES)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is shared elsewhere")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
class TestBetweenProcesses:
    def test_all_see_what_one_writes(self) -> None:
        shared = Shared.between(2)
        places = Table(shared.asked, "Id", 100)

        def write() -> None:
            for number in range(10):
                places.put(places.key(str(number)), (number, 1.0), weight)

        in_another_process(write)
        assert sorted(number for number, _ in places) == list(range(10))

    def test_no_change_is_lost_when_several_count_at_once(self) -> None:
        places = Table(Shared.between(2).asked, "Id", 100)
        key = places.key("count")
        places.put(key, (0, 1.0), weight)
        started = [begun(lambda: count(places, key)) for _ in range(3)]
        assert [os.waitpid(pid, 0)[1] for pid in started] == [0, 0, 0]
        assert places.get(key) == (3000, 1.0)

    def test_a_lock_is_taken_from_a_process_that_dies_within_it(self) -> None:
        shared = Shared.between(2)

        def die() -> None:
            with shared.asked.alone():
                os._exit(7)

        assert os.waitstatus_to_exitcode(os.waitpid(begun(die), 0)[1]) == 7
        with shared.asked.alone():
            pass

    def test_sections_do_not_overlap(self) -> None:
        shared = Shared.between(3)
        sections = (shared.asked, shared.nonces, *shared.boards)
        for number, section in enumerate(sections):
            section.memory[0] = section.memory[-1] = number
        assert [(one.memory[0], one.memory[-1]) for one in sections] == [(number, number) for number in range(5)]


def count(places: Table, key: bytes) -> None:
    for _ in range(1000):
        with places.alone():
            found = places.get(key)
            assert found is not None
            places.put(key, (found[0] + 1, 1.0), weight)


def in_another_process(work: Callable[[], object]) -> None:
    assert os.waitpid(begun(work), 0)[1] == 0


def begun(work: Callable[[], object]) -> int:
    fork: Callable[[], int] = getattr(os, "fork")  # noqa: B009 - Windows has none
    pid = fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid
