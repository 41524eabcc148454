"""A virtual proxy at run time: sessions that Qlik tells of, and sockets that outlive their session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from a_site import Site, farewell, greeting, site

from qproxy.model import Attributes, End, User
from qproxy.sessions.store import IdTaken, store_key
from qproxy.virtual_proxy import LONGEST_PLAIN, MOST_PLAIN, VirtualProxy

ANN, BOB = User("SALES", "ann"), User("SALES", "bob")
NOTHING = Attributes()


@pytest.fixture
async def vp(tmp_path: Path) -> AsyncIterator[VirtualProxy]:
    async with site(tmp_path) as opened:
        yield opened.server.vps["sales"]


async def test_a_posted_id_that_is_a_login_of_the_same_user_stays_a_login(vp: VirtualProxy) -> None:
    login = await vp.open_session(ANN, NOTHING, relogin=False)
    kept, new, _ = await vp.adopt(User("sales", "ANN"), NOTHING, login.id)
    assert (kept.id, kept.by_qlik, new) == (login.id, False, True)


async def test_a_posted_id_that_is_a_login_of_somebody_else_is_refused(vp: VirtualProxy) -> None:
    login = await vp.open_session(ANN, NOTHING, relogin=False)
    with pytest.raises(IdTaken):
        await vp.adopt(BOB, NOTHING, login.id)
    assert vp.peek(login.id) == login


async def test_attributes_beyond_the_cap_are_cut_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with site(tmp_path, vp="attributes_cap: 40") as opened:
        wanted = Attributes((("group", "a" * 20), ("region", "b" * 20)))
        session = await opened.server.vps["sales"].open_session(ANN, wanted, relogin=False)
    assert session.attributes.pairs == (("group", "a" * 20),)
    assert "'region'" in caplog.text


async def test_ending_twice_or_an_unknown_session_is_harmless(vp: VirtualProxy) -> None:
    login = await vp.open_session(ANN, NOTHING, relogin=False)
    for session_id in (login.id, login.id, "nobody's"):
        await vp.end_session(session_id, End.LOGOUT)
    assert await vp.find(login.id) is None


async def test_cookie_headers_that_are_remembered_stay_bounded(vp: VirtualProxy) -> None:
    for number in range(MOST_PLAIN * 2 + 1):
        vp.remember_plain(b"a=%d" % number, "id")
    assert len(vp.plain_cookies) <= MOST_PLAIN
    vp.remember_plain(b"a" * (LONGEST_PLAIN + 1), "id")
    assert b"a" * (LONGEST_PLAIN + 1) not in vp.plain_cookies


async def test_what_is_hidden_anew_makes_remembered_cookie_headers_void(vp: VirtualProxy) -> None:
    vp.remember_plain(b"other=1; a=2", "id")
    vp.hide([b"other"])
    assert vp.plain_cookies == {}


async def test_an_end_that_the_store_refuses_is_in_the_log_without_the_id(
    qlik: Site, caplog: pytest.LogCaptureFixture
) -> None:
    vp = qlik.server.vps["sales"]
    login = await vp.open_session(ANN, NOTHING, relogin=False)
    await qlik.server.store.close()
    vp.end_soon(login.id, End.NOT_ACCEPTED)
    await vp.close()
    assert login.short in caplog.text
    assert login.id not in caplog.text


async def test_what_cannot_be_done_in_the_background_is_in_the_log_without_the_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with site(tmp_path, tls=True, mode="session_api") as opened:
        vp = opened.server.vps["sales"]
        login = await vp.open_session(ANN, NOTHING, relogin=False)
        await opened.server.store.close()
        vp.renew_soon(login)
        vp.logged_out_in_hub(login)
        await vp.close()
    for words in ("could not be told of session", f"session {login.short} could not be ended (hub_logout)"):
        assert words in caplog.text
    assert login.id not in caplog.text


@pytest.mark.parametrize("store_is_gone", [False, True])
async def test_a_socket_that_opens_when_its_session_has_just_ended_is_closed_again(
    qlik: Site, store_is_gone: bool
) -> None:
    vp, person = qlik.server.vps["sales"], qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        owner = vp.tunnels_of(qlik.cookie(person))
        await qlik.server.sessions.end("sales", owner.session_id)  # by another worker: nobody has told the sockets yet
        if store_is_gone:
            qlik.server.sessions._unknown.forget(store_key("sales", owner.session_id))
            await qlik.server.store.close()
        owner.opened(next(iter(owner.tunnels)))
        assert (await farewell(ws))[:2] == (["OnSessionLoggedOut"], 1001)


@pytest.mark.parametrize(("passes", "closed"), [(1, False), (30 * 60, True)])
async def test_without_a_store_only_sockets_of_sessions_that_look_over_are_closed(
    qlik: Site, passes: float, closed: bool
) -> None:
    vp, person = qlik.server.vps["sales"], qlik.browser()
    await qlik.log_in(person)
    async with qlik.engine(person) as ws:
        await greeting(ws)
        await qlik.server.store.close()
        qlik.clock.now += passes
        qlik.server.sessions._trusted_until = 0  # the store has been silent for longer than the grace
        await vp.end_overdue()
        if closed:
            assert (await farewell(ws))[:2] == (["OnSessionTimedOut"], 1001)
        assert bool(vp.tunnels_of(qlik.cookie(person)).tunnels) is not closed


@pytest.fixture
async def qlik(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as opened:
        yield opened
