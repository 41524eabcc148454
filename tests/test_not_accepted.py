"""One new login when Qlik does not accept a session; then the likely cause, for the administrator."""

from dataclasses import dataclass

import pytest

from qproxy.model import Attributes, Session, User
from qproxy.not_accepted import SOON, NotAccepted

SECRET = "a-secret-session-id"


@dataclass
class Answered:
    status: int


def session(*, relogin: bool = False, created: float = 1000.0) -> Session:
    return Session(SECRET, "sales", User("SALES", "ann"), Attributes(), created, created, relogin=relogin)


def asked(status: int | None) -> NotAccepted:
    answer = Answered(status) if status is not None else None
    return NotAccepted(lambda vp, session_id: answer, lambda vp: f"https://qproxy:7443/{vp}", lambda: 1001.0)


def test_the_first_refusal_is_not_final() -> None:
    assert not asked(200).final("sales", session(), "X-Qlik-Session-sales")


def test_a_refusal_soon_after_a_relogin_is_final() -> None:
    assert asked(200).final("sales", session(relogin=True), "X-Qlik-Session-sales")


def test_a_refusal_long_after_a_relogin_is_not_final() -> None:
    assert not asked(200).final("sales", session(relogin=True, created=1001.0 - SOON), "X-Qlik-Session-sales")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, ("never asked", "https://qproxy:7443/sales", "X-Qlik-Session-sales", "-HTTP")),
        (200, ("was told that it is SALES\\ann", "user directory SALES")),
        (404, ("got status 404", "session_ended")),
        (503, ("got status 503", "store errors")),
    ],
)
def test_the_cause_is_named_by_what_qlik_was_told(status: int | None, words: tuple[str, ...]) -> None:
    cause = asked(status).cause("sales", session(), "X-Qlik-Session-sales")
    assert [word for word in words if word not in cause] == []


@pytest.mark.parametrize("status", [None, 200, 404])
def test_the_log_names_the_session_only_by_its_hash(status: int | None, caplog: pytest.LogCaptureFixture) -> None:
    asked(status).final("sales", session(relogin=True), "X-Qlik-Session-sales")
    assert session().short in caplog.text
    assert SECRET not in caplog.text
    assert "had not accepted the one before" in caplog.text
