"""qproxy's own pages: what they say, that nothing gets in, and that they need nothing from elsewhere."""

import base64
import hashlib
import json
import re

import pytest
import some_pages
from some_pages import FIELDS, Outline, pages_in

from qproxy.auth import Field, Shown
from qproxy.errors import Failure
from qproxy.web.look import PLAIN
from qproxy.web.pages import RELOADING, Form, Page, failure_page, login_page

HOSTILE = "\"'><script>alert(1)</script>{{7*7}}"
ENGLISH = PLAIN.of("", "en")


def form(message: str = "", typed: str = "") -> Page:
    return some_pages.form(ENGLISH, message, typed)


PAGES = pages_in(ENGLISH, *Failure) | {"refused": form("No.", "ann")}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())


@every_page
def test_every_page_is_whole_has_a_language_one_heading_and_fits_a_telephone(page: Page) -> None:
    outline = Outline(page)
    assert outline.open == []
    assert outline.all("html") == [{"lang": "en"}]
    assert len(outline.all("h1")) == len(outline.all("main")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in outline.all("meta")


@every_page
def test_every_page_works_without_scripts_and_without_anything_from_elsewhere(page: Page) -> None:
    outline = Outline(page)
    assert not outline.all("script") + outline.all("iframe")
    assert all(str(image["src"]).startswith("data:") for image in outline.all("img"))
    assert [link["href"] for link in outline.all("link")] == ["data:,"]
    assert not [attributes for _, attributes in outline.tags if "style" in attributes]


@every_page
def test_every_page_allows_its_own_style_sheet_and_nothing_else(page: Page) -> None:
    headers = dict(page[0])
    style = re.findall(r"<style>(.*?)</style>", page[1].decode(), re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    goes_to = "https://idp.example" if page is PAGES["sent"] else "'self'"
    assert headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action {goes_to}; base-uri 'none'; "
        "frame-ancestors 'self'"
    )


@every_page
def test_every_page_is_kept_by_nobody_and_taken_for_nothing_else(page: Page) -> None:
    headers = dict(page[0])
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/html; charset=utf-8"


def test_pages_with_a_form_give_the_origin_away_lest_browsers_hide_it_from_us_too() -> None:
    forms = ("login", "refused", "picker", "logout")
    assert {dict(PAGES[name][0])["Referrer-Policy"] for name in forms} == {"strict-origin"}
    assert dict(PAGES["internal"][0])["Referrer-Policy"] == "no-referrer"


def test_a_portal_that_may_embed_the_pages_is_named_beside_qliks_own_frames() -> None:
    headers, _ = login_page(ENGLISH, Form(FIELDS, "t"), frame_ancestors=["https://portal.example"])
    assert dict(headers)["Content-Security-Policy"].endswith("frame-ancestors 'self' https://portal.example")


def test_every_input_of_the_form_has_its_label() -> None:
    outline = Outline(form())
    shown = [attributes["id"] for attributes in outline.all("input") if attributes.get("type") != "hidden"]
    assert [attributes["for"] for attributes in outline.all("label")] == shown == ["field-name", "field-password"]


def test_the_form_goes_to_the_pages_own_address() -> None:
    assert Outline(form()).all("form") == Outline(PAGES["logout"]).all("form") == [{"method": "post"}]


def test_password_keepers_find_their_fields() -> None:
    inputs = {attributes["name"]: attributes for attributes in Outline(form()).all("input")}
    assert inputs["name"]["autocomplete"] == "username"
    assert (inputs["password"]["autocomplete"], inputs["password"]["type"]) == ("current-password", "password")


@pytest.mark.parametrize(("typed", "focused"), [("", "name"), ("ann", "password")])
def test_the_cursor_stands_where_something_is_missing(typed: str, focused: str) -> None:
    fields = Outline(form(typed=typed)).all("input")
    assert [attributes["name"] for attributes in fields if "autofocus" in attributes] == [focused]


def test_the_name_is_in_no_other_field_than_its_own() -> None:
    (code,) = Outline(login_page(ENGLISH, Form((Field("code", "Code"),), "t", typed="ann"))).all("input")[1:]
    assert (code["value"], "autofocus" in code) == ("", True)


def test_a_page_tells_what_its_form_is_about_and_never_as_markup() -> None:
    told = Shown("new_password"), Shown(HOSTILE, (HOSTILE, "second")), Shown("A picture", ("data:,",), picture=True)
    page = Outline(login_page(ENGLISH, Form((), "t", shown=told)))
    assert page.all("img") == [{"class": "code", "src": "data:,", "alt": "A picture"}]
    assert (len(page.all("code")), page.all("script")) == (2, [])


def test_a_refusal_is_read_aloud_and_stands_in_the_title() -> None:
    text = PAGES["refused"][1].decode()
    assert '<div id="message" role="alert">\n<p class="message">No.</p>' in text
    assert "<title>Error: Log in - Qlik Sense</title>" in text
    assert text.count('aria-describedby="message"') == 2


def test_nothing_typed_or_said_becomes_markup() -> None:
    page = login_page(ENGLISH, Form((Field(HOSTILE, HOSTILE),), HOSTILE, HOSTILE, HOSTILE, HOSTILE))
    assert Outline(page).all("script") == []
    assert b"49" not in re.sub(rb"<style>.*?</style>", b"", page[1], flags=re.DOTALL)


def test_a_failure_names_itself_the_request_and_the_way_on() -> None:
    text = failure_page(ENGLISH, Failure.UPSTREAM_TLS, "abc123", html=True, login_url="/go?a&b")[1].decode()
    for part in (
        "Qlik Sense could not prove who it is.",
        "upstream_tls",
        "abc123",
        'href="/go?a&amp;b"',
        "administrator",
    ):
        assert part in text


def test_a_failure_without_a_login_address_offers_none() -> None:
    assert Outline(failure_page(ENGLISH, Failure.INTERNAL, "abc123", html=True)).all("a") == []


def test_a_failure_for_a_program_is_json() -> None:
    headers, body = failure_page(ENGLISH, Failure.NOT_LOGGED_IN, 'a"1', html=False, login_url="https://h/login")
    assert dict(headers)["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "error": "not_logged_in",
        "message": "Please log in.",
        "requestId": 'a"1',
        "loginUrl": "https://h/login",
    }


def test_what_passes_by_itself_is_tried_again_by_itself() -> None:
    reloading = {failure for failure in Failure if "Refresh" in dict(failure_page(ENGLISH, failure, "a", html=True)[0])}
    assert reloading == RELOADING == {Failure.UPSTREAM_REFUSED, Failure.UPSTREAM_CONNECT_TIMEOUT, Failure.SHUTTING_DOWN}


def test_a_program_is_told_when_to_come_back_and_not_to_reload() -> None:
    headers = dict(failure_page(ENGLISH, Failure.UPSTREAM_REFUSED, "a", html=False)[0])
    assert headers["Retry-After"] == "5"
    assert "Refresh" not in headers


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


PAIRS = [
    ("ink", "paper"),
    ("soft", "paper"),
    ("soft", "ground"),
    ("ink", "ground"),
    ("on-act", "act"),
    ("warn", "warn-ground"),
    ("line", "paper"),
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_colours_can_be_told_apart(scheme: int, front: str, back: str) -> None:
    sheet = re.findall(r":root \{(.*?)\}", PAGES["login"][1].decode(), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", sheet))
    bright, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= (3.0 if front == "line" else 4.5)
