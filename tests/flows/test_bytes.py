"""What a person sends and gets crosses byte for byte: targets, heads up to Qlik's own limit, bodies of any size."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from a_site import Site, site
from flows.wire import wire
from waiting import eventually

from qproxy.qliksim.transfers import BLOCK, GZIPPED

COOKIE = "X-Qlik-Session-sales-HTTP"
SIZE = 64 * 1024 * 1024
TARGETS = [
    "/sales/echo/%3Ftransient%3D/x",
    "/sales/echo/a%2Fb%2fc",
    "/sales/echo/a+b;c=d,e@f:g&h=i'j(k)*l!m$n",
    "/sales/echo/a%20b%2Bc",
    "/sales/echo/caf%C3%A9/%E6%9D%B1",
    "/sales/echo/x//y/",
    "/sales/echo/~_-",
    "/sales/echo/%41%7e",
    "/sales/echo?",
    "/sales/echo?a=%2Fb+c;d&&e==f&a=1",
    "/sales/echo?x=http://elsewhere.test/%0d%0aSet-Cookie:1",
    "/sales/echo?q=[1]{2}|\"<>^`'",
    "/sales/echo?q=/../..",
    "/sales/echo?" + "x" * 7000,
]


async def person_in(qlik: Site) -> aiohttp.ClientSession:
    person = qlik.browser()
    await qlik.log_in(person)
    return person


def cookie_line(qlik: Site, person: aiohttp.ClientSession, more: str = "") -> str:
    return f"Cookie: {more}{COOKIE}={qlik.cookie(person)}"


# --- targets ---


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:40])
async def test_a_target_reaches_qlik_as_it_was_written(qlik: Site, target: str) -> None:
    person = await person_in(qlik)
    async with wire(qlik) as browser:
        answer = await browser.ask(f"GET {target}", cookie_line(qlik, person))
    assert answer.status == 200, answer.body
    assert qlik.node.journal("http")[-1].line == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize(
    "path", ["/sales/app/%3Ftransient%3D/identity/17", "/sales/app/echo", "/sales/app/a%2Fb/ttl/6"]
)
async def test_a_sockets_target_reaches_qlik_as_it_was_written(qlik: Site, path: str) -> None:
    person = await person_in(qlik)
    target = f"{path}?reloadUri=https%3A%2F%2Fx%2f&qlik-csrf-token={await qlik.csrf(person)}"
    async with wire(qlik) as browser:
        answer = await browser.upgrade(target, cookie_line(qlik, person), f"Origin: {qlik.origin}")
    assert answer.status == 101
    assert qlik.node.journal("ws")[0].target == target


# --- heads ---


async def test_cookies_and_headers_up_to_the_limit_of_qlik_pass(qlik: Site) -> None:
    person = await person_in(qlik)
    foreign = "; ".join(f'c{number}="{number:0490}' for number in range(15)) + "; "
    fields = [f"X-Field-{number}: {'v' * 980}" for number in range(8)]
    async with wire(qlik) as browser:
        answer = await browser.ask("GET /sales/echo", cookie_line(qlik, person, foreign), *fields)
    assert answer.status == 200
    arrived = dict(qlik.node.journal("http")[-1].headers)
    assert arrived["Cookie"] == f"{foreign}{COOKIE}={qlik.cookie(person)}"
    assert [f"{name}: {value}" for name, value in arrived.items() if name.startswith("X-Field")] == fields


async def test_qliks_own_refusal_of_a_larger_head_is_what_the_person_gets(qlik: Site) -> None:
    person = await person_in(qlik)
    async with wire(qlik) as browser:
        answer = await browser.ask("GET /sales/echo", cookie_line(qlik, person), f"X-Long: {'v' * 9000}")
    assert (answer.status, answer.values("Server")) == (400, ["Microsoft-HTTPAPI/2.0"])


async def test_large_headers_and_many_cookies_of_qlik_pass_line_by_line(tmp_path: Path) -> None:
    extra = tuple((f"X-Extra-{number}", "v" * 1000) for number in range(16))
    async with site(tmp_path, qlik={"extra_headers": extra}) as qlik:
        person = await person_in(qlik)
        async with wire(qlik) as browser:
            answer = await browser.ask("GET /sales/cookies?n=20", cookie_line(qlik, person))
    assert [value for name, value in extra] == [answer.values(name)[0] for name, _ in extra]
    assert [line.partition("=")[0] for line in answer.values("Set-Cookie")] == [f"cookie{n}" for n in range(20)]


async def test_an_odd_foreign_cookie_does_not_hide_the_session(qlik: Site) -> None:
    person = await person_in(qlik)
    odd = 'a="unclosed; b=[{"x":1,"y":2}]; Path=/; HttpOnly; c; =d; caf\xe9=1; '
    async with wire(qlik) as browser:
        assert (await browser.ask("GET /sales/echo", cookie_line(qlik, person, odd))).status == 200


# --- bodies ---


def pattern_hash(size: int) -> str:
    found = hashlib.sha256()
    for sent in range(0, size, len(BLOCK)):
        found.update(BLOCK[: min(len(BLOCK), size - sent)])
    return found.hexdigest()


async def blocks(size: int) -> AsyncIterator[bytes]:
    for sent in range(0, size, len(BLOCK)):
        yield BLOCK[: min(len(BLOCK), size - sent)]


@pytest.mark.parametrize("chunked", [0, 1])
async def test_64_mb_come_down_whole(qlik: Site, chunked: int) -> None:
    person = await person_in(qlik)
    found = hashlib.sha256()
    async with person.get(f"/sales/tempcontent/big?bytes={SIZE}&chunked={chunked}") as download:
        async for block in download.content.iter_any():
            found.update(block)
    assert found.hexdigest() == pattern_hash(SIZE)


@pytest.mark.parametrize("framing", ["Content-Length", "chunked"])
async def test_64_mb_go_up_whole(qlik: Site, framing: str) -> None:
    person = await person_in(qlik)
    headers = {"Content-Length": str(SIZE)} if framing == "Content-Length" else {}
    async with person.post("/sales/qrs/app/upload?name=x", data=blocks(SIZE), headers=headers) as answer:
        assert answer.status == 201
        told = await answer.json()
    assert (told["body_bytes"], told["body_sha256"]) == (SIZE, pattern_hash(SIZE))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"])
async def test_every_method_reaches_qlik_with_its_body(qlik: Site, method: str) -> None:
    person = await person_in(qlik)
    told = await qlik.echo(person, method=method, data=b"body")
    assert (told["method"], told["body_bytes"]) == (method, 4)


async def test_compressed_bytes_are_not_touched(qlik: Site) -> None:
    person = await person_in(qlik)
    async with person.get("/sales/gzip", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.read() == GZIPPED


async def test_a_part_of_a_file_and_a_page_that_did_not_change_cross(qlik: Site) -> None:
    person = await person_in(qlik)
    async with person.get("/sales/tempcontent/range", headers={"Range": "bytes=65536-"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"the end")
    async with person.get("/sales/cached", headers={"If-None-Match": '"v1"'}) as answer:
        assert (answer.status, answer.headers["ETag"]) == (304, '"v1"')


async def test_requests_sent_at_once_on_one_connection_are_answered_in_their_order(qlik: Site) -> None:
    person = await person_in(qlik)
    line = cookie_line(qlik, person)
    async with wire(qlik) as browser:
        heads = [
            f"GET /sales/status/{code} HTTP/1.1\r\nHost: {browser.host}\r\n{line}\r\n\r\n" for code in range(210, 216)
        ]
        await browser.send("".join(heads).encode())
        assert [(await browser.reply()).status for _ in heads] == list(range(210, 216))


async def test_the_answer_to_head_has_the_length_and_no_body(qlik: Site) -> None:
    person = await person_in(qlik)
    async with wire(qlik) as browser:
        answer = await browser.ask("HEAD /sales/tempcontent/big?bytes=5000", cookie_line(qlik, person))
        assert (answer.status, answer.values("Content-Length")) == (200, ["5000"])
        assert (await browser.ask("GET /sales/status/210", cookie_line(qlik, person))).body == b"status 210"


async def test_a_program_that_waits_for_leave_to_send_its_body_gets_it(qlik: Site) -> None:
    person = await person_in(qlik)
    async with person.post("/sales/qrs/app/upload", data=b"x" * 100_000, expect100=True) as answer:
        assert (await answer.json())["body_bytes"] == 100_000


async def test_a_transfer_that_qlik_breaks_off_is_broken_for_the_person_too(qlik: Site) -> None:
    person = await person_in(qlik)
    for fault in ("short?bytes=1000&send=100", "cut-chunk"):
        with pytest.raises(aiohttp.ClientPayloadError):
            async with person.get(f"/sales/fault/{fault}") as answer:
                await answer.read()
    await eventually(lambda: "upstream_gone" in (qlik.directory / "access.log").read_text())
