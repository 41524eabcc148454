"""The modes against two Qlik nodes, as several workers use them: who is told, and one id for all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from some_sessions import JOHN, LIFETIME, Clock

from qproxy.forwarding.choice import ranking
from qproxy.model import Attributes, End, Session
from qproxy.modes import MOST_STANDINGS, Mode, Refusal, SessionApi, Site, Tickets
from qproxy.qliksim import QlikNode, SimConfig, VirtualProxySettings
from qproxy.qps import Caller, Door, Place, QpsApi, QpsError
from qproxy.sessions.front import Sessions
from qproxy.sessions.memory import MemoryStore

SALES = VirtualProxySettings(prefix="sales", cookie_name="X-Qlik", redirect_uri="http://bi.test/qproxy/login/sales")


@dataclass
class Nodes:
    """Two Qlik nodes over plain http. Workers share one store."""

    nodes: list[QlikNode]
    store: MemoryStore = field(default_factory=MemoryStore)
    modes: list[Mode] = field(default_factory=list)
    counted: list[tuple[str, str]] = field(default_factory=list)

    def worker(self, kind: type[Mode]) -> Mode:
        caller = Caller(timeout=2.0)
        sessions = Sessions(self.store, {"sales": LIFETIME}, Clock())
        doors = [Place(node.http_url or "", None) for node in self.nodes]
        site = Site(
            "sales",
            sessions,
            lambda call, outcome: self.counted.append((call, outcome)),
            nodes=self.names,
            apis=[QpsApi(caller, Place(node.rest_url or "", None), "sales") for node in self.nodes],
            doors=[Door(caller, place, "localhost", "/sales", "X-Qlik-HTTP") for place in doors],
            caller=caller,
        )
        mode = kind(site)
        mode.farewells.pauses = ()
        self.modes.append(mode)
        return mode

    @property
    def names(self) -> list[str]:
        return [(node.http_url or "").removeprefix("http://") for node in self.nodes]

    @property
    def all_ids(self) -> list[str]:
        return [*self.ids(0), *self.ids(1)]

    def ids(self, number: int) -> list[str]:
        return [session.id for session in self.nodes[number].sessions("sales")]


@pytest.fixture
async def site() -> AsyncIterator[Nodes]:
    config = SimConfig(virtual_proxies=(SALES,), machine_names=("localhost", "127.0.0.1"))
    it = Nodes([QlikNode(config), QlikNode(config)])
    for node in it.nodes:
        await node.start()
    yield it
    for mode in it.modes:
        await mode.close()
    for node in it.nodes:
        await node.stop()


def now() -> float:
    return asyncio.get_running_loop().time()


async def login(mode: Mode) -> Session:
    return await mode.introduce(await mode.site.sessions.open("sales", JOHN, Attributes()))


async def test_each_node_is_told_of_a_session_under_our_own_id(site: Nodes) -> None:
    session = await login(site.worker(SessionApi))
    assert site.ids(0) == site.ids(1) == [session.id]


async def test_a_node_that_is_away_does_not_keep_the_other_from_being_told(site: Nodes) -> None:
    await site.nodes[0].stop_listening()
    session = await login(site.worker(SessionApi))
    assert (site.ids(0), site.ids(1)) == ([], [session.id])


async def test_the_node_that_refused_must_be_the_one_that_was_told(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    session = await login(mode)
    await site.nodes[0].stop_listening()
    assert mode.refused(session, now(), site.names[0]) is Refusal.RENEW
    with pytest.raises(QpsError):
        await mode.renew(session)


async def test_the_ticket_is_asked_from_the_node_that_refused(site: Nodes) -> None:
    mode = site.worker(Tickets)
    session = await login(mode)
    own, other = ranking(session.id, site.names)
    assert (site.ids(own), site.ids(other)) == ([session.qlik_id], [])
    assert mode.refused(session, now(), site.names[other]) is Refusal.RENEW
    await mode.renew(session)
    kept = mode.site.sessions.peek("sales", session.id)
    assert kept is not None
    assert site.ids(other) == [kept.qlik_id]


async def test_a_login_tries_the_next_node_for_its_ticket(site: Nodes) -> None:
    await site.nodes[0].stop_listening()
    session = await login(site.worker(Tickets))
    assert site.ids(1) == [session.qlik_id]


async def test_two_workers_that_renew_at_once_agree_on_one_id_and_give_the_other_up(site: Nodes) -> None:
    one, two = site.worker(Tickets), site.worker(Tickets)
    session = await login(one)
    await two.site.sessions.find("sales", session.id)
    own = ranking(session.id, site.names)[0]
    site.nodes[own].vp("sales").sessions.clear()
    await asyncio.gather(one.renew(session), two.renew(session))
    for mode in (one, two):
        await mode.close()
    seen = {mode.site.sessions.peek("sales", session.id) for mode in (one, two)}
    assert [kept.qlik_id for kept in seen if kept] == site.ids(own)


async def test_a_worker_that_missed_a_renewal_takes_over_what_another_one_noted(site: Nodes) -> None:
    one, two = site.worker(Tickets), site.worker(Tickets)
    session = await login(one)
    await two.site.sessions.find("sales", session.id)
    await one.renew(session)
    asked = len(site.counted)
    await two.renew(session)
    kept = two.site.sessions.peek("sales", session.id)
    assert kept is not None
    assert kept.qlik_id != session.qlik_id
    assert site.counted[asked:] in ([], [("end_session", "ok")] * 2)  # no further ticket


async def test_a_session_that_ended_meanwhile_is_not_told_again(site: Nodes) -> None:
    for kind in (SessionApi, Tickets):
        mode = site.worker(kind)
        session = await login(mode)
        await mode.site.sessions.end("sales", session.id)
        for node in site.nodes:
            node.vp("sales").sessions.clear()
        await mode.renew(session)
        assert site.ids(0) == site.ids(1) == []
        assert mode.site.sessions.peek("sales", session.id) is None


async def test_a_renewal_is_tried_once_in_a_while_and_no_more(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    session = await login(mode)
    before = now()
    assert mode.refused(session, before, "") is Refusal.RENEW
    await mode.renew(session)
    assert mode.refused(session, before, "") is Refusal.AGAIN
    assert mode.refused(session, now() + 1, "") is Refusal.FINAL


async def test_while_qlik_cannot_be_told_nobody_is_sent_around(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    session = await login(mode)
    for node in site.nodes:
        await node.stop_listening()
    with pytest.raises(QpsError):
        await mode.renew(session)
    assert mode.refused(session, now(), "") is Refusal.LATER


async def test_the_worker_at_whose_login_page_a_renewal_ends_leaves_what_qlik_knows_alone(site: Nodes) -> None:
    one, two = site.worker(Tickets), site.worker(Tickets)
    session = await login(one)
    await one.renew(session)
    [before] = [name for name in site.all_ids if name != session.qlik_id]
    living = await two.site.sessions.find("sales", session.id)
    assert living is not None
    await two.reassure(living, sure=True)
    assert before in site.all_ids


async def test_whom_no_node_knows_or_can_be_asked_for_is_told_again_or_fails(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    session = await login(mode)
    for node in site.nodes:
        await node.stop_listening()
    with pytest.raises(QpsError):
        await mode.reassure(session, sure=True)


async def test_a_mere_claim_renews_only_what_the_nodes_say_they_forgot(site: Nodes) -> None:
    mode = site.worker(Tickets)
    session = await login(mode)
    await mode.reassure(session, sure=False)
    assert site.all_ids == [session.qlik_id]
    for node in site.nodes:
        await node.restart()
    await mode.reassure(session, sure=False)
    assert site.all_ids != [session.qlik_id]
    assert len(site.all_ids) == 1


async def test_a_claim_that_nobody_can_check_changes_nothing(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    session = await login(mode)
    for node in site.nodes:
        await node.stop_listening()
    await mode.reassure(session, sure=False)
    assert mode.refused(session, now(), "") is Refusal.RENEW


async def test_the_end_of_a_session_is_told_to_every_node(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    mode.leave(await login(mode), End.LOGOUT)
    await mode.close()
    assert site.all_ids == site.ids(1) == []


async def test_the_node_whom_qliks_redirect_names_resolves_its_target(site: Nodes) -> None:
    mode = site.worker(Tickets)
    session = await login(mode)
    targets = [node.vp("sales").remember_target(f"http://bi.test/sales/{n}") for n, node in enumerate(site.nodes)]
    asked = len(site.counted)
    query = {"targetId": targets[1], "proxyRestUri": f"{site.nodes[1].rest_url}/qps/sales/"}
    assert await mode.target(session, query) == "http://bi.test/sales/1"
    assert site.counted[asked:] == [("ticket", "ok")]


async def test_what_is_known_of_refused_sessions_stays_bounded(site: Nodes) -> None:
    mode = site.worker(SessionApi)
    for number in range(MOST_STANDINGS + 5):
        mode.refused(Session(str(number), "sales", JOHN, Attributes(), 0.0, 0.0), 0.0, "")
    assert len(mode._standings) == MOST_STANDINGS
