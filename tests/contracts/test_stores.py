"""What every store promises (`qproxy.sessions.store.Store`), tried on each of them."""

import asyncio
from dataclasses import replace

import pytest
from some_sessions import JOHN, LIFETIME, MARY, START, a_session, made_by_qlik

from qproxy.model import Attributes, End, User
from qproxy.sessions.store import IdTaken, Store, StoreUnavailable, store_key


async def over(store: Store, seconds: float, limit: int = 100, by_qlik: bool = False) -> list[str]:
    found = await store.expired("sales", by_qlik, LIFETIME, START + seconds, limit)
    return sorted(session.id for session in found)


# --- to keep and to find ---


async def test_a_session_is_found_as_it_was_put(store: Store) -> None:
    session = replace(a_session(), relogin=True)
    assert await store.put(session) == session
    assert await store.get("sales", session.id) == session


async def test_an_unknown_id_is_not_found(store: Store) -> None:
    await store.put(a_session("one"))
    assert await store.get("sales", "two") is None


async def test_a_new_store_can_be_used(store: Store) -> None:
    await store.check()
    assert await store.mark() == 0


async def test_the_same_id_on_two_virtual_proxies_is_two_sessions(store: Store) -> None:
    await store.put(a_session("one", JOHN, "sales"))
    await store.put(a_session("one", MARY, "hr"))
    await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.get("sales", "one") is None
    assert await store.get("hr", "one") == a_session("one", MARY, "hr")


async def test_the_virtual_proxy_without_a_prefix_is_one_like_any_other(store: Store) -> None:
    await store.put(a_session("one", vp=""))
    assert await store.get("", "one") == a_session("one", vp="")
    assert await store.of_user("", JOHN) == [a_session("one", vp="")]


@pytest.mark.parametrize("session_id", ["ä" * 300, "a b;c=d", "%2e%2e/x", "\ud800", "", "x" * 8000, "日本"])
async def test_any_text_is_an_id(store: Store, session_id: str) -> None:
    session = replace(a_session(), id=session_id)
    await store.put(session)
    assert await store.get("sales", session_id) == session
    assert await store.delete("sales", session_id, End.LOGOUT, START) == session


@pytest.mark.parametrize(
    "user",
    [User("SSO", "j@x.com"), User("Ä Ö", "a/b"), User("SSO", "'; DROP TABLE session; --"), User("日本", "😀%5C\ud800")],
)
async def test_any_name_is_a_user(store: Store, user: User) -> None:
    session = a_session(user=user)
    await store.put(session)
    assert await store.of_user("sales", user) == [session]


async def test_attributes_keep_their_order_and_repetitions(store: Store) -> None:
    pairs = tuple((f"name{n % 3}", f"välue {n}; x=y") for n in range(500))
    await store.put(replace(a_session("one"), attributes=Attributes(pairs)))
    found = await store.get("sales", "one")
    assert found is not None
    assert found.attributes.pairs == pairs


# --- under which id QPS knows it ---


async def test_what_qps_calls_a_session_is_noted_and_can_be_noted_again(store: Store) -> None:
    first = await store.put(a_session("one"))
    linked = await store.link(first, "qlik-1")
    assert linked == replace(first, qlik_id="qlik-1")
    assert await store.link(linked, "qlik-2") == replace(first, qlik_id="qlik-2")
    assert await store.get("sales", "one") == replace(first, qlik_id="qlik-2")


async def test_of_two_workers_that_note_it_at_once_the_first_one_is_right(store: Store) -> None:
    first = await store.put(a_session("one"))
    await asyncio.gather(store.link(first, "qlik-1"), store.link(first, "qlik-2"))
    kept = await store.get("sales", "one")
    assert kept is not None
    assert await store.link(first, "qlik-3") == kept
    assert kept.qlik_id in {"qlik-1", "qlik-2"}


async def test_a_session_that_has_ended_does_not_come_back_by_a_note(store: Store) -> None:
    first = await store.put(a_session("one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.link(first, "qlik-1") is None
    assert await store.get("sales", "one") is None


async def test_a_note_leaves_the_last_seen_time_alone(store: Store) -> None:
    first = await store.put(a_session("one"))
    await store.seen({("sales", "one"): START + 9})
    linked = await store.link(first, "qlik-1")
    assert linked is not None
    assert linked.last_seen == START + 9


# --- an id has one owner ---


async def test_to_put_a_session_again_changes_nothing(store: Store) -> None:
    first = await store.put(made_by_qlik("one", at=START))
    assert await store.put(made_by_qlik("one", at=START + 5)) == first
    assert await store.count("sales", by_qlik=True) == 1


async def test_an_id_of_somebody_else_is_refused_and_stays_his(store: Store) -> None:
    first = await store.put(made_by_qlik("one", JOHN))
    with pytest.raises(IdTaken) as refused:
        await store.put(made_by_qlik("one", MARY))
    assert await store.get("sales", "one") == first
    assert await store.of_user("sales", MARY) == []
    assert "one" not in str(refused.value).split()


async def test_the_same_user_in_other_letters_is_not_somebody_else(store: Store) -> None:
    first = await store.put(made_by_qlik("one", User("SSO", "John")))
    assert await store.put(made_by_qlik("one", User("sso", "JOHN"))) == first


async def test_qps_cannot_turn_a_session_of_ours_into_its_own(store: Store) -> None:
    ours = await store.put(a_session("one"))
    assert await store.put(made_by_qlik("one")) == ours
    assert await store.count("sales", by_qlik=True) == 0


async def test_of_many_who_claim_an_id_at_once_one_gets_it(store: Store) -> None:
    claims = [store.put(made_by_qlik("one", User("SSO", f"user{n}"))) for n in range(20)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert [isinstance(result, IdTaken) for result in results].count(False) == 1


# --- users ---


async def test_all_sessions_of_a_user_are_found_in_the_order_they_came(store: Store) -> None:
    his = [await store.put(a_session(f"s{n}")) for n in range(5)]
    await store.put(a_session(user=MARY))
    await store.put(a_session(vp="hr"))
    assert await store.of_user("sales", JOHN) == his


async def test_a_users_own_and_qps_made_sessions_are_found_together(store: Store) -> None:
    both = [await store.put(made_by_qlik("one")), await store.put(a_session("two"))]
    assert await store.of_user("sales", JOHN) == both


@pytest.mark.parametrize(("kept", "asked"), [("John", "jOHN"), ("STRASSE", "straße"), ("ÄRZTE", "ärzte")])
async def test_users_are_found_without_regard_to_case(store: Store, kept: str, asked: str) -> None:
    session = await store.put(a_session(user=User("SSO", kept)))
    assert await store.of_user("sales", User("sso", asked)) == [session]


async def test_directory_and_id_of_a_user_are_not_mixed_up(store: Store) -> None:
    await store.put(a_session(user=User("ab", "c")))
    assert await store.of_user("sales", User("a", "bc")) == []


async def test_an_ended_session_is_not_its_users_any_more(store: Store) -> None:
    await store.put(a_session("one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    assert await store.of_user("sales", JOHN) == []


# --- last-seen times ---


async def test_last_seen_times_are_kept(store: Store) -> None:
    for session_id in ("one", "two", "three"):
        await store.put(a_session(session_id))
    await store.seen({("sales", "one"): START + 10, ("sales", "two"): START + 20})
    kept = [await store.get("sales", session_id) for session_id in ("one", "two", "three")]
    assert [session and session.last_seen for session in kept] == [START + 10, START + 20, START]


async def test_last_seen_times_never_go_back(store: Store) -> None:
    await store.put(a_session("one"))
    await store.seen({("sales", "one"): START + 10})
    await store.seen({("sales", "one"): START + 5})
    session = await store.get("sales", "one")
    assert session is not None
    assert session.last_seen == START + 10


async def test_a_sign_of_life_does_not_bring_a_session_back(store: Store) -> None:
    await store.put(a_session("one"))
    await store.delete("sales", "one", End.LOGOUT, START)
    await store.seen({("sales", "one"): START + 10})
    assert await store.get("sales", "one") is None


# --- to delete, and what is left ---


async def test_a_deleted_session_is_given_back_once(store: Store) -> None:
    session = await store.put(a_session("one"))
    assert await store.delete("sales", "one", End.LOGOUT, START) == session
    assert await store.delete("sales", "one", End.LOGOUT, START) is None
    assert await store.get("sales", "one") is None


async def test_of_many_who_delete_a_session_at_once_one_is_given_it(store: Store) -> None:
    session = await store.put(a_session("one"))
    results = await asyncio.gather(*(store.delete("sales", "one", End.QLIK, START) for _ in range(20)))
    assert [result for result in results if result] == [session]
    assert len(await store.ended_since(0)) == 1


async def test_a_deletion_leaves_a_tombstone_that_tells_when_and_why(store: Store) -> None:
    await store.put(a_session("one"))
    mark = await store.mark()
    await store.delete("sales", "one", End.HUB_LOGOUT, START + 7)
    (left,) = await store.ended_since(mark)
    assert (left.vp, left.key, left.at, left.why) == ("sales", store_key("sales", "one"), START + 7, End.HUB_LOGOUT)
    assert left.mark == await store.mark() > mark


async def test_tombstones_come_in_order_and_only_the_new_ones(store: Store) -> None:
    for session_id in "abc":
        await store.put(a_session(session_id))
    for session_id in "cab":
        await store.delete("sales", session_id, End.LOGOUT, START)
    all_of_them = await store.ended_since(0)
    assert [left.key for left in all_of_them] == [store_key("sales", session_id) for session_id in "cab"]
    assert await store.ended_since(all_of_them[0].mark) == all_of_them[1:]
    assert await store.ended_since(all_of_them[-1].mark) == []


async def test_the_order_of_tombstones_does_not_depend_on_clocks(store: Store) -> None:
    for session_id, at in (("one", START), ("two", START - 500)):
        await store.put(a_session(session_id))
        mark = await store.mark()
        await store.delete("sales", session_id, End.LOGOUT, at)
    assert [left.key for left in await store.ended_since(mark)] == [store_key("sales", "two")]


async def test_an_unknown_id_leaves_no_tombstone(store: Store) -> None:
    assert await store.delete("sales", "nobody", End.QLIK, START) is None
    assert await store.ended_since(0) == []


async def test_old_tombstones_are_forgotten_and_their_marks_not_given_again(store: Store) -> None:
    for session_id, at in (("one", START), ("two", START + 10)):
        await store.put(a_session(session_id))
        await store.delete("sales", session_id, End.LOGOUT, at)
    mark = await store.mark()
    await store.forget_ended(before=START + 10)
    assert [left.at for left in await store.ended_since(0)] == [START + 10]
    await store.forget_ended(before=START + 11)
    assert await store.mark() == mark
    await store.put(a_session("three"))
    await store.delete("sales", "three", End.LOGOUT, START)
    assert await store.mark() > mark


# --- what is over ---


async def test_what_is_over_is_found_at_its_second_and_not_before(store: Store) -> None:
    await store.put(a_session("one"))
    assert await over(store, LIFETIME.idle - 1) == []
    assert await over(store, LIFETIME.idle) == ["one"]


async def test_signs_of_life_do_not_prolong_the_absolute_lifetime(store: Store) -> None:
    await store.put(a_session("one"))
    await store.seen({("sales", "one"): START + LIFETIME.absolute - 1})
    assert await over(store, LIFETIME.absolute - 1) == []
    assert await over(store, LIFETIME.absolute) == ["one"]


async def test_what_is_over_stays_until_it_is_deleted(store: Store) -> None:
    await store.put(a_session("one"))
    assert await over(store, 60) == await over(store, 60) == ["one"]
    assert await store.get("sales", "one") is not None


async def test_only_the_sessions_asked_for_are_over(store: Store) -> None:
    await store.put(a_session("ours"))
    await store.put(made_by_qlik("theirs"))
    await store.put(a_session("elsewhere", vp="hr"))
    assert await over(store, 60) == ["ours"]
    assert await over(store, 60, by_qlik=True) == ["theirs"]


async def test_no_more_are_found_over_than_were_asked_for(store: Store) -> None:
    for _ in range(5):
        await store.put(a_session())
    assert len(await over(store, 60, limit=3)) == 3


# --- sessions that QPS made ---


async def test_sessions_are_counted_by_virtual_proxy_and_maker(store: Store) -> None:
    for session in (a_session(), a_session(), made_by_qlik(), a_session(vp="hr")):
        await store.put(session)
    assert await store.count("sales", by_qlik=False) == 2
    assert await store.count("sales", by_qlik=True) == 1
    assert await store.count("nowhere", by_qlik=False) == 0


async def test_the_oldest_of_qps_made_sessions_are_those_put_first(store: Store) -> None:
    await store.put(a_session("ours"))
    for session_id in ("c", "a", "b"):
        await store.put(made_by_qlik(session_id))
    await store.delete("sales", "c", End.QLIK, START)
    await store.put(made_by_qlik("c"))
    assert [session.id for session in await store.oldest_by_qlik("sales", 2)] == ["a", "b"]


# --- all of them ---


async def ids_of_each(store: Store, vp: str | None = None) -> list[str]:
    return sorted([session.id async for session in store.each(vp)])


async def test_each_session_comes_once_whoever_made_it(store: Store) -> None:
    kept = [a_session(f"s{n}", vp=("sales", "hr")[n % 2]) for n in range(450)] + [made_by_qlik("q")]
    for session in kept:
        await store.put(session)
    assert await ids_of_each(store) == sorted(session.id for session in kept)


async def test_each_session_of_one_virtual_proxy_comes_and_no_other(store: Store) -> None:
    kept = [a_session(f"s{n}", vp=("sales", "hr")[n % 2]) for n in range(450)] + [made_by_qlik("q")]
    for session in kept:
        await store.put(session)
    assert await ids_of_each(store, "sales") == sorted(session.id for session in kept if session.vp == "sales")
    assert await ids_of_each(store, "nowhere") == []


async def test_each_session_comes_with_the_time_when_it_was_last_seen(store: Store) -> None:
    session = await store.put(a_session("one"))
    await store.seen({("sales", "one"): START + 10})
    assert [one async for one in store.each("sales")] == [session.seen(START + 10)]


async def test_sessions_may_be_ended_while_each_of_them_comes(store: Store) -> None:
    for number in range(450):
        await store.put(a_session(f"s{number}"))
    async for session in store.each("sales"):
        assert await store.delete("sales", session.id, End.LOGOUT, START) == session
    assert await store.count("sales", by_qlik=False) == 0


# --- the end of a store ---


async def test_a_closed_store_is_unavailable_not_empty(store: Store) -> None:
    await store.put(a_session("one"))
    await store.close()
    for asked in (store.get("sales", "one"), store.put(a_session()), store.of_user("sales", JOHN), store.check()):
        with pytest.raises(StoreUnavailable, match="closed"):
            await asked
    with pytest.raises(StoreUnavailable, match="closed"):
        await anext(store.each())


async def test_a_store_may_be_closed_twice(store: Store) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.mark()
