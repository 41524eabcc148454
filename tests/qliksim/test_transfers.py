"""Bodies of every kind, in both directions."""

import asyncio
import gzip
import hashlib
import tracemalloc
from urllib.parse import urlsplit

import pytest
from qliksim.node_site import Answer, Site, site
from waiting import eventually
from yarl import URL

from qproxy.qliksim.transfers import BLOCK, RANGED

OPEN = {"debug": "open"}


async def get(path: str, **headers: str) -> Answer:
    async with site(toggles=OPEN) as it:
        return await it.ask(f"/sso/{path}", headers={name.replace("_", "-"): value for name, value in headers.items()})


async def raw(it: Site, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*urlsplit(it.node.http_url or "").netloc.split(":"))
    writer.write(request)
    return reader, writer


@pytest.mark.parametrize("size", [0, 1, len(BLOCK), len(BLOCK) * 3 + 7])
async def test_a_download_has_the_size_asked_for(size: int) -> None:
    answer = await get(f"tempcontent/big?bytes={size}")
    assert (int(answer.headers["Content-Length"]), len(answer.body)) == (size, size)


async def test_a_download_may_be_chunked() -> None:
    answer = await get(f"tempcontent/big?bytes={len(BLOCK) + 1}&chunked=1")
    assert (answer.headers["Transfer-Encoding"], answer.body) == ("chunked", BLOCK + BLOCK[:1])


async def test_a_download_may_take_its_time() -> None:
    async with site(toggles=OPEN) as it:
        before = asyncio.get_running_loop().time()
        await it.ask("/sso/tempcontent/big?bytes=1&first_byte_ms=60")
        assert asyncio.get_running_loop().time() - before >= 0.05


async def test_a_large_download_needs_little_memory() -> None:
    async with site(toggles=OPEN) as it:
        url = URL(f"{it.node.http_url}/sso/tempcontent/big?bytes={200 << 20}")
        tracemalloc.start()
        async with it.client.get(url) as reply:
            async for _ in reply.content.iter_any():
                pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


async def test_head_has_the_length_and_no_body() -> None:
    async with site(toggles=OPEN) as it:
        answer = await it.ask("/sso/tempcontent/big?bytes=1000", method="HEAD")
    assert (answer.headers["Content-Length"], answer.body) == ("1000", b"")


async def test_http_1_0_gets_an_unchunked_body_until_the_end() -> None:
    async with site(toggles=OPEN) as it:
        reader, writer = await raw(it, b"GET /sso/chunked HTTP/1.0\r\nHost: bi.test\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    assert b"chunked" not in head
    assert len(body) == 1000


@pytest.mark.parametrize("count", [0, 3])
async def test_chunks_have_number_and_size_as_asked_for(count: int) -> None:
    assert len((await get(f"chunked?count={count}&bytes=50")).body) == count * 50


async def test_a_bad_number_is_a_bad_request() -> None:
    assert (await get("tempcontent/big?bytes=many")).status == 400


async def test_an_unknown_download_is_not_found() -> None:
    assert (await get("tempcontent/other")).status == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-9", 0, 9), ("bytes=65540-", 65540, 65542), ("bytes=-3", 65540, 65542)]
)
async def test_a_part_of_a_file_can_be_had(asked: str, first: int, last: int) -> None:
    answer = await get("tempcontent/range", Range=asked)
    assert (answer.status, answer.body) == (206, RANGED[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(RANGED)}"


async def test_a_part_beyond_the_end_cannot_be_had() -> None:
    answer = await get("tempcontent/range", Range="bytes=70000-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(RANGED)}")


async def test_without_a_range_the_whole_file_comes() -> None:
    answer = await get("tempcontent/range")
    assert (answer.status, answer.body, answer.headers["Accept-Ranges"]) == (200, RANGED, "bytes")


async def test_what_the_browser_has_already_is_not_sent_again() -> None:
    etag = (await get("cached")).headers["ETag"]
    answer = await get("cached", If_None_Match=etag)
    assert (answer.status, answer.body) == (304, b"")
    assert (await get("cached", If_Modified_Since=answer.headers["Last-Modified"])).status == 304


async def test_gzip_stays_gzip() -> None:
    answer = await get("gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body).startswith(b'{"compressed": true')


@pytest.mark.parametrize("code", [200, 204, 304, 401, 418, 500, 503])
async def test_any_status_can_be_had(code: int) -> None:
    answer = await get(f"status/{code}")
    assert (answer.status, bool(answer.body)) == (code, code not in (204, 304))


async def test_cookies_come_in_lines_of_their_own() -> None:
    lines = (await get("cookies?n=25")).headers.getall("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == [f"cookie{at}" for at in range(25)]


async def test_an_early_hint_comes_before_the_answer() -> None:
    async with site(toggles=OPEN) as it:
        reader, writer = await raw(it, b"GET /sso/early-hints HTTP/1.1\r\nHost: bi.test\r\n\r\n")
        hint, head = await reader.readuntil(b"\r\n\r\n"), await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert hint.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: ")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_an_upload_is_measured_and_hashed() -> None:
    body = BLOCK * 10
    async with site() as it:
        answer = await it.ask("/sso/qrs/app/upload", await it.log_in(), "POST", data=body)
    assert answer.status == 201
    assert answer.json() == {"body_bytes": len(body), "body_sha256": hashlib.sha256(body).hexdigest()}


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    request = b"POST /sso/echo HTTP/1.1\r\nHost: bi.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    async with site(toggles=OPEN) as it:
        reader, writer = await raw(it, request)
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert (interim, head[:15]) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK")


async def test_a_refused_client_gets_no_100_continue() -> None:
    request = b"POST /sso/qrs/app/upload HTTP/1.1\r\nHost: bi.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    async with site() as it:
        reader, writer = await raw(it, request)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403 ")
        writer.close()


async def test_the_echo_tells_what_arrived() -> None:
    async with site(toggles=OPEN) as it:
        answer = await it.ask("/sso/echo/%2f?a=+;b", method="PATCH", headers={"x-Odd": "1"}, data=b"abc")
    facts = answer.json()
    assert (facts["method"], facts["target"]) == ("PATCH", "/sso/echo/%2f?a=+;b")
    assert ["x-Odd", "1"] in facts["headers"]
    assert facts["body_sha256"] == hashlib.sha256(b"abc").hexdigest()


async def test_a_client_that_leaves_during_its_upload_is_no_error() -> None:
    async with site(toggles=OPEN) as it:
        _, writer = await raw(it, b"POST /sso/echo HTTP/1.1\r\nHost: bi.test\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await seen(it)
        writer.transport.abort()
        await gone(it)
        assert it.node.journal("http")[0].status is None


async def seen(it: Site) -> None:
    await eventually(lambda: it.node.journal("http"))


async def gone(it: Site) -> None:
    await eventually(lambda: it.node.journal("http")[0].note.startswith("client gone"))
