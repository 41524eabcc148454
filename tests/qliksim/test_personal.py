"""Who am I, the token for sockets, and logging out."""

import pytest
from qliksim.node_site import Site, frames, site

KEY = "abcdefghijklmnop"


async def test_a_logged_in_person_is_told_the_name_and_where_to_log_out() -> None:
    async with site() as it:
        who = (await it.ask("/sso/qps/user", await it.log_in())).json()
        root = f"{it.node.http_url}/sso/"
    named = {"userDirectory": "SSO", "userId": "john", "userName": "john"}
    assert who == {**named, "logoutUri": f"{root}qps/user"}


async def test_nobody_is_told_so_without_a_redirect() -> None:
    async with site() as it:
        answer = await it.ask("/sso/qps/user")
    assert (answer.status, answer.json()) == (200, {"session": "inactive"})


async def test_nobody_with_a_target_on_a_listed_host_is_told_where_to_log_in() -> None:
    async with site() as it:
        who = (await it.ask("/sso/qps/user?targetUri=https%3A%2F%2Fbi.test%3A8443%2Fsso%2Fhub%2F")).json()
    assert who["loginUri"].startswith("https://bi.test/login/sso?targetId=")


@pytest.mark.parametrize("target", ["https://evil.test/", "https://evil.test/?https://bi.test/", "bi.test", ""])
async def test_a_target_elsewhere_gets_no_login_address(target: str) -> None:
    async with site() as it:
        assert (await it.ask(f"/sso/qps/user?targetUri={target}")).json() == {"session": "inactive"}


async def test_an_anonymous_person_has_a_name_and_is_inactive() -> None:
    async with site(vp={"anonymous": "allow"}) as it:
        who = (await it.ask("/sso/qps/user?targetUri=https://bi.test/")).json()
    assert (who["userDirectory"], who["session"], "loginUri" in who) == ("NONE", "inactive", True)


async def test_the_token_belongs_to_the_session() -> None:
    async with site() as it:
        john, jane = await it.log_in("john"), await it.log_in("jane")
        answer = await it.ask("/sso/qps/csrftoken", john)
        assert (answer.status, answer.body) == (204, b"")
        assert await it.token(john) == answer.headers["qlik-csrf-token"] != await it.token(jane)


async def test_releases_before_november_2024_have_no_token() -> None:
    async with site(release="2024-05") as it:
        assert (await it.ask("/sso/qps/csrftoken", await it.log_in())).status == 404
        assert (await it.ask("/sso/qps/csrftoken")).status == 404


async def test_nobody_asking_for_a_token_is_sent_to_the_login() -> None:
    async with site() as it:
        assert (await it.ask("/sso/qps/csrftoken")).status == 302


async def test_logging_out_ends_all_sessions_of_the_person_and_nobody_elses() -> None:
    async with site() as it:
        it.module.knows("john", "second")
        john, jane = await it.log_in("john"), await it.log_in("jane")
        await it.ask("/sso/hub/", "second")
        assert (await it.ask("/sso/qps/user", john, "DELETE")).status == 200
        assert [session.id for session in it.node.sessions("sso")] == [jane]


async def logged_out(it: Site) -> list[str]:
    """The module calls of a person with two sessions who logs out."""
    it.module.knows("john", "a")
    it.module.knows("john", "b")
    for session in "ab":
        await it.ask("/sso/hub/", session)
    it.module.heard.clear()
    await it.ask("/sso/qps/user", "a", "DELETE")
    return sorted(it.module.calls())


async def test_the_module_is_told_of_the_user_who_logged_out() -> None:
    async with site() as it:
        assert await logged_out(it) == ["DELETE /user/SSO/john"]


async def test_the_module_may_be_told_of_each_session_instead() -> None:
    async with site(toggles={"logout_calls": "session"}) as it:
        assert await logged_out(it) == ["DELETE /session/a", "DELETE /session/b"]


async def test_the_module_may_be_told_both() -> None:
    async with site(toggles={"logout_calls": "both"}) as it:
        assert await logged_out(it) == ["DELETE /session/a", "DELETE /session/b", "DELETE /user/SSO/john"]


async def test_a_key_in_the_query_must_be_repeated_in_the_header() -> None:
    async with site() as it:
        session = await it.log_in()
        assert (await it.ask(f"/sso/qps/user?xrfkey={KEY}", session, "DELETE")).status == 403
        headers = {"X-Qlik-Xrfkey": KEY}
        assert (await it.ask(f"/sso/qps/user?xrfkey={KEY}", session, "DELETE", headers)).status == 200


async def test_nobody_cannot_log_out() -> None:
    async with site() as it:
        assert (await it.ask("/sso/qps/user", method="DELETE")).status == 403


async def test_sockets_hear_of_the_logout_and_are_closed() -> None:
    async with site() as it:
        session = await it.log_in()
        socket = await it.socket(session=session)
        await frames(socket, 2)
        await it.ask("/sso/qps/user", session, "DELETE")
        [notice] = await frames(socket, 1)
        closing = await socket.receive(timeout=5)
    assert (notice["method"], notice["params"]["severity"]) == ("OnSessionLoggedOut", "fatal")
    assert closing.data == 1001
