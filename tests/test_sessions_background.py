"""What goes on behind the requests: writing, the sweep, what other workers end, and a store that is out of order."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from some_sessions import START, Clock, a_session, made_by_qlik
from waiting import eventually
from watched_store import FAST, QLIK_MADE, Told, WatchedStore, a_worker, opened

from qproxy.model import End, Lifetime, Session
from qproxy.sessions.front import SWEPT_AT_ONCE, Sessions
from qproxy.sessions.memory import MemoryStore
from qproxy.sessions.pace import Pace
from qproxy.sessions.store import StoreUnavailable


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store() -> AsyncIterator[WatchedStore]:
    made = WatchedStore()
    yield made
    await made.close()


@pytest.fixture
def sessions(store: WatchedStore, clock: Clock) -> Sessions:
    return a_worker(store, clock)


# --- last-seen times are written in batches ---


async def test_a_session_is_written_at_most_every_30_seconds(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    sessions = Sessions(store, {"sales": Lifetime(1800, 7200)}, clock)
    session = await opened(sessions)
    for _ in range(300):
        clock.advance(1)
        sessions.touch("sales", session.id)
        await sessions.flush()
    assert store.asked["times"] == 10


async def test_many_sessions_are_written_in_one_batch(sessions: Sessions, store: WatchedStore, clock: Clock) -> None:
    many = [await opened(sessions) for _ in range(100)]
    clock.advance(40)
    for session in many:
        sessions.touch("sales", session.id)
    await sessions.flush()
    assert (store.asked["seen"], store.asked["times"]) == (1, 100)


async def test_the_last_sign_of_life_before_silence_is_written_too(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    session = await opened(sessions)
    clock.advance(5)
    sessions.touch("sales", session.id)
    clock.advance(20)
    await sessions.flush()
    assert await store.get("sales", session.id) == session.seen(START + 5)


async def test_what_could_not_be_written_is_written_later(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    session = await opened(sessions)
    clock.advance(40)
    sessions.touch("sales", session.id)
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.flush()
    store.broken = False
    await sessions.flush()
    assert await store.get("sales", session.id) == session.seen(START + 40)


# --- sweeping ---


async def test_the_sweep_ends_what_is_over_and_tells_why(sessions: Sessions, clock: Clock) -> None:
    told, idle, busy = Told(sessions), await opened(sessions), await opened(sessions)
    clock.advance(50)
    sessions.touch("sales", busy.id)
    clock.advance(10)
    await sessions.sweep()
    assert told.ended == [(idle.id, End.IDLE)]
    assert (len(sessions), await sessions.count("sales")) == (1, 1)


async def test_the_sweep_ends_sessions_at_their_absolute_lifetime(sessions: Sessions, clock: Clock) -> None:
    told, session = Told(sessions), await opened(sessions)
    for _ in range(12):
        clock.advance(50)
        sessions.touch("sales", session.id)
        await sessions.sweep()
    assert told.ended == [(session.id, End.ABSOLUTE)]


async def test_the_sweep_ends_sessions_that_qps_made_in_their_own_time(sessions: Sessions, clock: Clock) -> None:
    told = Told(sessions)
    await opened(sessions)
    await sessions.adopt(made_by_qlik("one"))
    clock.advance(QLIK_MADE.lifetime.idle)
    await sessions.sweep()
    assert told.ended == [("one", End.IDLE)]


async def test_the_sweep_ends_more_than_fit_into_one_step(sessions: Sessions, clock: Clock) -> None:
    for _ in range(SWEPT_AT_ONCE + 10):
        await opened(sessions)
    clock.advance(60)
    await sessions.sweep()
    assert (len(sessions), await sessions.count("sales")) == (0, 0)


async def test_the_sweep_finds_what_a_crashed_worker_left(store: WatchedStore, clock: Clock) -> None:
    session = await opened(a_worker(store, clock))
    after = a_worker(store, clock)
    told = Told(after)
    clock.advance(60)
    await after.sweep()
    assert told.ended == [(session.id, End.IDLE)]


async def test_of_two_workers_that_sweep_one_tells_the_world(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock), a_worker(store, clock)
    told_here, told_there = Told(here), Told(there)
    session = await opened(here)
    await there.find("sales", session.id)
    clock.advance(60)
    await asyncio.gather(here.sweep(), there.sweep())
    await asyncio.gather(here.follow(), there.follow())
    assert told_here.ended + told_there.ended == [(session.id, End.IDLE)]
    assert told_here.gone + told_there.gone == [(session.id, End.IDLE)]


async def test_the_sweep_judges_nobody_when_last_seen_times_cannot_be_written(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    session = await opened(sessions)
    clock.advance(50)
    sessions.touch("sales", session.id)
    clock.advance(50)
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.sweep()
    assert sessions.peek("sales", session.id)


async def test_old_tombstones_are_swept(sessions: Sessions, store: WatchedStore, clock: Clock) -> None:
    session = await opened(sessions)
    await sessions.end("sales", session.id)
    clock.advance(Pace().tombstones + 1)
    await sessions.sweep()
    assert await store.ended_since(0) == []


@pytest.mark.error_log("a listener failed")
async def test_a_listener_that_fails_does_not_stop_the_sweep(sessions: Sessions, clock: Clock) -> None:
    def fails(session: Session, why: End) -> None:
        raise RuntimeError(why)

    sessions.on_end(fails)
    told = Told(sessions)
    both = {(await opened(sessions)).id, (await opened(sessions)).id}
    clock.advance(60)
    await sessions.sweep()
    assert {session_id for session_id, _ in told.ended} == both


# --- other workers ---


async def test_a_session_that_ended_elsewhere_is_let_go_of(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock), a_worker(store, clock)
    told, session = Told(here), await opened(here)
    await here.follow()
    await there.end("sales", session.id, End.HUB_LOGOUT)
    await here.follow()
    assert here.peek("sales", session.id) is None
    assert told.gone == [(session.id, End.HUB_LOGOUT)]
    assert told.ended == []


async def test_what_was_known_before_following_began_is_checked(store: WatchedStore, clock: Clock) -> None:
    here = a_worker(store, clock)
    kept, lost = await opened(here), await opened(here)
    await a_worker(store, clock).end("sales", lost.id)
    await here.follow()
    assert here.peek("sales", kept.id) == kept
    assert here.peek("sales", lost.id) is None


async def test_a_worker_that_was_away_too_long_checks_what_it_knew(store: WatchedStore, clock: Clock) -> None:
    lifetimes = {"sales": Lifetime(10**6, 10**6)}
    here, there = Sessions(store, lifetimes, clock), Sessions(store, lifetimes, clock)
    session = await opened(here)
    await here.follow()
    await there.end("sales", session.id)
    clock.advance(Pace().tombstones + 1)
    await there.sweep()
    assert await store.ended_since(0) == []
    await here.follow()
    assert here.peek("sales", session.id) is None


async def test_after_an_outage_everything_is_checked(sessions: Sessions, store: WatchedStore) -> None:
    await sessions.follow()
    kept, lost = await opened(sessions), await opened(sessions)
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.follow()
    store.broken = False
    await store.delete("sales", lost.id, End.QLIK, START)
    await store.forget_ended(before=START + 1)
    await sessions.follow()
    assert [sessions.peek("sales", session.id) for session in (kept, lost)] == [kept, None]


async def test_a_store_that_was_replaced_is_noticed(sessions: Sessions, clock: Clock) -> None:
    for session in [await opened(sessions) for _ in range(3)]:
        await sessions.end("sales", session.id)
    session = await opened(sessions)
    await sessions.follow()
    sessions.store = MemoryStore()
    await sessions.follow()
    assert sessions.peek("sales", session.id) is None
    await sessions.store.close()


async def test_following_costs_nothing_per_session(sessions: Sessions, store: WatchedStore) -> None:
    await sessions.follow()
    for _ in range(100):
        await opened(sessions)
    await sessions.follow()
    assert store.asked["get"] == 0


# --- the store is out of order ---


async def test_an_unknown_session_cannot_be_judged_without_the_store(sessions: Sessions, store: WatchedStore) -> None:
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.find("sales", "one")
    store.broken = False
    await store.put(a_session("one"))
    assert await sessions.find("sales", "one") is not None


async def test_nobody_logs_in_without_the_store(sessions: Sessions, store: WatchedStore) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await opened(sessions)
    assert len(sessions) == 0


async def test_known_sessions_are_served_through_an_outage_for_the_grace_only(
    store: WatchedStore, clock: Clock
) -> None:
    sessions = a_worker(store, clock, Pace(follow=0.01, grace=20))
    await sessions.start()
    session = await opened(sessions)
    store.broken = True
    await eventually(lambda: "follow" in sessions.troubles)
    clock.advance(20)
    assert sessions.peek("sales", session.id) == session
    clock.advance(1)
    assert sessions.peek("sales", session.id) is None
    with pytest.raises(StoreUnavailable):
        await sessions.find("sales", session.id)
    await sessions.stop()


async def test_an_outage_logs_nobody_out(store: WatchedStore, clock: Clock) -> None:
    sessions = a_worker(store, clock, Pace(follow=0.01, grace=5))
    await sessions.start()
    session = await opened(sessions)
    store.broken = True
    await eventually(lambda: "follow" in sessions.troubles)
    clock.advance(10)
    store.broken = False
    await eventually(lambda: sessions.peek("sales", session.id))
    assert not sessions.troubles
    await sessions.stop()


async def test_a_worker_that_starts_without_a_store_serves_when_it_comes(store: WatchedStore, clock: Clock) -> None:
    store.broken = True
    sessions = a_worker(store, clock, FAST)
    await sessions.start()
    assert sessions.troubles["follow"] == "the disk is full"
    store.broken = False
    await eventually(lambda: not sessions.troubles)
    session = await opened(sessions)
    assert sessions.peek("sales", session.id) == session
    await sessions.stop()


async def test_an_outage_is_logged_once_and_its_end_too(
    store: WatchedStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = a_worker(store, clock, FAST)
    await sessions.start()
    store.broken = True
    store.asked.clear()
    await eventually(lambda: "follow" in sessions.troubles)
    store.broken = False
    await eventually(lambda: store.asked["mark"] > 3)
    await sessions.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "sessions: the round 'follow' failed and is tried again: the disk is full",
        "sessions: the round 'follow' works again",
    ]


# --- in the background ---


async def test_in_the_background_what_is_over_ends_by_itself(store: WatchedStore, clock: Clock) -> None:
    sessions = a_worker(store, clock, FAST)
    told = Told(sessions)
    await sessions.start()
    session = await opened(sessions)
    clock.advance(60)
    await eventually(lambda: told.ended)
    await sessions.stop()
    assert told.ended == [(session.id, End.IDLE)]


async def test_in_the_background_ends_elsewhere_are_heard_of(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock, FAST), a_worker(store, clock)
    told = Told(here)
    await here.start()
    session = await opened(here)
    await there.end("sales", session.id, End.QLIK)
    await eventually(lambda: told.gone)
    await here.stop()
    assert told.gone == [(session.id, End.QLIK)]


async def test_what_is_not_yet_written_is_written_at_the_stop(store: WatchedStore, clock: Clock) -> None:
    sessions = a_worker(store, clock)
    await sessions.start()
    session = await opened(sessions)
    clock.advance(3)
    sessions.touch("sales", session.id)
    await sessions.stop()
    assert await store.get("sales", session.id) == session.seen(START + 3)


async def test_the_stop_does_not_fail_with_the_store(store: WatchedStore, clock: Clock) -> None:
    sessions = a_worker(store, clock)
    session = await opened(sessions)
    clock.advance(3)
    sessions.touch("sales", session.id)
    store.broken = True
    await sessions.stop()
    store.broken = False
    assert await store.get("sales", session.id) == session


@pytest.mark.error_log("the round '(write|sweep)' failed")
async def test_an_unexpected_error_does_not_stop_the_rounds(store: WatchedStore, clock: Clock) -> None:
    class Odd(WatchedStore):
        async def seen(self, times: Mapping[tuple[str, str], float]) -> None:
            self.asked["seen"] += 1
            raise RuntimeError("odd")

    odd = Odd()
    sessions = a_worker(odd, clock, FAST)
    await sessions.start()
    session = await opened(sessions)
    clock.advance(40)
    sessions.touch("sales", session.id)
    await eventually(lambda: odd.asked["seen"] > 2)
    assert "write" in sessions.troubles
    await sessions.stop()
    await odd.close()
