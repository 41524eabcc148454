"""The numbers of several workers as one: added where each has its part, never falling, nobody waited for."""

import re
from dataclasses import dataclass

import pytest
from test_observe import RECORD

from qproxy.observe import Board, Gathered, Metrics
from qproxy.observe.board import COPY, HEAD
from qproxy.observe.gathered import ADDED, LARGEST, SILENT
from qproxy.shared_memory import Section

LEAST = {
    "qproxy_certificate_expiry_seconds",
    "qproxy_process_max_fds",
    "qproxy_store_up",
    "qproxy_upstream_up",
}
SENT = 'qproxy_sent_bytes_total{vp="sales"}'


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Workers:
    """Two of them, by number; `asked` is always worker 1."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.boards = [Board(Section.private(1_000_000), self.clock) for _ in range(2)]
        self.metrics: dict[int, Metrics] = {}
        self.gathered: dict[int, Gathered] = {}
        for number in (1, 2):
            self.start(number)

    def start(self, number: int) -> None:
        """Or again, after its death."""
        self.metrics[number] = Metrics(("sales",))
        self.metrics[number].worker_started(number)
        self.gathered[number] = Gathered(self.metrics[number], number, self.boards, self.clock)
        self.gathered[number].put_up()

    def serve(self, number: int, requests: int) -> None:
        self.metrics[number].count_requests([RECORD] * requests)
        self.gathered[number].put_up()

    def told(self, name: str) -> float | None:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.gathered[1].text().decode(), re.MULTILINE)
        return float(found[1]) if found else None


@pytest.fixture
def two() -> Workers:
    return Workers()


def test_counters_are_added(two: Workers) -> None:
    two.serve(1, 2)
    two.serve(2, 3)
    assert two.told(SENT) == 5 * RECORD.bytes_out


def test_histograms_are_added_bucket_by_bucket(two: Workers) -> None:
    two.serve(1, 2)
    two.serve(2, 3)
    buckets = [two.told(f'qproxy_request_duration_seconds_bucket{{le="{le}",vp="sales"}}') for le in ("0.01", "+Inf")]
    assert buckets == [0, 5]
    assert two.told('qproxy_request_duration_seconds_count{vp="sales"}') == 5


def test_gauges_are_added_or_the_one_that_tells_most_is_taken(two: Workers) -> None:
    for number, metrics in two.metrics.items():
        metrics.tunnel_opened("sales")
        metrics.sessions("sales", "qproxy", 10 * number)
        metrics.certificate("public", 100.0 * number)
    two.gathered[2].put_up()
    assert two.told('qproxy_tunnels_open{vp="sales"}') == 2
    assert two.told('qproxy_sessions{owner="qproxy",vp="sales"}') == 20
    assert two.told('qproxy_certificate_expiry_seconds{certificate="public"}') == 100


def test_each_gauge_says_how_it_is_joined() -> None:
    """A new one belongs into ADDED or LARGEST, or here."""
    gauges = {one.name for one in Metrics(("sales",)).registry.collect() if one.type == "gauge"}
    assert gauges - ADDED - LARGEST == LEAST


def test_a_worker_that_died_leaves_its_counts_and_the_next_goes_on_from_there(two: Workers) -> None:
    two.serve(2, 3)
    two.clock.now += SILENT + 1
    assert (two.told(SENT), two.told('qproxy_worker_up{worker="2"}')) == (3 * RECORD.bytes_out, 0)
    two.start(2)
    two.serve(2, 1)
    assert (two.told(SENT), two.told('qproxy_worker_up{worker="2"}')) == (4 * RECORD.bytes_out, 1)
    assert two.told('qproxy_worker_starts_total{worker="2"}') == 2


def test_of_a_worker_that_died_no_gauge_is_left(two: Workers) -> None:
    two.metrics[2].tunnel_opened("sales")
    two.gathered[2].put_up()
    two.clock.now += SILENT + 1
    assert two.told('qproxy_tunnels_open{vp="sales"}') == 0


def test_a_worker_that_has_not_begun_is_not_up(two: Workers) -> None:
    boards = [two.boards[0], Board(Section.private(1000), two.clock)]
    text = Gathered(two.metrics[1], 1, boards, two.clock).text().decode()
    assert 'qproxy_worker_up{worker="1"} 1.0\nqproxy_worker_up{worker="2"} 0.0\n' in text


def test_every_family_is_told_once_with_its_help(two: Workers) -> None:
    text = two.gathered[1].text().decode()
    alone = two.metrics[1].text().decode()
    assert re.findall(r"^# (?:HELP|TYPE) .*$", text, re.MULTILINE) == re.findall(r"^# .*$", alone, re.MULTILINE)


def test_numbers_for_which_there_is_no_room_are_missed_loudly_and_once(
    two: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    small = Gathered(two.metrics[1], 1, [Board(Section.private(100), two.clock)], two.clock)
    small.put_up()
    small.put_up()
    assert [record.message for record in caplog.records] == [
        "worker 1 has more numbers than the others can read: /metrics is without them"
    ]


def test_a_board_shows_what_was_put_last() -> None:
    board = Board(Section.private(1000), Clock())
    assert board.get() is None
    for data in (b"first", b"second", b"third"):
        assert board.put(data)
        found = board.get()
        assert found is not None
        assert (found.data, found.when) == (data, 100.0)


def test_a_board_never_shows_half_a_copy() -> None:
    section = Section.private(1000)
    board = Board(section, Clock())
    board.put(b"whole")
    section.memory[HEAD.size + COPY.size] ^= 1  # as if it were being written anew
    assert board.get() is None
