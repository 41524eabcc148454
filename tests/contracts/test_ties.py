"""What every store promises of the tie between a session and its login at an identity provider."""

import asyncio
from dataclasses import replace

from some_sessions import JOHN, START, tied_to

from qproxy.model import End, Tie
from qproxy.sessions.store import Store


async def test_a_session_is_found_by_each_key_of_its_tie(store: Store) -> None:
    session = await store.put(tied_to("sid 7", "sub änn"))
    assert await store.tied("sales", "sid 7") == await store.tied("sales", "sub änn") == [session]
    assert await store.tied("sales", "sid 8") == []


async def test_all_sessions_with_a_key_are_found_on_their_virtual_proxy_only(store: Store) -> None:
    his = [await store.put(tied_to("sub ann", f"sid {n}")) for n in range(3)]
    await store.put(tied_to("sub ann", vp="hr"))
    await store.put(tied_to("sub bob"))
    assert sorted(one.id for one in await store.tied("sales", "sub ann")) == sorted(one.id for one in his)


async def test_an_ended_session_is_not_found_by_its_tie_any_more(store: Store) -> None:
    await store.put(tied_to("sid 7", session_id="one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.tied("sales", "sid 7") == []


async def test_a_new_tie_is_kept_with_its_keys(store: Store) -> None:
    session = await store.put(tied_to("sid 7", "sub ann", refresh="r1"))
    tie = Tie(("sid 8", "sub ann"), {"refresh": "r2"}, START + 60)
    assert await store.retie(session, tie) == replace(session, tie=tie)
    assert await store.get("sales", session.id) == replace(session, tie=tie)
    assert await store.tied("sales", "sid 7") == []
    assert await store.tied("sales", "sid 8") == await store.tied("sales", "sub ann") == [replace(session, tie=tie)]


async def test_of_two_workers_with_a_new_tie_at_once_the_first_one_is_right(store: Store) -> None:
    session = await store.put(tied_to("sid 7", refresh="r0"))
    await asyncio.gather(*(store.retie(session, Tie(("sid 7",), {"refresh": f"r{n}"})) for n in (1, 2)))
    kept = await store.get("sales", session.id)
    assert kept is not None
    assert kept.tie.kept["refresh"] in {"r1", "r2"}
    assert await store.retie(session, Tie(("sid 9",))) == kept
    assert await store.tied("sales", "sid 9") == []


async def test_a_session_that_has_ended_does_not_come_back_by_a_new_tie(store: Store) -> None:
    session = await store.put(tied_to("sid 7", session_id="one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.retie(session, Tie(("sid 7",))) is None
    assert await store.tied("sales", "sid 7") == []


async def test_a_new_tie_leaves_the_last_seen_time_and_the_users_sessions_alone(store: Store) -> None:
    session = await store.put(tied_to("sid 7", session_id="one"))
    await store.seen({("sales", "one"): START + 9})
    retied = await store.retie(session, Tie(("sid 7",), check_at=START))
    assert retied is not None
    assert retied.last_seen == START + 9
    assert await store.of_user("sales", JOHN) == [retied]
