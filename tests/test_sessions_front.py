"""The cache in front of the store: what a request meets, and what must never come back."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from some_sessions import JOHN, LIFETIME, MARY, START, Clock, a_session, made_by_qlik
from waiting import eventually
from watched_store import QLIK_MADE, Told, WatchedStore, a_worker, opened

from qproxy.model import Attributes, End, Lifetime, User
from qproxy.sessions.front import Sessions
from qproxy.sessions.pace import Pace
from qproxy.sessions.store import IdTaken, StoreUnavailable


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


# --- to open and to find ---


async def test_a_login_gets_a_new_session_id_each_time(sessions: Sessions) -> None:
    assert len({(await opened(sessions)).id for _ in range(50)}) == 50


async def test_an_opened_session_says_who_when_and_whether_again(sessions: Sessions) -> None:
    session = await sessions.open("sales", JOHN, Attributes((("Group", "Sales"),)), relogin=True)
    assert (session.vp, session.user, session.created, session.last_seen) == ("sales", JOHN, START, START)
    assert (session.attributes.pairs, session.relogin, session.by_qlik) == ((("Group", "Sales"),), True, False)


async def test_an_opened_session_is_known_without_asking_the_store(sessions: Sessions, store: WatchedStore) -> None:
    session = await opened(sessions)
    assert sessions.peek("sales", session.id) == session
    assert await sessions.find("sales", session.id) == session
    assert store.asked["get"] == 0


async def test_a_session_of_another_worker_is_found_and_then_known(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock), a_worker(store, clock)
    session = await opened(here)
    assert there.peek("sales", session.id) is None
    assert await there.find("sales", session.id) == session
    assert there.peek("sales", session.id) == session


async def test_a_session_is_not_known_on_another_virtual_proxy(sessions: Sessions) -> None:
    session = await opened(sessions)
    assert sessions.peek("hr", session.id) is None
    assert await sessions.find("hr", session.id) is None


async def test_a_session_of_a_virtual_proxy_that_was_removed_does_not_live(store: WatchedStore, clock: Clock) -> None:
    lifetimes = {"sales": LIFETIME}
    sessions = Sessions(store, lifetimes, clock)
    session = await opened(sessions)
    del lifetimes["sales"]
    assert sessions.peek("sales", session.id) is None
    assert await sessions.find("sales", session.id) is None


async def test_a_herd_makes_one_read_of_the_store(store: WatchedStore, clock: Clock) -> None:
    session = await opened(a_worker(store, clock))
    sessions = a_worker(store, clock)
    store.free.clear()
    herd = [asyncio.create_task(sessions.find("sales", session.id)) for _ in range(5000)]
    await eventually(lambda: store.asked["get"])
    store.free.set()
    assert set(await asyncio.gather(*herd)) == {session}
    assert store.asked["get"] == 1


async def test_who_stops_waiting_does_not_stop_it_for_the_others(store: WatchedStore, clock: Clock) -> None:
    session = await opened(a_worker(store, clock))
    sessions = a_worker(store, clock)
    store.free.clear()
    first, second = (asyncio.create_task(sessions.find("sales", session.id)) for _ in range(2))
    await eventually(lambda: store.asked["get"])
    first.cancel()
    await asyncio.wait([first])
    store.free.set()
    assert await second == session


async def test_a_read_that_fails_when_nobody_waits_any_more_is_silent(sessions: Sessions, store: WatchedStore) -> None:
    store.broken = True
    waiting = asyncio.create_task(sessions.find("sales", "one"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    gc.collect()
    assert waiting.cancelled()


# --- ids that are nobody's ---


async def test_an_unknown_id_is_asked_for_once_for_a_while(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    for _ in range(100):
        assert await sessions.find("sales", "nobody") is None
    assert store.asked["get"] == 1
    clock.advance(Pace().unknown)
    await sessions.find("sales", "nobody")
    assert store.asked["get"] == 2


async def test_unknown_ids_are_remembered_in_bounded_space(store: WatchedStore, clock: Clock) -> None:
    sessions = a_worker(store, clock, Pace(unknown_most=10))
    for n in range(100):
        await sessions.find("sales", f"random{n}")
    await sessions.find("sales", "random99")
    assert store.asked["get"] == 100
    await sessions.find("sales", "random0")
    assert store.asked["get"] == 101


async def test_an_id_that_was_unknown_is_found_as_soon_as_qps_brings_it(sessions: Sessions) -> None:
    assert await sessions.find("sales", "one") is None
    session = await sessions.adopt(made_by_qlik("one"))
    assert await sessions.find("sales", "one") == session


async def test_an_id_that_comes_while_it_is_looked_for_is_found(sessions: Sessions, store: WatchedStore) -> None:
    store.free.clear()
    looking = asyncio.create_task(sessions.find("sales", "one"))
    await eventually(lambda: store.asked["get"])
    session = await sessions.adopt(made_by_qlik("one"))
    store.free.set()
    assert await looking == session
    assert sessions.peek("sales", "one") == session


async def test_a_clock_that_was_set_back_does_not_keep_an_id_unknown(
    sessions: Sessions, store: WatchedStore, clock: Clock
) -> None:
    await sessions.find("sales", "one")
    clock.advance(-86400)
    await sessions.find("sales", "one")
    assert store.asked["get"] == 2


# --- how long a session lives ---


async def test_a_session_is_over_at_its_idle_second_without_any_sweep(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions)
    clock.advance(LIFETIME.idle - 1)
    assert sessions.peek("sales", session.id) == session
    clock.advance(1)
    assert sessions.peek("sales", session.id) is None
    assert await sessions.find("sales", session.id) is None


async def test_signs_of_life_keep_a_session_up_to_its_absolute_lifetime(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions)
    while clock() < START + LIFETIME.absolute:
        assert sessions.peek("sales", session.id)
        sessions.touch("sales", session.id)
        clock.advance(50)
    assert sessions.peek("sales", session.id) is None


async def test_a_session_that_is_over_does_not_come_back_by_a_sign_of_life(sessions: Sessions, clock: Clock) -> None:
    session = await opened(sessions)
    clock.advance(LIFETIME.idle)
    sessions.touch("sales", session.id)
    assert sessions.peek("sales", session.id) is None


async def test_to_touch_an_unknown_session_does_nothing(sessions: Sessions, store: WatchedStore) -> None:
    sessions.touch("sales", "nobody")
    await sessions.flush(everything=True)
    assert store.asked["seen"] == 0


async def test_a_session_that_was_seen_on_another_worker_is_not_idle_here(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock), a_worker(store, clock)
    session = await opened(here)
    await there.find("sales", session.id)
    clock.advance(50)
    there.touch("sales", session.id)
    await there.flush()
    clock.advance(20)
    assert here.peek("sales", session.id) is None
    assert await here.find("sales", session.id) == session.seen(START + 50)


async def test_a_lifetime_that_was_changed_holds_at_once(store: WatchedStore, clock: Clock) -> None:
    lifetimes = {"sales": LIFETIME}
    sessions = Sessions(store, lifetimes, clock)
    session = await opened(sessions)
    clock.advance(10)
    lifetimes["sales"] = Lifetime(idle=10, absolute=600)
    assert sessions.peek("sales", session.id) is None


# --- the end ---


async def test_an_ended_session_is_refused_at_once(sessions: Sessions) -> None:
    session = await opened(sessions)
    assert await sessions.end("sales", session.id) == session
    assert sessions.peek("sales", session.id) is None
    assert await sessions.find("sales", session.id) is None


async def test_a_session_ends_once(sessions: Sessions) -> None:
    session = await opened(sessions)
    ends = await asyncio.gather(*(sessions.end("sales", session.id) for _ in range(10)))
    assert [end for end in ends if end] == [session]


async def test_who_ends_a_session_is_not_told_of_it(sessions: Sessions) -> None:
    told, session = Told(sessions), await opened(sessions)
    await sessions.end("sales", session.id)
    await sessions.follow()
    assert told.ended == told.gone == []


async def test_a_read_that_was_overtaken_by_the_end_does_not_bring_the_session_back(
    store: WatchedStore, clock: Clock
) -> None:
    session = await opened(a_worker(store, clock))
    sessions = a_worker(store, clock)
    store.free.clear()
    looking = asyncio.create_task(sessions.find("sales", session.id))
    await eventually(lambda: store.asked["get"])
    await sessions.end("sales", session.id)
    store.free.set()
    assert await looking is None
    assert sessions.peek("sales", session.id) is None


async def test_a_read_that_was_overtaken_by_an_end_elsewhere_does_not_stay(store: WatchedStore, clock: Clock) -> None:
    here, there = a_worker(store, clock), a_worker(store, clock)
    await here.follow()
    session = await opened(there)
    store.free.clear()
    looking = asyncio.create_task(here.find("sales", session.id))
    await eventually(lambda: store.asked["get"])
    await there.end("sales", session.id)
    await here.follow()
    store.free.set()
    assert await looking is None
    assert here.peek("sales", session.id) is None


async def test_an_end_that_the_store_refuses_changes_nothing(sessions: Sessions, store: WatchedStore) -> None:
    session = await opened(sessions)
    store.broken = True
    with pytest.raises(StoreUnavailable):
        await sessions.end("sales", session.id)
    assert sessions.peek("sales", session.id) == session


async def test_the_cache_forgets_what_ended(sessions: Sessions) -> None:
    for _ in range(200):
        session = await opened(sessions)
        await sessions.end("sales", session.id)
    assert len(sessions) == 0


# --- users ---


async def test_the_living_sessions_of_a_user_are_found_as_they_are_now(sessions: Sessions, clock: Clock) -> None:
    over, living = await opened(sessions), await opened(sessions)
    clock.advance(50)
    sessions.touch("sales", living.id)
    clock.advance(20)
    assert await sessions.of_user("sales", User("sso", "JOHN")) == [living.seen(START + 50)]
    assert sessions.peek("sales", over.id) is None


# --- sessions that QPS made ---


async def test_a_session_that_qps_made_has_a_lifetime_of_its_own(sessions: Sessions, clock: Clock) -> None:
    session = await sessions.adopt(made_by_qlik("one"))
    clock.advance(QLIK_MADE.lifetime.idle - 1)
    assert sessions.peek("sales", "one") == session
    clock.advance(1)
    assert sessions.peek("sales", "one") is None


async def test_to_adopt_a_session_twice_keeps_the_first(sessions: Sessions) -> None:
    first = await sessions.adopt(made_by_qlik("one"))
    assert await sessions.adopt(made_by_qlik("one", at=START + 1)) == first


async def test_an_id_of_another_user_is_not_adopted(sessions: Sessions) -> None:
    first = await sessions.adopt(made_by_qlik("one", JOHN))
    with pytest.raises(IdTaken):
        await sessions.adopt(made_by_qlik("one", MARY))
    assert await sessions.find("sales", "one") == first


async def test_qps_never_overwrites_a_session_of_ours(sessions: Sessions) -> None:
    ours = await opened(sessions)
    assert await sessions.adopt(made_by_qlik(ours.id)) == ours
    with pytest.raises(IdTaken):
        await sessions.adopt(made_by_qlik(ours.id, MARY))
    assert sessions.peek("sales", ours.id) == ours


async def test_only_sessions_that_qps_made_are_adopted(sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="that QPS made"):
        await sessions.adopt(a_session())
    assert await sessions.count("sales") == 0


async def test_a_session_that_is_over_may_be_adopted_anew(sessions: Sessions, clock: Clock) -> None:
    told = Told(sessions)
    await sessions.adopt(made_by_qlik("one"))
    clock.advance(50)
    again = await sessions.adopt(made_by_qlik("one", at=clock()))
    assert again.created == clock()
    assert sessions.peek("sales", "one") == again
    assert told.ended == [("one", End.IDLE)]


async def test_the_oldest_of_qps_made_sessions_give_way(sessions: Sessions) -> None:
    told, ours = Told(sessions), await opened(sessions)
    for n in range(QLIK_MADE.cap + 2):
        await sessions.adopt(made_by_qlik(f"s{n}"))
    assert told.ended == [("s0", End.REPLACED), ("s1", End.REPLACED)]
    assert sessions.peek("sales", "s0") is None
    assert sessions.peek("sales", "s2")
    assert sessions.peek("sales", ours.id)


async def test_ten_thousand_anonymous_sessions_stay_within_the_cap(sessions: Sessions, store: WatchedStore) -> None:
    for n in range(10_000):
        await sessions.adopt(made_by_qlik(f"s{n}", User("NONE", f"anonymous{n}")))
    assert await sessions.count("sales", by_qlik=True) == QLIK_MADE.cap
    assert len(sessions) == QLIK_MADE.cap
