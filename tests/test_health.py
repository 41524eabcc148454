"""When a node is down, and when it is up again."""

import pytest

from qproxy.forwarding.health import Health
from qproxy.forwarding.node import Rules


@pytest.fixture
def health() -> Health:
    return Health(Rules(unhealthy_after=3, healthy_after=2, slow_start=10))


def down(health: Health) -> Health:
    for _ in range(3):
        health.check_failed("refused")
    assert not health.up
    return health


def test_a_node_is_down_after_enough_failed_checks(health: Health) -> None:
    assert [health.check_failed("refused") for _ in range(4)] == [False, False, True, False]
    assert (health.up, health.reason) == (False, "refused")


def test_a_node_is_down_after_enough_failed_requests(health: Health) -> None:
    assert [health.request_failed("broken") for _ in range(4)] == [False, False, True, False]


def test_a_passed_check_between_failed_ones_starts_the_count_anew(health: Health) -> None:
    health.check_failed("slow")
    health.check_failed("slow")
    health.check_passed(0.0)
    assert not health.check_failed("slow")
    assert health.up


def test_failed_checks_and_failed_requests_are_counted_apart(health: Health) -> None:
    health.check_failed("slow")
    health.check_failed("slow")
    health.request_failed("broken")
    assert health.up


def test_answered_requests_do_not_hide_failing_checks(health: Health) -> None:
    for _ in range(3):
        health.failures = 0
        health.check_failed("answered 400")
    assert not health.up


def test_a_node_is_up_again_after_enough_passed_checks_in_a_row(health: Health) -> None:
    down(health)
    assert not health.check_passed(0.0)
    health.check_failed("refused")
    assert [health.check_passed(0.0) for _ in range(3)] == [False, True, False]
    assert (health.up, health.reason, health.failures) == (True, "", 0)


def test_the_share_of_a_node_that_is_back_grows_to_the_whole(health: Health) -> None:
    down(health)
    health.check_passed(100.0)
    health.check_passed(100.0)
    assert [health.share(now) for now in (100.0, 105.0, 110.0, 105.0)] == [0.0, 0.5, 1.0, 1.0]


def test_a_node_that_was_never_down_has_its_whole_share(health: Health) -> None:
    assert health.share(0.0) == 1.0


def test_slow_start_can_be_left_out(health: Health) -> None:
    down(health)
    health.check_passed(0.0)
    health.check_passed(0.0)
    health.take_all()
    assert health.share(0.0) == 1.0
