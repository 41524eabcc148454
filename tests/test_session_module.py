"""The session module as Qlik's proxy service uses it, over real sockets."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from internal_listener import JOHN, Site, exchange, make_site, posted, running

from qproxy.errors import Failure, Refused
from qproxy.model import Attributes, End, User
from qproxy.shared_memory import Section
from qproxy.web.internal import root_of
from qproxy.web.session_module import Asked, ModuleAnswer

ID = "32a4fbed-676d-47f9-a321-cb2f267e2918"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(make_site(str(tmp_path))) as one:
        yield one


def audit_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]


# --- GET session ---


async def test_a_known_session_is_told_with_exactly_four_keys(site: Site) -> None:
    session = await site.login(JOHN, Attributes.of({"Group": ["Sales", "Finance"], "Email": ""}))
    reply = await site.ask("GET", f"session/{session.id}")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert list(reply.json().items()) == [
        ("UserDirectory", "SSO"),
        ("UserId", "john"),
        ("Attributes", [{"Group": "Sales"}, {"Group": "Finance"}, {"Email": ""}]),
        ("SessionId", session.id),
    ]


async def test_unknown_revoked_and_expired_sessions_look_the_same(site: Site) -> None:
    revoked, expired = await site.login(), await site.login()
    await site.desks["sales"].end_session(revoked.id, End.LOGOUT)
    site.clock.now += 4000
    replies = [await site.ask("GET", f"session/{one}") for one in (revoked.id, expired.id, "never-there")]
    assert {(one.status, one.body) for one in replies} == {(404, b'{"error":"unknown session"}')}


async def test_a_session_of_another_virtual_proxy_is_unknown(site: Site) -> None:
    session = await site.login()
    assert (await site.ask("GET", f"/session-module/hr/session/{session.id}")).status == 404
    assert (await site.ask("GET", f"/session-module/nowhere/session/{session.id}")).status == 404


async def test_a_store_that_is_away_is_never_taken_for_an_unknown_session(site: Site) -> None:
    await site.store.close()
    replies = [await site.ask("GET", "session/x"), await site.post(posted(ID)), await site.ask("DELETE", "session/x")]
    assert [one.status for one in replies] == [503, 503, 503]


async def test_a_desk_that_refuses_for_want_of_its_store_is_a_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(_: str) -> None:
        raise Refused(Failure.STORE_UNAVAILABLE)

    monkeypatch.setattr(site.desks["sales"], "find", find)
    assert (await site.ask("GET", "session/x")).status == 503


async def test_an_outage_is_logged_once_however_often_qlik_asks(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.store.close()
    for _ in range(5):
        await site.ask("GET", "session/x")
    assert len([one for one in caplog.records if one.name == "qproxy.session_module"]) == 1


async def test_get_answers_while_many_requests_of_the_same_session_run(site: Site) -> None:
    session = await site.login()
    replies = await asyncio.gather(*(site.ask("GET", f"session/{session.id}") for _ in range(100)))
    assert {one.status for one in replies} == {200}


async def test_qlik_need_not_be_asked_whether_it_asked(site: Site) -> None:
    session = await site.login()
    await site.ask("GET", f"session/{session.id}")
    answer = site.module.memory.asked("sales", session.id)
    assert answer is not None
    assert (answer.status, answer.last) == (200, site.clock.now)
    assert site.module.memory.asked("hr", session.id) is None


def test_what_qlik_asked_one_worker_the_others_know() -> None:
    shared = Section.private(1000)
    one, other = Asked(shared, cap=10), Asked(shared, cap=10)
    one.note("sales", "first", 200, 5.0)
    assert other.asked("sales", "first") == ModuleAnswer(200, 5.0)


def test_what_qlik_asked_longest_ago_is_forgotten_first() -> None:
    memory = Asked(cap=2)
    for now, name in enumerate(("first", "second", "first", "third")):
        memory.note("sales", name, 404, float(now))
    assert [memory.asked("sales", one) is not None for one in ("first", "second", "third")] == [True, False, True]


# --- POST session ---


async def test_a_posted_session_is_echoed_and_can_be_asked_for(site: Site) -> None:
    reply = await site.post(posted(ID, Attributes=[{"Group": "Sales"}]))
    assert (reply.status, reply.json()) == (201, posted(ID, Attributes=[{"Group": "Sales"}], NewUser=True))
    assert (await site.ask("GET", f"session/{ID}")).json() == posted(ID, Attributes=[{"Group": "Sales"}])


async def test_the_second_session_of_a_user_is_not_a_new_user(site: Site) -> None:
    await site.post(posted("one"))
    assert (await site.post(posted("two"))).json()["NewUser"] is False


async def test_the_same_post_twice_gives_the_same_answer(site: Site) -> None:
    first, second = await site.post(posted(ID)), await site.post(posted(ID))
    assert (first.status, first.json()) == (second.status, second.json())


async def test_a_session_id_cannot_be_taken_over(site: Site, tmp_path: Path) -> None:
    session = await site.login()
    reply = await site.post(posted(session.id, "admin"))
    assert reply.status == 409
    assert (await site.ask("GET", f"session/{session.id}")).json()["UserId"] == "john"
    assert audit_lines(tmp_path)[-1]["event"] == "session_takeover_refused"
    assert session.id not in (tmp_path / "audit.log").read_text()


async def test_a_posted_session_is_qliks_and_not_a_login(site: Site) -> None:
    await site.post(posted(ID))
    session = await site.desks["sales"].find(ID)
    assert session is not None
    assert session.by_qlik


BAD_BODIES = [
    b"", b"  ", b"null", b"[]", b"42", b"{", b"\xff\xfe\xff", b'{"UserDirectory":"SSO"}', b"[" * 100_000,
    b'{"UserDirectory":"SSO","UserId":"a\\\\b","SessionId":"x"}',
    b'{"UserDirectory":" ","UserId":"a","SessionId":"x"}',
    b'{"UserDirectory":"SSO","UserId":7,"SessionId":"x"}',
    b'{"UserDirectory":"SSO","UserId":"a","SessionId":""}',
    b'{"UserDirectory":"SSO","UserId":"a","SessionId":"a\\nb"}',
    b'{"UserDirectory":"SSO","UserId":"\\ud800","SessionId":"x"}',
    b'{"UserDirectory":"SSO","UserId":"a","SessionId":"x","Attributes":["Group"]}',
    b'{"UserDirectory":"SSO","UserId":"a","SessionId":"x","Attributes":5}',
    b'{"UserDirectory":"SSO","UserId":"a","SessionId":"x","Attributes":[{"Group":{"a":1}}]}',
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: body[:40].decode("latin-1"))
async def test_a_body_that_is_no_session_is_refused_in_json(site: Site, body: bytes) -> None:
    reply = await site.ask("POST", "session", body)
    assert reply.status == 400
    assert reply.json()["error"]


GOOD_BODIES = {
    "text/plain": json.dumps(posted(ID)).encode(),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(posted(ID)).encode(),
    "UTF-16": json.dumps(posted(ID)).encode("utf-16"),
    "camelCase": json.dumps({"userDirectory": "SSO", "userId": "john", "sessionId": ID}).encode(),
    "extra keys": json.dumps(posted(ID, NewUser=True, Extra={"a": []})).encode(),
    "null attributes": json.dumps(posted(ID, Attributes=None)).encode(),
    "spaces around names": json.dumps(posted(ID, " john ")).encode(),
}


@pytest.mark.parametrize("kind", GOOD_BODIES)
async def test_a_body_is_read_however_it_is_written(site: Site, kind: str) -> None:
    reply = await site.ask("POST", "session", GOOD_BODIES[kind], "Content-Type: text/plain\r\n")
    assert (reply.status, reply.json()) == (201, posted(ID, NewUser=True))


async def test_attribute_objects_of_several_names_are_taken_apart(site: Site) -> None:
    written = [{"Group": ["Sales", "Finance"], "Level": 3}, {"Email": None}, {"Note": "two\r\nlines"}]
    reply = await site.post(posted(ID, Attributes=written))
    assert reply.json()["Attributes"] == [
        {"Group": "Sales"}, {"Group": "Finance"}, {"Level": "3"}, {"Email": ""}, {"Note": "two  lines"},
    ]  # fmt: skip


async def test_attributes_are_cut_to_the_cap_with_a_warning(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    groups = [{"Group": "g" * 200} for _ in range(90)] + [{"Mail": "m" * 9000}]
    with caplog.at_level(logging.WARNING):
        reply = await site.post(posted(ID, Attributes=groups))
    sent = Attributes(tuple(pair for one in reply.json()["Attributes"] for pair in one.items()))
    assert 0 < sent.size <= 8000
    assert "cut off: Group, Mail." in caplog.text
    assert ID not in caplog.text


async def test_a_body_larger_than_256_kb_is_refused(site: Site) -> None:
    reply = await site.ask("POST", "session", b" " * (256 * 1024 + 1))
    assert (reply.status, reply.json()) == (413, {"error": "the body is too large"})


async def test_ten_thousand_anonymous_sessions_do_not_pile_up(tmp_path: Path) -> None:
    async with running(make_site(str(tmp_path), cap=100)) as site:
        request = [posted(f"id-{n}", f"anonymous{n}", UserDirectory="NONE") for n in range(10_000)]
        statuses = await post_all(site, request)
        assert statuses == {201: 10_000}
        assert await site.desks["sales"].sessions.count("sales", by_qlik=True) == 100


async def post_all(site: Site, values: list[dict[str, Any]]) -> dict[int, int]:
    """Post them one after the other on one connection; how often each status was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    statuses: dict[int, int] = {}
    for value in values:
        body = json.dumps(value).encode()
        head = f"POST /session-module/sales/session HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].split(b"\r")[0]))
        status = int(answer.split()[1])
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()
    await writer.wait_closed()
    return statuses


# --- DELETE and user ---


async def test_deleting_is_answered_alike_for_known_ended_and_unknown(site: Site) -> None:
    session = await site.login()
    paths = [f"session/{session.id}", f"session/{session.id}", "session/never-there"]
    assert [(one.status, one.json()) for one in [await site.ask("DELETE", path) for path in paths]] == [(200, {})] * 3
    assert site.desks["sales"].ended == [(session.id, End.QLIK)]


@pytest.mark.parametrize("path", ["user/SSO/john", "user/sso/JOHN", "USER/SSO/%6aohn", "user//SSO/john/"])
async def test_sessions_of_a_user_are_found_without_regard_to_case(site: Site, path: str) -> None:
    session = await site.login()
    reply = await site.ask("GET", f"/session-module/sales/{path}")
    assert reply.json() == [posted(session.id)]


@pytest.mark.parametrize(
    ("path", "name"), [("j%40x.com", "j@x.com"), ("a%2Fb", "a/b"), ("b%C3%B6", "bö"), ("%2E%2E", "..")]
)
async def test_an_encoded_name_is_decoded_once(site: Site, path: str, name: str) -> None:
    session = await site.login(User("SSO", name))
    assert (await site.ask("GET", f"user/SSO/{path}")).json() == [posted(session.id, name)]
    assert (await site.ask("GET", f"user/SSO/{path.replace('%', '%25')}")).json() == []


async def test_deleting_a_user_ends_all_his_sessions_on_that_virtual_proxy(site: Site) -> None:
    sessions = [await site.login(), await site.login()]
    other = await site.desks["hr"].sessions.open("hr", JOHN, Attributes())
    assert (await site.ask("DELETE", "user/SSO/john")).status == 200
    assert [await site.desks["sales"].find(one.id) for one in sessions] == [None, None]
    assert await site.desks["hr"].find(other.id)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_user_whom_qlik_could_not_have_has_no_sessions(site: Site, method: str) -> None:
    reply = await site.ask(method, "user/SSO/a%5Cb")
    assert (reply.status, reply.json()) == (200, [] if method == "GET" else {})


# --- addresses and methods ---


async def test_addresses_are_read_tolerantly(site: Site) -> None:
    await site.post(posted("x"))
    assert (await site.ask("GET", "/session-module/sales//SESSION//%78/?xrfkey=0123456789abcdef")).status == 200


@pytest.mark.parametrize("path", ["session/a%0Ab", "session/a%00", "session/%ff", "/session-module/sales/%0A"])
async def test_characters_that_no_name_may_hold_are_refused(site: Site, path: str) -> None:
    assert (await site.ask("GET", path)).status == 400


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH"])
@pytest.mark.parametrize(
    ("path", "allow"), [("session/x", "GET, DELETE"), ("session", "POST"), ("user/SSO/john", "GET, DELETE")]
)
async def test_other_methods_are_refused_with_the_right_ones(site: Site, method: str, path: str, allow: str) -> None:
    reply = await site.ask(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allow)


async def test_there_is_no_list_of_all_sessions(site: Site) -> None:
    assert (await site.ask("GET", "session")).status == 405


@pytest.mark.parametrize("path", ["/", "/session/x", "session/x/y", "/session-module/sales"])
async def test_other_addresses_are_not_found_in_json(site: Site, path: str) -> None:
    assert (await site.ask("GET", path)).json() == {"error": "there is nothing at this address"}


async def test_no_answer_names_the_software(site: Site) -> None:
    replies = [await site.ask("GET", path) for path in ("session/x", "/livez", "/nothing")]
    assert all("Server" not in one.headers for one in replies)


async def test_a_target_with_a_host_is_not_the_modules(site: Site) -> None:
    request = b"GET http://x/session-module/sales/session/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await exchange(site.port, request)).status == 404


async def test_every_call_is_counted(site: Site) -> None:
    await site.ask("GET", "session/x")
    await site.ask("PROPFIND", "session/x")
    text = site.observer.metrics.text().decode()
    assert 'qproxy_session_module_calls_total{endpoint="get_session",status="404",vp="sales"} 1.0' in text
    assert 'qproxy_session_module_calls_total{endpoint="other",status="405",vp="sales"} 1.0' in text


def test_the_root_to_enter_at_qlik_has_no_doubled_slash() -> None:
    assert root_of("https://qproxy:8190/", "sales") == "https://qproxy:8190/session-module/sales"
