"""The scenes S1 to S10, each against a real session module: what arrived there."""

from collections.abc import Sequence

import pytest
from qliksim.node_site import Heard, Site, site

JOHN = "id-of-john"


async def play(it: Site, name: str) -> Sequence[Heard]:
    """The calls that reached the module, which knows john; they are also what the script returns."""
    it.module.knows("john")
    entries = await it.node.run_script(name, session_id=JOHN)
    heard = it.module.heard
    sent = sorted(f"{entry.method} {entry.target.removeprefix(it.module.url)}" for entry in entries if not entry.note)
    assert sent == sorted(it.module.calls())
    return heard


async def test_s1_a_question_is_followed_by_three_anonymous_registrations() -> None:
    async with site() as it:
        first, *rest = await play(it, "S1")
    assert (first.method, first.path) == ("GET", f"/session/{JOHN}")
    assert [(each.method, each.path, each.json()["UserDirectory"]) for each in rest] == [
        ("POST", "/session", "NONE")
    ] * 3
    assert len({each.json()["UserId"] for each in rest}) == 3


async def test_s2_a_session_is_registered_that_nobody_asked_for() -> None:
    async with site() as it:
        [call] = await play(it, "S2")
    assert call.json()["Attributes"] == [{"Group": "Sales"}, {"Group": "Finance"}, {"Email": ""}]


async def test_s3_five_requests_ask_for_the_same_id() -> None:
    async with site() as it:
        calls = await play(it, "S3")
        assert len(it.node.sessions("sso")) == 1
    assert [each.path for each in calls] == [f"/session/{JOHN}"] * 5


async def test_s4_the_cache_saves_a_question_until_it_is_lost_or_old() -> None:
    async with site() as it:
        assert len(await play(it, "S4")) == 3
        assert it.node.core.toggles.cache_ttl_s is None


async def test_s5_an_expired_session_is_deleted() -> None:
    async with site() as it:
        await play(it, "S5")
        assert it.module.calls() == [f"GET /session/{JOHN}", f"DELETE /session/{JOHN}"]


async def test_s6_an_unknown_id_is_deleted_twice() -> None:
    async with site() as it:
        first, second = await play(it, "S6")
    assert first.method == "DELETE"
    assert first.path == second.path != f"/session/{JOHN}"


async def test_s7_registrations_come_in_odd_but_legal_shapes() -> None:
    async with site() as it:
        untyped, null, large, foreign = await play(it, "S7")
    assert "Content-Type" not in untyped.headers
    assert null.json()["Attributes"] is None
    assert 14_000 < len(large.body) < 16_384
    assert foreign.json()["UserId"] == "Åse Ødegård 東京"


async def test_s8_the_module_is_asked_in_vain_and_once_for_real() -> None:
    async with site() as it:
        it.module.knows("john")
        entries = await it.node.run_script("S8", session_id=JOHN)
        assert len(it.module.heard) == 1
    assert [entry.note or entry.reply for entry in entries[:3]] == [
        "module_error timeout",
        "module_error connection refused",
        "module_error 500",
    ]


async def test_s9_odd_names_arrive_escaped_once() -> None:
    async with site() as it:
        calls = await play(it, "S9")
    paths = [each.path for each in calls if each.method == "DELETE"]
    names = ["anna%40example.com", "per%20olav", "a%2Fb", "a%252Fb", "bj%C3%B8rn%20%C3%A5"]
    assert paths == [f"/user/SCRIPT/{name}" for name in names]
    assert [each.path for each in calls if each.method == "GET"] == paths


async def test_s10_both_nodes_may_ask_but_a_pushed_session_is_known_to_one() -> None:
    async with site() as it:
        first, second, unknown = await play(it, "S10")
    assert (first.path, second.path) == (f"/session/{JOHN}", f"/session/{JOHN}")
    assert unknown.path != first.path


async def test_a_script_may_play_without_a_known_id() -> None:
    async with site() as it:
        entries = await it.node.run_script("S5")
    assert [entry.method for entry in entries] == ["GET", "POST", "DELETE"]


async def test_an_unknown_script_is_refused_with_the_known_ones() -> None:
    async with site() as it:
        with pytest.raises(KeyError, match="S10"):
            await it.node.run_script("S11")


async def test_scripts_need_a_session_module() -> None:
    async with site(vp={"session_module": ""}) as it:
        with pytest.raises(ValueError, match="session module"):
            await it.node.run_script("S1")
