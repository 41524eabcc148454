"""Which sessions their identity provider is to be asked about, as far as one worker knows them."""

from dataclasses import replace

import pytest
from some_sessions import JOHN, START, Clock, tied_to
from watched_store import WatchedStore, a_worker

from qproxy.model import NO_TIE, Attributes, End, Session, Tie
from qproxy.sessions.due import COME_AT_ONCE
from qproxy.sessions.front import Sessions


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return a_worker(WatchedStore(), clock)


async def opened(sessions: Sessions, seconds: float) -> Session:
    return await sessions.open("sales", JOHN, Attributes(), tie=Tie(("sid 7",), check_at=START + seconds))


async def test_a_session_in_use_is_due_when_its_time_has_come(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions, 10)
    clock.advance(9)
    assert sessions.due("sales") == []
    clock.advance(1)
    sessions.touch("sales", session.id)
    assert [one.id for one in sessions.due("sales")] == [session.id]
    assert sessions.due("hr") == []


async def test_a_session_that_nobody_uses_is_not_due_until_it_is_used_again(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions, 10)
    clock.advance(20)
    assert sessions.due("sales") == []
    clock.advance(20)
    sessions.touch("sales", session.id)
    assert [one.id for one in sessions.due("sales")] == [session.id]


async def test_a_session_stays_due_until_it_gets_another_time(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions, 10)
    clock.advance(11)
    sessions.touch("sales", session.id)
    assert len(sessions.due("sales")) == len(sessions.due("sales")) == 1
    await sessions.retie(session, Tie(("sid 7",), check_at=START + 30))
    assert sessions.due("sales") == []
    clock.advance(19)
    sessions.touch("sales", session.id)
    assert len(sessions.due("sales")) == 1


async def test_a_session_that_ended_or_was_never_to_be_checked_is_not_due(sessions: Sessions, clock: Clock) -> None:
    first, second = await opened(sessions, 10), await opened(sessions, 10)
    clock.advance(11)
    for session in (first, second):
        sessions.touch("sales", session.id)
    await sessions.retie(second, NO_TIE)
    await sessions.end("sales", first.id)
    assert sessions.due("sales") == []


async def test_the_time_that_another_worker_has_set_counts(clock: Clock) -> None:
    store = WatchedStore()
    here, there = a_worker(store, clock), a_worker(store, clock)
    session = await opened(here, 10)
    await there.find("sales", session.id)
    await there.retie(session, Tie(("sid 7",), check_at=START + 40))
    clock.advance(11)
    here.touch("sales", session.id)
    assert len(here.due("sales")) == 1
    kept = await here.link(session, "")
    assert kept == replace(session, tie=Tie(("sid 7",), check_at=START + 40), last_seen=START + 11)
    assert here.due("sales") == []


async def test_a_session_that_has_ended_does_not_come_back_by_a_new_tie(sessions: Sessions) -> None:
    session = await opened(sessions, 10)
    await sessions.store.delete("sales", session.id, End.LOGOUT, START)
    assert await sessions.retie(session, NO_TIE) is None
    assert sessions.peek("sales", session.id) is None


async def test_sessions_are_found_by_a_key_whatever_their_times(sessions: Sessions, clock: Clock) -> None:
    session = await sessions.store.put(tied_to("sub ann"))
    clock.advance(10_000)
    assert await sessions.tied("sales", "sub ann") == [session]


async def test_of_thousands_that_are_due_at_once_some_come_at_a_time(sessions: Sessions, clock: Clock) -> None:
    for _ in range(COME_AT_ONCE + 5):
        await opened(sessions, 0)
    assert len(sessions.due("sales")) == COME_AT_ONCE
    assert len(sessions.due("sales")) == COME_AT_ONCE + 5
