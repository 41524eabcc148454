"""The corpora against a live qproxy with the stand-in behind it: what is refused never arrives, what passes arrives
once and unchanged."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from a_site import Site, site
from hostile.corpus import Case, cases, rows
from hostile.wire import Connection, Reply, ask, connected

from qproxy import cookies
from qproxy.headers import REQUEST_RULES, Rule
from qproxy.qliksim.recorded import Entry

OURS = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}
PLAIN = "X-Qlik-Session-sales-HTTP"


@pytest.fixture
async def open_site(tmp_path: Path) -> AsyncIterator[Site]:
    """Everybody is let through to Qlik, so that nothing but the data plane's rules protects it."""
    async with site(tmp_path, vp="anonymous: allow") as opened:
        yield opened


def port_of(site: Site) -> int:
    return int(site.origin.rpartition(":")[2])


def host_of(site: Site) -> str:
    return site.origin.partition("://")[2]


def arrived(site: Site) -> list[Entry]:
    """What reached Qlik since the last time, and forget it."""
    entries = site.node.journal("http")
    site.node.core.journal.clear()
    return entries


# --- heads and bodies ---


async def test_the_corpus_of_heads(open_site: Site, subtests: pytest.Subtests) -> None:
    for case in cases():
        with subtests.test(case.name):
            async with connected(port_of(open_site)) as browser:
                browser.send(case.request(host_of(open_site)))
                await (passes if case.kind == "forward" else is_refused)(case, browser, open_site)


async def is_refused(case: Case, browser: Connection, site: Site) -> None:
    reply = await (browser.reply() if case.statuses == (421,) else browser.last_reply())
    assert reply.status in case.statuses
    targets = [entry.target for entry in arrived(site)]
    assert targets == [] or (case.kind == "body" and targets == ["/sales/x"])


async def passes(case: Case, browser: Connection, site: Site) -> None:
    expected = case.upstream(host_of(site)).decode("latin-1").split("\r\n")
    reply = await browser.reply(method=expected[0].partition(" ")[0])
    assert reply.status < 500
    [entry] = arrived(site)
    lines = [f"{name}:{value}" for name, value in entry.headers if name.lower() not in OURS]
    wanted = [":".join(part.strip(" \t") for part in line.split(":", 1)) for line in expected[1:-2]]
    assert [entry.line, *map(as_bytes, lines)] == [expected[0], *wanted]


def as_bytes(text: str) -> str:
    """The journal keeps bytes outside UTF-8 by escapes; the corpus writes them as Latin-1."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


async def test_requests_in_one_packet_are_answered_in_order(open_site: Site) -> None:
    one = f"GET /sales/a{{}} HTTP/1.1\r\nHost: {host_of(open_site)}\r\n\r\n"
    async with connected(port_of(open_site)) as browser:
        browser.send("".join(one.format(number) for number in range(20)).encode())
        replies = [await browser.reply() for _ in range(20)]
    assert [entry.target for entry in arrived(open_site)] == [f"/sales/a{number}" for number in range(20)]
    assert all(reply.whole for reply in replies)


async def test_nothing_behind_a_refused_head_is_read(open_site: Site) -> None:
    good = f"GET /sales/smuggled HTTP/1.1\r\nHost: {host_of(open_site)}\r\n\r\n"
    async with connected(port_of(open_site)) as browser:
        browser.send(("GET /sales/x HTTP/1.1\r\nHost: evil, x\r\n\r\n" + good * 3).encode())
        reply = await browser.last_reply()
    assert (reply.status, reply.closed, arrived(open_site)) == (400, True, [])


# --- paths ---


async def test_the_corpus_of_paths(open_site: Site, subtests: pytest.Subtests) -> None:
    for word, target in rows("paths.txt"):
        with subtests.test(str(target[:60])):
            head = b"GET " + target + b" HTTP/1.1\r\nHost: " + host_of(open_site).encode() + b"\r\n\r\n"
            reply = await ask(port_of(open_site), head)
            targets = [entry.target.encode("utf-8", "surrogateescape") for entry in arrived(open_site)]
            assert targets == ([target] if word == "accept" else [])
            assert word == "accept" or reply.status in (400, 404, 405)


# --- identity ---

NAMES = ["x-forwarded-for", "x-forwarded-new", "x-qproxy-client"]
NAMES += [name.decode() for name, rule in REQUEST_RULES.items() if rule == Rule.DROP]


def spellings(seed: int) -> Iterator[str]:
    """Each name in cases, with the separators that other programs take for one another, and with things around it."""
    dice = random.Random(seed)
    for name in NAMES:
        yield from (name, name.upper(), name.title())
        yield from ("".join(dice.choice((c.upper(), c)) for c in name) for _ in range(18))
        yield from (name.replace("-", mark) for mark in ("_", ".", "~", " ", "/"))
        yield from (name.replace("-", "_", 1), name + " ", " " + name, name + "\t", name + "\0", name + "_", "_" + name)


async def test_no_spelling_of_an_identity_header_arrives(open_site: Site) -> None:
    lines = [f"{name}: forged-by-a-browser" for name in spellings(1)]
    assert len(lines) >= 1000
    for line in lines:
        await ask(port_of(open_site), get(open_site, line, "X-Qlik-Xrfkey: 0123456789abcdef"))
        assert [entry.line for entry in arrived(open_site) if "forged" in str(entry.headers)] == [], line


def get(site: Site, *lines: str) -> bytes:
    return "\r\n".join(["GET /sales/x HTTP/1.1", f"Host: {host_of(site)}", *lines, "", ""]).encode("latin-1")


async def test_no_identity_header_arrives_in_a_trailer(open_site: Site) -> None:
    lines = "".join(f"{name}: forged\r\n" for name in NAMES[:40])
    head = f"POST /sales/x HTTP/1.1\r\nHost: {host_of(open_site)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    await ask(port_of(open_site), f"{head}3\r\nabc\r\n0\r\n{lines}\r\n".encode())
    [entry] = arrived(open_site)
    assert "forged" not in str(entry.headers) + entry.body


async def test_what_qproxy_says_of_the_caller_arrives_once_and_true(open_site: Site) -> None:
    await ask(port_of(open_site), get(open_site, "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil"))
    [entry] = arrived(open_site)
    said = sorted((name.lower(), value) for name, value in entry.headers if name.lower() in OURS)
    assert said == [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", host_of(open_site)),
        ("x-forwarded-proto", "http"),
    ]


# --- cookies ---


async def test_the_corpus_of_cookies(tmp_path: Path, subtests: pytest.Subtests) -> None:
    async with site(tmp_path) as opened:
        ids = [await logged_in(opened, name) for name in ("ann", "bob")]
        names = {
            b"{id}": ids[0],
            b"{other}": ids[1],
            b"{lower}": PLAIN.lower(),
            b"{name2}": "X-Qlik-Session-finance-HTTP",
        }
        for word, row in rows("cookies.txt"):
            header = row
            for mark, value in {b"{name}": PLAIN, **names}.items():
                header = header.replace(mark, value.encode())
            with subtests.test(f"{word} {row[:60]!r}"):
                arrived(opened)
                reply = await ask(port_of(opened), get(opened, "Cookie: " + header.decode("latin-1")))
                judge(word, header, reply, arrived(opened), ids[0])


async def logged_in(site: Site, name: str) -> str:
    person = site.browser()
    await site.log_in(person, name=name)
    return site.cookie(person, PLAIN)


def judge(word: str, header: bytes, reply: Reply, entries: list[Entry], wanted: str) -> None:
    if word in ("away", "conflict"):
        assert (reply.status, entries) == (401 if word == "away" else 400, [])
        assert (reply.header("Set-Cookie") or "").startswith(PLAIN + "=;") == (word == "conflict")
        return
    [entry] = entries
    sent = b"; ".join(value.encode("utf-8", "surrogateescape") for key, value in entry.headers if key == "Cookie")
    assert cookies.values(sent, PLAIN.encode()) == [wanted.encode()]
    assert word == "keeps" or sent.count(wanted.encode()) == sent.count(PLAIN.encode()) == 1
    if word == "keeps":
        assert pairs(sent) == pairs(header)
    if word == "hides":
        assert pairs(sent) == [pair for pair in pairs(header) if b"finance" not in pair]


def pairs(header: bytes) -> list[bytes]:
    return [pair.strip(b" \t") for pair in header.split(b";")]


@pytest.mark.parametrize(
    "area",
    [
        "internal_forms_authentication/",
        "internal_windows_authentication/?targetId=1",
        "INTERNAL_FORMS_AUTHENTICATION",
        "internal_forms_%61uthentication/",
        "%69nternal_forms_%61%75thentication/",
        "internal%5fforms%5fauthentication",
        "internal_forms_authentication;x=1/",
    ],
)
async def test_qliks_own_login_is_never_asked_for(tmp_path: Path, area: str) -> None:
    """Windows authentication would log in the connection, which others use after."""
    async with site(tmp_path) as opened:
        session = await logged_in(opened, "ann")
        arrived(opened)
        request = get(opened, f"Cookie: {PLAIN}={session}").replace(b"/sales/x", b"/sales/" + area.encode())
        reply = await ask(port_of(opened), request)
    assert (reply.status, arrived(opened)) == (401, [])
