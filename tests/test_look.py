"""How pages look: the language of a person, an operator's own logo, colours and words, and nothing of it as markup."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from some_pages import Outline, form, pages_in, picker

from qproxy.auth import Field
from qproxy.colours import DARK_PAPER, PAPER, contrast
from qproxy.config import PagesConfig
from qproxy.config.login_models import LOGINS
from qproxy.config.login_parts import Icon, LoginPart
from qproxy.errors import Failure
from qproxy.texts import TABLES
from qproxy.web.icons import ICONS, icon_of
from qproxy.web.look import PLAIN, Look, Looks, style_sheet
from qproxy.web.pages import Form, failure_pages, login_page

HOSTILE = "\"'></style><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'


def looks(**pages: Any) -> Looks:
    return Looks(PagesConfig(**pages), {})


def english(**pages: Any) -> Look:
    return looks(**pages).of("", "en")


@pytest.mark.parametrize("language", TABLES)
def test_every_page_says_its_language_to_browsers_and_to_caches(language: str) -> None:
    for page in pages_in(PLAIN.of("", language), Failure.INTERNAL).values():
        headers = dict(page[0])
        assert Outline(page).all("html") == [{"lang": language}]
        assert (headers["Content-Language"], headers["Vary"]) == (language, "Accept-Language")


def test_a_failure_of_the_data_plane_is_told_in_the_language_that_its_head_asks_for() -> None:
    _, body = failure_pages(PLAIN)("", "sv")(Failure.UPSTREAM_TLS, "1", html=True)
    assert "Qlik Sense kunde inte styrka sin identitet." in body.decode()


def test_programs_are_spoken_to_in_english() -> None:
    headers, body = failure_pages(PLAIN)("", "ja")(Failure.NOT_LOGGED_IN, "1", html=False)
    assert b"Please log in." in body
    assert "Content-Language" not in dict(headers)


def test_a_method_may_say_words_of_the_table_or_texts_of_its_own() -> None:
    page = login_page(PLAIN.of("", "de"), Form((Field("badge", "Badge number"), Field("p", "password")), "t"))
    assert re.findall(r"<label[^>]*>(.*)</label>", page[1].decode()) == ["Badge number", "Passwort"]


# --- what a message is ---


def test_a_refusal_marks_the_fields_and_a_mere_message_does_not() -> None:
    look = PLAIN.of("", "en")
    refused, told = form(look, "No."), form(look, "Once more.", refused=False)
    assert [one.get("aria-invalid") for one in Outline(refused).all("input")[1:]] == ["true", "true"]
    assert [one.get("aria-invalid") for one in Outline(told).all("input")[1:]] == [None, None]
    assert {"id": "message", "role": "status", "class": "note"} in Outline(told).all("div")
    assert b"<title>Log in - Qlik Sense</title>" in told[1]


@pytest.mark.parametrize("name", ["turned away", "picker again", "nothing to fill in"])
def test_the_cursor_stands_at_the_message_where_there_is_no_field_before_it(name: str) -> None:
    page = pages_in(PLAIN.of("", "en"))[name]
    focused = [attributes for _, attributes in Outline(page).tags if "autofocus" in attributes]
    assert focused == [{"id": "message", "role": "alert", "tabindex": "-1", "autofocus": None}]


# --- ways ---


def test_the_configuration_knows_the_icons_that_there_are() -> None:
    assert sorted(get_args(Icon)) == sorted(ICONS)


@pytest.mark.parametrize("login", LOGINS)
def test_every_method_has_a_name_and_an_icon(login: type[LoginPart]) -> None:
    method = get_args(login.model_fields["method"].annotation)[0]
    assert f"way_{method}" in TABLES["en"]
    assert icon_of("", method) in ICONS.values()
    assert icon_of("globe", method) == ICONS["globe"]


def test_icons_are_not_read_aloud_and_each_way_has_its_name() -> None:
    outline = Outline(picker(PLAIN.of("", "en")))
    assert {one.get("aria-hidden") for one in outline.all("svg")} == {"true"}
    assert len(outline.all("svg")) == len(outline.all("li")) == len(ICONS)


# --- an operator's own ---


def test_the_product_has_an_operators_name_in_every_text() -> None:
    for page in pages_in(english(product="Acme Analytics"), *Failure).values():
        assert "Qlik Sense" not in page[1].decode()
        assert "<title>" in page[1].decode()


def test_support_and_footer_stand_below_every_page() -> None:
    look = english(support="Service desk", support_url="mailto:help@example.com", footer="Ours only")
    for page in pages_in(look, Failure.INTERNAL).values():
        footer = page[1].decode().partition("<footer>")[2]
        assert '<a href="mailto:help@example.com">Service desk</a>' in footer
        assert "<p>Ours only</p>" in footer


def test_without_them_there_is_no_footer_and_with_one_only_that() -> None:
    assert Outline(form(english())).all("footer") == []
    assert "<p>4711</p>" in form(english(support="4711"))[1].decode()
    assert ">https://help.example/</a>" in form(english(support_url="https://help.example/"))[1].decode()


def test_a_logo_stands_in_the_page_itself_and_is_called_like_the_product(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(SVG)
    [image] = Outline(form(english(product="Acme", logo=tmp_path / "logo.svg"))).all("img")
    assert image["alt"] == "Acme"
    assert str(image["src"]).startswith("data:image/svg+xml;base64,")


def test_texts_are_otherwise_in_one_language_only() -> None:
    found = looks(texts={"de": {"login_button": "Los"}})
    assert b">Los</button>" in form(found.of("", "de"))[1]
    assert b">Log in</button>" in form(found.of("", "en"))[1]


def test_a_virtual_proxy_has_its_own_look_and_strangers_that_of_the_host() -> None:
    found = Looks(PagesConfig(product="Acme"), {"sales": PagesConfig(product="Sales")})
    assert found.of("sales", "en").texts["product"] == "Sales"
    assert found.of("", "en").texts["product"] == found.of("else", "en").texts["product"] == "Acme"


def test_nothing_of_an_operator_becomes_markup() -> None:
    look = english(texts={"en": dict.fromkeys(TABLES["en"], HOSTILE)})
    for page in pages_in(look, *Failure).values():
        assert Outline(page).all("script") == []


# --- colours ---


def colours(sheet: str) -> list[dict[str, str]]:
    """By day and by night: what holds in the end."""
    night = sheet.partition("@media (prefers-color-scheme: dark)")[2].partition("}\n}")[0]
    own = sheet.partition("forced-colors")[2]
    found = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in (sheet.partition("@media")[0], night)]
    light, dark = own.partition("@media")[0], own.partition("@media")[2]
    return [
        one | dict(re.findall(r"--(act): (#[0-9a-f]{6})", part)) for one, part in zip(found, (light, dark), strict=True)
    ]


def test_the_paper_is_the_one_that_colours_are_judged_on() -> None:
    assert [one["paper"] for one in colours(style_sheet())] == [PAPER, DARK_PAPER]


@pytest.mark.parametrize("accent", ["#7a1fa2", "#000000", "#00518a", "#b00020"])
def test_an_operators_accent_can_be_read_by_day_and_by_night(accent: str) -> None:
    day, night = colours(english(accent=accent).style)
    assert day["act"] == accent
    for one in (day, night):
        assert min(contrast(one["act"], one["paper"]), contrast(one["act"], one["on-act"])) >= 4.5


def test_a_chosen_accent_for_the_night_is_taken_as_it_is() -> None:
    assert colours(english(accent="#00518a", accent_dark="#7fc4ff").style)[1]["act"] == "#7fc4ff"
    assert colours(english(accent_dark="#7fc4ff").style)[0]["act"] == "#00673b"


def test_the_policy_admits_the_sheet_with_an_operators_colours() -> None:
    page = form(english(accent="#7a1fa2"))
    assert english(accent="#7a1fa2").style_hash in dict(page[0])["Content-Security-Policy"]
    assert english(accent="#7a1fa2").style_hash != english().style_hash
