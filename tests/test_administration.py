"""Administration of sessions on the internal listener: who may, what is answered, what ends."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from internal_listener import JOHN, Reply, Site, make_site, posted, running
from waiting import eventually

from qproxy.auth.guesses import PAIR
from qproxy.model import Attributes, End, User, long_hash, short_hash
from qproxy.sessions.store import StoreUnavailable
from qproxy.web.signature import signed

MARY = User("SSO", "mary")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(make_site(str(tmp_path))) as one:
        yield one


def lines(reply: Reply) -> list[dict[str, Any]]:
    """What came as chunks, without their lengths: the sessions and the last line."""
    return [json.loads(line) for line in reply.body.split(b"\n") if line.startswith(b"{")]


def users(reply: Reply) -> list[str]:
    return sorted(line["user"] for line in lines(reply)[:-1])


def audit_lines(folder: Path, event: str) -> list[dict[str, Any]]:
    written = [json.loads(line) for line in (folder / "audit.log").read_text().splitlines()]
    return [line for line in written if line["event"] == event]


def refusals(site: Site, reason: str) -> float | None:
    return site.observer.metrics.registry.get_sample_value("qproxy_internal_refused_total", {"reason": reason})


# --- who may ---


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("path", ["sessions", "sessions?all=true", "nothing", ""])
async def test_without_a_signature_nothing_is_told_and_nothing_ends(site: Site, method: str, path: str) -> None:
    session = await site.login()
    reply = await site.ask(method, f"/administration/{path}")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "QproxySigned")
    assert await site.desks["sales"].find(session.id) == session


async def test_a_signature_of_another_key_is_refused_counted_and_written_down(site: Site, tmp_path: Path) -> None:
    site.key = bytes(32)
    reply = await site.administer("DELETE", "sessions?all=true")
    assert (reply.status, reply.json()) == (401, {"error": "signature"})
    assert refusals(site, "signature") == 1
    (line,) = audit_lines(tmp_path, "internal_refused")
    assert (line["client"], line["reason"]) == ("127.0.0.1", "signature")


async def test_a_request_cannot_be_sent_again(site: Site) -> None:
    value = signed([site.key], "GET", "/administration/sessions", site.clock())
    replies = [
        await site.ask("GET", "/administration/sessions", headers=f"Authorization: {value}\r\n") for _ in range(2)
    ]
    assert [reply.status for reply in replies] == [200, 401]


@pytest.mark.parametrize("header", ["Origin: http://localhost\r\n", "Sec-Fetch-Site: none\r\n"])
async def test_browsers_are_refused_even_with_a_signature(site: Site, header: str) -> None:
    value = signed([site.key], "GET", "/administration/sessions", site.clock())
    reply = await site.ask("GET", "/administration/sessions", headers=f"Authorization: {value}\r\n{header}")
    assert reply.status == 403


@pytest.mark.parametrize(
    "target",
    ["/%61dministration/sessions", "//administration/sessions", "/administration/../administration/sessions"],
)
async def test_no_other_spelling_is_a_way_around_the_signature(site: Site, target: str) -> None:
    session = await site.login()
    reply = await site.ask("GET", target)
    assert reply.status in {401, 404}
    assert session.short.encode() not in reply.body


async def test_a_certificate_of_qlik_is_no_permission(tmp_path: Path) -> None:
    qlik, one = trustme.CA(), make_site(str(tmp_path))
    async with running(one, tls=of_server(qlik)):
        one.tls = ssl.create_default_context()
        qlik.configure_trust(one.tls)
        qlik.issue_cert("QlikClient").configure_cert(one.tls)
        assert (await one.post(posted("x"))).status == 201
        assert (await one.ask("GET", "/administration/sessions")).status == 401


async def test_a_signature_needs_no_certificate(tmp_path: Path) -> None:
    qlik, one = trustme.CA(), make_site(str(tmp_path))
    async with running(one, tls=of_server(qlik)):
        one.tls = ssl.create_default_context()
        qlik.configure_trust(one.tls)
        assert (await one.administer("GET", "sessions")).status == 200
        assert (await one.ask("GET", "session/x")).status == 403


def of_server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def test_what_is_not_encrypted_may_not_come_from_another_machine(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qproxy.web.administration.peer_of", lambda _: "10.1.2.3")
    reply = await site.administer("GET", "sessions")
    assert (reply.status, reply.json()) == (401, {"error": "plain"})


# --- what is listed ---


async def test_a_session_is_listed_with_its_times_and_without_its_id_and_attributes(site: Site) -> None:
    session = await site.login(attributes=Attributes((("Group", "Secret"),)))
    site.clock.now += 100
    reply = await site.administer("GET", "sessions")
    assert lines(reply) == [
        {
            "session": session.short,
            "vp": "sales",
            "user": r"SSO\john",
            "by_qlik": False,
            "created": "2023-11-14T22:13:20.000Z",
            "last_seen": "2023-11-14T22:13:20.000Z",
            "idle_left": 1700,
            "lives_until": "2023-11-15T10:13:20.000Z",
            "sockets": 2,
        },
        {"complete": True, "sessions": 1},
    ]
    assert session.id.encode() not in reply.body


async def test_filters_narrow_a_list(site: Site) -> None:
    await site.login(JOHN)
    await site.login(MARY)
    await site.desks["hr"].sessions.open("hr", JOHN, Attributes())
    await site.post(posted("made-by-qlik", "guest"))
    asked = {
        "": [r"SSO\guest", r"SSO\john", r"SSO\john", r"SSO\mary"],
        "?vp=hr": [r"SSO\john"],
        "?user=sso%5CJOHN": [r"SSO\john", r"SSO\john"],
        "?user=SSO%5Cjohn&vp=sales": [r"SSO\john"],
        "?by_qlik=true": [r"SSO\guest"],
    }
    assert {query: users(await site.administer("GET", f"sessions{query}")) for query in asked} == asked


async def test_a_list_of_many_comes_whole(site: Site) -> None:
    for number in range(250):
        await site.login(User("SSO", f"user{number}"))
    listed = lines(await site.administer("GET", "sessions"))
    assert len({line["user"] for line in listed[:-1]}) == 250
    assert listed[-1] == {"complete": True, "sessions": 250}


async def test_sessions_that_are_over_are_not_listed(site: Site) -> None:
    await site.login()
    site.clock.now += 1800
    assert lines(await site.administer("GET", "sessions")) == [{"complete": True, "sessions": 0}]


async def test_one_session_is_shown_with_its_attributes(site: Site) -> None:
    session = await site.login(attributes=Attributes((("Group", "Sales"), ("Group", "HR"))))
    shown = (await site.administer("GET", f"sessions/{session.short}")).json()
    assert (shown["user"], shown["session"]) == (r"SSO\john", session.short)
    assert shown["attributes"] == [{"name": "Group", "value": "Sales"}, {"name": "Group", "value": "HR"}]


async def test_attributes_of_several_come_where_they_are_asked_for(site: Site) -> None:
    await site.login(attributes=Attributes((("Group", "Sales"),)))
    listed = lines(await site.administer("GET", "sessions?attributes=true"))
    assert listed[0]["attributes"] == [{"name": "Group", "value": "Sales"}]


async def test_a_hash_that_several_sessions_have_wants_more_digits(site: Site) -> None:
    one, other = alike_ids()
    for session_id in (one, other):
        await site.post(posted(session_id))
    reply = await site.administer("DELETE", f"sessions/{long_hash(one)[:4]}")
    assert reply.status == 409
    assert reply.json()["sessions"] == sorted(long_hash(session_id)[:16] for session_id in (one, other))
    assert (await site.administer("DELETE", f"sessions/{long_hash(one)[:16]}")).status == 200
    assert [await site.desks["sales"].find(session_id) is None for session_id in (one, other)] == [True, False]


def alike_ids() -> tuple[str, str]:
    """Two ids whose hashes begin with the same four digits."""
    seen: dict[str, str] = {}
    for number in range(100_000):
        session_id = f"id{number}"
        earlier = seen.setdefault(short_hash(session_id)[:4], session_id)
        if earlier != session_id:
            return earlier, session_id
    raise AssertionError("a hash has more than 65,536 beginnings of four digits")


# --- what ends ---


async def test_a_session_is_ended_by_its_hash(site: Site, tmp_path: Path) -> None:
    session, other = await site.login(), await site.login(MARY)
    reply = await site.administer("DELETE", f"sessions/{session.short}")
    assert (reply.status, reply.json()["session"]) == (200, session.short)
    assert site.desks["sales"].ended == [(session.id, End.ADMINISTRATOR)]
    assert await site.desks["sales"].find(other.id) == other
    (line,) = audit_lines(tmp_path, "administration")
    assert (line["action"], line["session"], line["count"]) == ("end", session.short, 1)


async def test_all_sessions_of_a_person_are_ended_on_all_virtual_proxies(site: Site) -> None:
    await site.login(JOHN)
    await site.login(MARY)
    await site.desks["hr"].sessions.open("hr", JOHN, Attributes())
    ended = await site.administer("DELETE", "sessions?user=SSO%5Cjohn")
    assert users(ended) == [r"SSO\john", r"SSO\john"]
    assert users(await site.administer("GET", "sessions")) == [r"SSO\mary"]


async def test_everybody_is_ended_when_that_is_said(site: Site) -> None:
    for number in range(250):
        await site.login(User("SSO", f"user{number}"))
    ended = await site.administer("DELETE", "sessions?all=true&vp=sales")
    assert lines(ended)[-1] == {"complete": True, "sessions": 250}
    assert len(site.desks["sales"].ended) == 250


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?vp=sales",
        "?all=false",
        "?all=yes",
        "?all=true&user=SSO%5Cjohn",
        "?usr=SSO%5Cjohn&all=true",
        "?user=john",
        "?user=%5Cjohn",
        "?all=true&vp=nowhere",
        "?all=true&all=true",
        "/xyz",
        "/abc",
        "/" + "a" * 65,
    ],
)
async def test_a_request_with_a_slip_in_it_ends_nobodys_session(site: Site, query: str) -> None:
    await site.login()
    reply = await site.administer("DELETE", f"sessions{query}")
    assert (reply.status, site.desks["sales"].ended) == (400, [])
    assert reply.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "sessions/abcd1234", 404),
        ("DELETE", "sessions/abcd1234", 404),
        ("POST", "sessions", 405),
        ("GET", "users", 404),
        ("GET", "", 404),
    ],
)
async def test_what_is_not_there_is_said(site: Site, method: str, path: str, status: int) -> None:
    assert (await site.administer(method, path)).status == status


async def test_a_store_that_is_away_is_never_taken_for_an_empty_list(site: Site) -> None:
    await site.login()
    await site.store.close()
    replies = [await site.administer("GET", path) for path in ("sessions", "sessions?user=SSO%5Cjohn", "sessions/abcd")]
    assert [reply.status for reply in replies] == [503] * 3


async def test_a_store_that_fails_on_the_way_is_told_in_the_last_line(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(150):
        await site.login(User("SSO", f"user{number}"))
    end = site.desks["sales"].end_session

    async def failing(session_id: str, why: End) -> None:
        if len(site.desks["sales"].ended) >= 120:
            raise StoreUnavailable("the disk is full")
        await end(session_id, why)

    monkeypatch.setattr(site.desks["sales"], "end_session", failing)
    ended = lines(await site.administer("DELETE", "sessions?all=true"))
    assert (len(ended), list(ended[-1])) == (101, ["error"])
    (line,) = audit_lines(tmp_path, "administration")
    assert (line["count"], line["complete"]) == (100, False)


async def test_no_log_of_a_refusal_holds_the_signature(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await site.administer("GET", "sessions?nonsense=1")
    assert "mac=" not in caplog.text


async def test_a_caller_that_goes_away_stops_it_without_an_error(site: Site, tmp_path: Path) -> None:
    for number in range(1000):
        await site.login(User("SSO", f"user{number}"), Attributes((("Group", "x" * 30_000),)))
    target = "/administration/sessions?attributes=true"
    head = (
        f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {signed([site.key], 'GET', target, site.clock())}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode())
    await reader.readexactly(100)
    writer.transport.abort()
    await eventually(lambda: audit_lines(tmp_path, "administration"))
    (line,) = audit_lines(tmp_path, "administration")
    assert line["complete"] is False


# --- who has to wait ---


@pytest.mark.parametrize("query", ["", "?name=", "?all=yes", "?name=ann&all=true", "?everybody=true"])
async def test_whom_to_let_try_again_must_be_clear(site: Site, query: str) -> None:
    reply = await site.administer("DELETE", f"throttle{query}")
    assert reply.status == 400


@pytest.mark.parametrize("query", ["?name=", "?all=yes", "?who=ann", "?name=ann&name=bob", "?address=office"])
async def test_whom_to_list_must_be_clear(site: Site, query: str) -> None:
    assert (await site.administer("GET", f"throttle{query}")).status == 400
    assert (await site.administer("POST", "throttle")).status == 405


async def test_who_has_to_wait_is_listed_and_the_list_is_in_the_audit_log(site: Site, tmp_path: Path) -> None:
    for _ in range(PAIR.free):
        await site.guesses.take("password_file", "192.0.2.7", "ann")
    await site.guesses.take("password_file", "192.0.2.8", "bob")
    waiting, last = lines(await site.administer("GET", "throttle"))
    assert (waiting["name"], waiting["network"], waiting["tries"], waiting["wait"]) == ("ann", "192.0.2.7", 5, 1)
    assert last == {"complete": True, "counts": 1}
    every = lines(await site.administer("GET", "throttle?all=true"))
    assert {(one["name"], one["network"]) for one in every[:-1]} == {
        ("ann", "192.0.2.7"), ("ann", None), (None, "192.0.2.7"), ("bob", "192.0.2.8"), ("bob", None),
        (None, "192.0.2.8"),
    }  # fmt: skip
    there = lines(await site.administer("GET", "throttle?all=true&address=192.0.2.8"))
    assert {one["name"] for one in there[:-1]} == {"bob", None}
    (_, line, _) = audit_lines(tmp_path, "administration")
    assert (line["action"], line["count"], line["complete"]) == ("throttle_list", 6, True)


async def test_a_list_of_thousands_is_whole(site: Site) -> None:
    for number in range(450):
        await site.guesses.take("password_file", f"203.0.{number // 250}.{number % 250}", "ann")
    *found, last = lines(await site.administer("GET", "throttle?all=true"))
    assert last == {"complete": True, "counts": len(found)}
    assert len(found) > 20


async def test_a_cleared_wait_is_in_the_audit_log(site: Site, tmp_path: Path) -> None:
    assert (await site.administer("DELETE", "throttle?name=ann")).status == 200
    assert (await site.administer("DELETE", "throttle?address=192.0.2.7")).status == 200
    assert [line["action"] for line in audit_lines(tmp_path, "administration")] == ["throttle_clear"] * 2
