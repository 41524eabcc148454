"""No login leads to another origin: hostile/redirects.txt in every place that could take a target."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from login_site import KEYS, ORIGIN, Site, sales_site

from qproxy.auth.deep_link import LONGEST_LOCATION, DeepLinks, as_location, safe_next

HUB = f"{ORIGIN}/sales/hub/"
LINKS = DeepLinks(KEYS)


def read_payloads() -> list[bytes]:
    lines = (Path(__file__).parent / "hostile" / "redirects.txt").read_text(encoding="ascii").splitlines()
    return [line.encode().decode("unicode_escape").encode("latin-1") for line in lines if not line.startswith("# ")]


PAYLOADS = read_payloads()
GOOD = [
    b"/sales",
    b"/sales/",
    b"/sales?x",
    b"/sales/hub/?a=//h/..&b=http://h",
    b"/sales/app/%3Ftransient%3D/x%2Fy;z=1?+&%",
    b"/sales/sense/app/8f-2a/sheet/b/state/analysis/hubUrl/%2Fhub",
]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with sales_site(tmp_path) as opened:
        yield opened


def lands_at(location: str) -> str:
    """The origin at which a browser on ORIGIN ends up, read as leniently as browsers do (WHATWG URL, basic parser)."""
    text = re.sub(r"[\t\n\r]", "", location.strip("".join(map(chr, range(33)))))
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if scheme and scheme[1].lower() not in ("http", "https", "ws", "wss", "ftp", "file"):
        return scheme[0]
    rest = text[scheme.end() :] if scheme else text
    rest = re.split(r"[?#]", rest.replace("\\", "/"), maxsplit=1)[0]
    if not rest.startswith("//") and (not scheme or scheme[1].lower() == "http"):
        return ORIGIN
    host = rest.lstrip("/").partition("/")[0].rpartition("@")[2]
    return f"{scheme[1].lower() if scheme else 'http'}://{host.lower().removesuffix(':80')}"


async def follow(site: Site, target: str) -> str:
    """Where a person who is logged in already is sent on to from this login URL."""
    browser = site.browser()
    await browser.log_in()
    reply = await browser.get(target)
    assert reply.status == 303
    return reply.location


def test_the_corpus_is_large_and_has_no_target_twice() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 1_000


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("/x", ORIGIN),
        ("http:/x", ORIGIN),
        ("//evil.example", "http://evil.example"),
        ("/\\evil.example", "http://evil.example"),
        ("\t/\n/u:p@evil.example/x", "http://evil.example"),
        ("https:evil.example", "https://evil.example"),
        ("javascript:alert(1)", "javascript:"),
        (HUB, ORIGIN),
    ],
)
def test_the_judge_reads_like_a_browser(location: str, origin: str) -> None:
    assert lands_at(location) == origin


def test_no_hostile_target_that_passes_leaves_the_origin_or_the_virtual_proxy() -> None:
    passed = [payload.decode("latin-1") for payload in PAYLOADS if safe_next(payload.decode("latin-1"), "/sales")]
    assert [one for one in passed if lands_at(one) != ORIGIN or not re.match(r"/sales([/?]|$)", one)] == []
    assert 0 < len(passed) < len(PAYLOADS) / 5


async def test_no_hostile_target_of_a_turned_away_request_leads_elsewhere(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    for payload in PAYLOADS:
        location = (await browser.get(LINKS.login_location("sales", "/sales", payload))).location
        kept = ORIGIN + as_location(payload.decode("latin-1"))
        assert location in (HUB, kept), payload
        assert lands_at(location) == ORIGIN


@pytest.mark.parametrize("name", ["state", "next", "targetId", "proxyRestUri"])
async def test_no_hostile_parameter_is_followed_or_shown(site: Site, name: str) -> None:
    stranger, ann = site.browser(), site.browser()
    await ann.log_in()
    plain = await stranger.get("/qproxy/login/sales")
    for payload in PAYLOADS:
        target = f"/qproxy/login/sales?{name}={quote_from_bytes(payload)}"
        assert (await ann.get(target)).location == HUB
        page = await stranger.get(target)
        assert (page.status, page.text) == (200, plain.text), payload


async def test_a_state_that_was_sealed_with_a_hostile_target_still_means_the_hub(site: Site) -> None:
    browser = site.browser()
    await browser.log_in()
    for payload in (b"//evil.example", b"/\\evil.example", b"http://evil.example", b"/qproxy/logout/sales", b""):
        target = f"/qproxy/login/sales?state={KEYS.seal(b'-' + payload, 'sales')}"
        assert (await browser.get(target)).location == HUB


@pytest.mark.parametrize("target", GOOD)
async def test_a_good_target_is_kept_byte_for_byte(site: Site, target: bytes) -> None:
    assert await follow(site, LINKS.login_location("sales", "/sales", target)) == ORIGIN + target.decode()


async def test_bytes_above_ascii_are_escaped_as_a_browser_would(site: Site) -> None:
    target = LINKS.login_location("sales", "/sales", "/sales/hub/?q=ä".encode())
    assert await follow(site, target) == f"{ORIGIN}/sales/hub/?q=%C3%A4"


def test_a_state_is_good_for_its_own_virtual_proxy_only() -> None:
    state = LINKS.login_location("sales", "/sales", b"/sales/x").partition("state=")[2]
    assert LINKS.read("finance", "", state).next == "/hub/"


def test_a_deep_link_that_is_too_long_is_forgotten() -> None:
    longest = b"/sales/" + b"x" * 5_900
    assert len(LINKS.login_location("sales", "/sales", longest)) <= LONGEST_LOCATION
    assert "state=" in LINKS.login_location("sales", "/sales", longest)
    assert LINKS.login_location("sales", "/sales", b"/sales/" + b"x" * 9_000) == "/qproxy/login/sales"


def test_a_renewal_leads_back_and_is_neither_login_nor_relogin() -> None:
    read = LINKS.read("sales", "/sales", LINKS.renewal("sales", "/sales", b"/sales/x?a=%2F").partition("state=")[2])
    assert (read.next, read.renew, read.relogin) == ("/sales/x?a=%2F", True, False)


@pytest.mark.parametrize("target", [b"/sales//evil.test", b"/finance/", b"/sales/" + b"x" * 9_000])
def test_a_renewal_that_could_not_lead_back_is_none(target: bytes) -> None:
    assert LINKS.renewal("sales", "/sales", target) == ""


def test_a_relogin_is_remembered_even_where_the_deep_link_is_not() -> None:
    state = LINKS.login_location("sales", "/sales", b"/sales/" + b"x" * 9_000, relogin=True).partition("state=")[2]
    assert LINKS.read("sales", "/sales", state).relogin


def test_a_target_that_no_browser_could_have_sent_is_refused() -> None:
    assert not safe_next("/sales/\N{SNOWMAN}", "/sales")


def test_the_default_virtual_proxy_leads_everywhere_but_to_our_own_pages() -> None:
    assert safe_next("/hub/", "")
    assert safe_next("/", "")
    assert not safe_next("/qproxy/logout/sales", "")


@given(st.text(alphabet=st.sampled_from("/\\.%25fFcC?#:@;=\t salesqproxy"), max_size=30))
def test_whatever_passes_stays_on_the_origin_and_below_the_prefix(tail: str) -> None:
    for target in (tail, "/" + tail, "/sales" + tail, "/sales/" + tail):
        if safe_next(target, "/sales"):
            assert lands_at(target) == ORIGIN
            assert re.match(r"/sales([/?]|$)", target)
            assert ".." not in target.partition("?")[0].split("/")


@given(st.binary(max_size=200), st.booleans())
def test_what_is_sealed_is_read_again_or_means_the_hub(target: bytes, relogin: bool) -> None:
    state = LINKS.login_location("sales", "/sales", target, relogin).partition("state=")[2]
    wanted = target.decode("latin-1")
    assert LINKS.read("sales", "/sales", state).next == (wanted if safe_next(wanted, "/sales") else "/sales/hub/")
