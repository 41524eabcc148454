"""What a logout in the hub leaves behind for the browser's next visit, and what it says of itself."""

import pytest
from some_sessions import Clock, a_session, tied_to

from qproxy.partings import MARK, SECONDS, Partings, drop_mark, mark_of, set_mark
from qproxy.sessions.memory_notes import MemoryNotes
from qproxy.sessions.store import StoreUnavailable


class Broken(MemoryNotes):
    async def put(self, key: str, value: bytes, until: float, by: str = "") -> None:
        raise StoreUnavailable("the disk is full")


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_what_the_login_needs_comes_back_once(clock: Clock) -> None:
    partings = Partings("sales", MemoryNotes(clock), clock)
    session = tied_to("sid 7", id_token="e.y.j")
    await partings.keep(session)
    left = await partings.take(mark_of(session.id))
    assert left is not None
    assert (left.id, left.user, left.method, left.tie) == (session.id, session.user, "idp", session.tie)
    assert await partings.take(mark_of(session.id)) is None


async def test_it_waits_for_half_a_day_and_on_its_own_virtual_proxy_only(clock: Clock) -> None:
    notes = MemoryNotes(clock)
    session = tied_to("sid 7", id_token="e.y.j")
    await Partings("sales", notes, clock).keep(session)
    assert await Partings("hr", notes, clock).take(mark_of(session.id)) is None
    clock.advance(SECONDS)
    assert await Partings("sales", notes, clock).take(mark_of(session.id)) is None


async def test_a_login_of_which_nobody_knows_elsewhere_leaves_nothing(clock: Clock) -> None:
    partings = Partings("sales", MemoryNotes(clock), clock)
    session = a_session()
    await partings.keep(session)
    assert await partings.take(mark_of(session.id)) is None


async def test_a_store_that_fails_does_not_hold_up_a_logout(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    session = tied_to("sid 7", id_token="e.y.j")
    await Partings("sales", Broken(clock), clock).keep(session)
    assert f"session {session.short} cannot be ended at its provider: the disk is full" in caplog.text
    assert session.id not in caplog.text


def test_the_mark_is_for_the_login_pages_and_tells_nothing_of_the_session() -> None:
    session = a_session()
    cookie = set_mark("sales", session.id, secure=True)
    assert MARK.fullmatch(mark_of(session.id))
    assert session.id not in cookie
    assert cookie.endswith("; Path=/qproxy/login/sales; HttpOnly; SameSite=Lax; Secure")
    assert "; Max-Age=0; Path=/qproxy/login/sales;" in drop_mark("sales", secure=False)
