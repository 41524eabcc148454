"""What Qlik's clients are told over their sockets: the methods they know, in JSON-RPC."""

import json

import pytest

from qproxy import notices
from qproxy.model import End

NOW = 1_800_000_000.25


@pytest.mark.parametrize(
    ("why", "method"),
    [
        (End.IDLE, "OnSessionTimedOut"),
        (End.ABSOLUTE, "OnSessionTimedOut"),
        (End.LOGOUT, "OnSessionLoggedOut"),
        (End.HUB_LOGOUT, "OnSessionLoggedOut"),
        (End.QLIK, "OnSessionClosed"),
        (End.NOT_ACCEPTED, "OnSessionClosed"),
        (End.REPLACED, "OnSessionClosed"),
        (End.SIXTH, "OnSessionClosed"),
        (End.PROVIDER, "OnSessionLoggedOut"),
    ],
)
def test_each_end_has_the_notification_that_qlik_would_send(why: End, method: str) -> None:
    assert json.loads(notices.session_over(why, NOW))["method"] == method


def test_a_session_that_is_over_is_fatal_and_has_a_time() -> None:
    assert json.loads(notices.session_over(End.IDLE, NOW)) == {
        "jsonrpc": "2.0",
        "method": "OnSessionTimedOut",
        "params": {
            "severity": "fatal",
            "timestamp": "2027-01-15T08:00:00.250Z",
            "message": "Session timed out due to inactivity",
        },
    }


def test_a_socket_without_a_session_is_told_where_to_log_in() -> None:
    assert json.loads(notices.must_authenticate('https://bi.example/qproxy/login/sales?a="')) == {
        "jsonrpc": "2.0",
        "method": "OnAuthenticationInformation",
        "params": {"loginUri": 'https://bi.example/qproxy/login/sales?a="', "mustAuthenticate": True},
    }


@pytest.mark.parametrize(
    "said", [b'{"method":"OnMaxParallelSessionsExceeded"}', b'\x81{"method" : "OnMaxParallelSessionsExceeded",']
)
def test_qliks_refusal_of_a_further_session_is_known(said: bytes) -> None:
    assert notices.session_limit(said)


@pytest.mark.parametrize("said", [b"", b'{"method":"OnConnected"}', b'{"text":"OnMaxParallelSessionsExceeded"}'])
def test_nothing_else_is_taken_for_it(said: bytes) -> None:
    assert not notices.session_limit(said)
