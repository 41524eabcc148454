"""Qlik's API as a client sees it: what is asked, and that no answer, however odd, does more than fail clearly."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import unused_port

from qproxy.model import Attributes, User
from qproxy.qps import LARGEST_ANSWER, Caller, Door, Place, QpsApi, QpsError, Ticket, repeated

ANN = User("SALES", "ann å")
GROUPS = Attributes((("group", "Sales"), ("group", "Köln")))
SECRET = "a-secret/session id"
SHOWN = {"UserDirectory": "SALES", "UserId": "ann å", "Attributes": [{"group": "Sales"}, {"group": "Köln"}]}


@dataclass
class Qlik:
    """A node's API that says what the test wants. `asked`: method, target, body and the certificate's name of each."""

    origin: str
    api: QpsApi
    door: Door
    authority: trustme.CA
    says: web.Response | str = "{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stalls: asyncio.Event | None = None
    asked: list[tuple[str, str, str, bool]] = field(default_factory=list)
    xrfkeys: list[tuple[str | None, str | None]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        shown = bool(request.transport.get_extra_info("peercert"))
        self.asked.append((request.method, request.raw_path.partition("?")[0], await request.text(), shown))
        self.xrfkeys.append((request.query.get("xrfkey"), request.headers.get("X-Qlik-Xrfkey")))
        if self.stalls is not None:
            await self.stalls.wait()
        return web.Response(status=self.status, text=str(self.says), headers=self.headers)


def trusting(authority: trustme.CA, certified: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if certified:
        authority.issue_cert("QlikClient").configure_cert(context)
    return context


@pytest.fixture
async def qlik() -> AsyncIterator[Qlik]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("qlik1.internal").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    caller = Caller(timeout=2.0)
    port = unused_port()
    origin = f"https://127.0.0.1:{port}"
    api = QpsApi(caller, Place(origin, trusting(authority, True), "qlik1.internal"), "sales")
    door = Door(caller, Place(origin, trusting(authority, False), "qlik1.internal"), "bi.test", "/sales", "X-Qlik")
    it = Qlik(origin, api, door, authority)
    server = web.Server(it.handle, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", port, ssl=context)
    yield it
    if it.stalls is not None:
        it.stalls.set()
    await caller.close()
    listening.close()
    await server.shutdown(0.1)
    await listening.wait_closed()


# --- what is asked ---


async def test_a_session_is_told_in_qliks_shape(qlik: Qlik) -> None:
    qlik.says = json.dumps({"sessionId": SECRET, "NewUser": True})
    await qlik.api.add_session(SECRET, ANN, GROUPS)
    [(method, path, body, certified)] = qlik.asked
    assert (method, path, certified) == ("POST", "/qps/sales/session", True)
    assert json.loads(body) == SHOWN | {"SessionId": SECRET}


async def test_an_id_stays_one_segment_of_the_path(qlik: Qlik) -> None:
    await qlik.api.end_session(SECRET)
    assert qlik.asked[0][:2] == ("DELETE", "/qps/sales/session/a-secret%2Fsession%20id")


async def test_each_call_has_a_fresh_key_in_query_and_header(qlik: Qlik) -> None:
    await qlik.api.end_session("one")
    await qlik.api.end_session("two")
    assert all(query == header and query is not None and len(query) == 16 for query, header in qlik.xrfkeys)
    assert len({query for query, _ in qlik.xrfkeys}) == 2


async def test_the_default_virtual_proxy_has_no_prefix(qlik: Qlik) -> None:
    caller = Caller(timeout=2.0)
    api = QpsApi(caller, Place(qlik.origin, trusting(qlik.authority, True), "qlik1.internal"), "")
    await api.end_session("one")
    await caller.close()
    assert qlik.asked[0][1] == "/qps/session/one"


@pytest.mark.parametrize(("says", "target"), [("https://bi.test/sales/hub/", "https://bi.test/sales/hub/"), (None, "")])
async def test_a_ticket_comes_with_the_address_of_its_target(qlik: Qlik, says: str | None, target: str) -> None:
    qlik.says, qlik.status = json.dumps({"Ticket": "G1xQ.3Wl4", "TargetUri": says}), 201
    assert await qlik.api.ticket(ANN, GROUPS, "t-1") == Ticket("G1xQ.3Wl4", target)
    assert json.loads(qlik.asked[0][2]) == SHOWN | {"TargetId": "t-1"}


@pytest.mark.parametrize(("status", "says", "known"), [(200, "null", False), (404, "", False), (200, "{}", True)])
async def test_whether_qlik_knows_a_session(qlik: Qlik, status: int, says: str, known: bool) -> None:
    qlik.status, qlik.says = status, says
    assert await qlik.api.knows(SECRET) is known


@pytest.mark.parametrize("status", [409, 400, 500])
async def test_telling_what_qlik_knows_already_is_no_failure(qlik: Qlik, status: int) -> None:
    qlik.status, qlik.says = status, f"Session with id {SECRET} already exists"
    await qlik.api.add_session(SECRET, ANN, GROUPS)
    assert len(qlik.asked) == 1


async def test_ending_what_qlik_does_not_know_is_no_failure(qlik: Qlik) -> None:
    qlik.status = 404
    await qlik.api.end_session(SECRET)
    assert len(qlik.asked) == 1


# --- odd answers ---

ODD = {
    "no JSON": (200, "<html>", "unclear"),
    "empty": (200, "", "unclear"),
    "null": (200, "null", "unclear"),
    "a list": (200, "[]", "unclear"),
    "another id": (201, '{"SessionId": "other"}', "unclear"),
    "deeply nested": (200, "[" * 100_000, "unclear"),
    "too long": (200, '"' + "x" * LARGEST_ANSWER + '"', "unclear"),
    "no certificate": (403, "Forbidden", "refused"),
    "unknown prefix": (400, SECRET, "refused"),
    "in trouble": (503, SECRET, "unreachable"),
    "a redirect": (302, "", "refused"),
}


@pytest.mark.parametrize("case", ODD)
async def test_an_odd_answer_is_an_error_that_says_where_and_nothing_secret(qlik: Qlik, case: str) -> None:
    qlik.status, qlik.says, word = ODD[case]
    with pytest.raises(QpsError) as failed:
        await qlik.api.add_session(SECRET, ANN, GROUPS)
    assert failed.value.word == word
    assert str(failed.value).startswith(f"{qlik.origin}: telling of a session: ")
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("ticket", [None, 7, "", "two words", "x" * 257, ["a"]])
async def test_what_is_no_ticket_is_not_taken_for_one(qlik: Qlik, ticket: object) -> None:
    qlik.says = json.dumps({"Ticket": ticket})
    with pytest.raises(QpsError, match="holds no ticket"):
        await qlik.api.ticket(ANN, GROUPS)


async def test_a_redirect_is_not_followed(qlik: Qlik) -> None:
    qlik.status, qlik.headers = 307, {"Location": f"{qlik.origin}/elsewhere"}
    with pytest.raises(QpsError):
        await qlik.api.ticket(ANN, GROUPS)
    assert [path for _, path, _, _ in qlik.asked] == ["/qps/sales/ticket"]


async def test_an_api_of_another_authority_is_not_told_anything(qlik: Qlik) -> None:
    caller = Caller(timeout=2.0)
    for context, name in ((trusting(trustme.CA(), True), "qlik1.internal"), (trusting(qlik.authority, True), "qlik2")):
        with pytest.raises(QpsError, match="TLS failed") as failed:
            await QpsApi(caller, Place(qlik.origin, context, name), "sales").end_session(SECRET)
        assert failed.value.word == "refused"
    await caller.close()
    assert qlik.asked == []


async def test_an_api_that_never_answers_costs_the_configured_time(qlik: Qlik) -> None:
    qlik.stalls = asyncio.Event()
    caller = Caller(timeout=0.05)
    api = QpsApi(caller, Place(qlik.origin, trusting(qlik.authority, True), "qlik1.internal"), "sales")
    with pytest.raises(QpsError, match=r"no answer within 0\.05 s") as failed:
        await api.end_session(SECRET)
    await caller.close()
    assert failed.value.word == "unreachable"


async def test_an_api_that_is_not_there_is_unreachable() -> None:
    caller = Caller(timeout=2.0)
    place = Place(f"http://127.0.0.1:{unused_port()}", None)
    with pytest.raises(QpsError, match="firewall") as failed:
        await QpsApi(caller, place, "").end_session(SECRET)
    await caller.close()
    assert failed.value.word == "unreachable"


async def test_what_is_no_http_is_unclear() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    caller = Caller(timeout=2.0)
    place = Place(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None)
    with pytest.raises(QpsError, match="is it Qlik's proxy service") as failed:
        await QpsApi(caller, place, "").knows("x")
    await caller.close()
    server.close()
    await server.wait_closed()
    assert failed.value.word == "unclear"


# --- redeeming a ticket ---


async def test_a_ticket_is_redeemed_as_a_browser_would_and_without_the_client_certificate(qlik: Qlik) -> None:
    qlik.headers = {"Set-Cookie": "X-Qlik=qlik-id; Path=/; HttpOnly; Secure"}
    assert await qlik.door.redeem(Ticket("G1x/Q&a=b", "")) == "qlik-id"
    [(method, path, _, certified)] = qlik.asked
    assert (method, path, certified) == ("GET", "/sales/hub/", False)


@pytest.mark.parametrize("line", ["", "Other=1", "X-Qlik=", "X-Qlik=a b", 'X-Qlik="a"', "X-Qlik=å", "X-Qlik2=a"])
async def test_an_answer_without_a_proper_session_cookie_is_refused(qlik: Qlik, line: str) -> None:
    qlik.headers = {"Set-Cookie": line} if line else {}
    with pytest.raises(QpsError, match="no cookie X-Qlik") as failed:
        await qlik.door.redeem(Ticket(SECRET, ""))
    assert SECRET not in str(failed.value)


# --- again ---


async def test_a_call_is_repeated_while_qlik_cannot_be_reached() -> None:
    left = [QpsError("unreachable", "away"), QpsError("unreachable", "away")]

    async def call() -> str:
        if left:
            raise left.pop()
        return "done"

    assert await repeated(call, [0, 0, 0]) == "done"


@pytest.mark.parametrize(("word", "times"), [("unreachable", 3), ("refused", 1), ("unclear", 1)])
async def test_a_call_that_fails_for_good_is_given_up(word: str, times: int) -> None:
    calls = []

    async def call() -> None:
        calls.append(word)
        raise QpsError(word, "so it is")

    with pytest.raises(QpsError):
        await repeated(call, [0, 0])
    assert len(calls) == times
