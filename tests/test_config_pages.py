"""What an operator may say of the pages: colours that can be read, pictures that are pictures, words that exist."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from config_site import SALES, SERVER, ConfigSite

from qproxy.cli import main
from qproxy.colours import DARK_PAPER, PAPER, contrast, readable
from qproxy.config import PagesConfig
from qproxy.config.pictures import LARGEST
from qproxy.texts import TABLES

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.fixture
def site(tmp_path: Path) -> ConfigSite:
    return ConfigSite(tmp_path)


def problems(site: ConfigSite, pages: str) -> list[str]:
    return site.write(f"{SERVER}pages: {pages}\n").problems()


def logo(site: ConfigSite, content: bytes) -> list[str]:
    (site.root / "logo").write_bytes(content)
    return problems(site, "{logo: ../logo}")


# --- colours ---


@pytest.mark.parametrize("pages", ["{accent: '#00673B'}", "{accent: '#7a1fa2', accent_dark: '#d9a6ef'}"])
def test_a_colour_that_can_be_read_is_taken(site: ConfigSite, pages: str) -> None:
    assert problems(site, pages) == []


def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can(site: ConfigSite) -> None:
    assert problems(site, "{accent: '#61a60e'}") == [
        "server.yaml:6:17: pages.accent: has a contrast of 3.0 with white, and text needs 4.5 (WCAG 2.2 AA): "
        "#4d830b has it (got '#61a60e')"
    ]


def test_a_colour_for_dark_pages_is_judged_on_their_ground(site: ConfigSite) -> None:
    [problem] = problems(site, "{accent_dark: '#00673b'}")
    assert f"with the dark pages' ground ({DARK_PAPER}), and text needs 4.5" in problem


@pytest.mark.parametrize("colour", ["green", "#0a0", "#00673b; } body { display: none", "rgb(0 0 0)", "'#00673'"])
def test_only_six_digits_are_a_colour(site: ConfigSite, colour: str) -> None:
    assert "must be a colour in quotes, as in '#00673b'" in problems(site, json.dumps({"accent": colour}))[0]


@pytest.mark.parametrize(("paper", "towards"), [(PAPER, "#000000"), (DARK_PAPER, "#ffffff")])
@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#ff0000", "#7f7f7f", "#00673b"])
def test_every_colour_has_a_readable_one_near_it(colour: str, paper: str, towards: str) -> None:
    assert contrast(readable(colour, paper, towards), paper) >= 4.5


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


# --- pictures ---


@pytest.mark.parametrize(
    "content", [PNG, SVG.format('<path d="M0 0"/><use href="#a"/>').encode(), b"<!-- by hand -->" + SVG.encode()]
)
def test_a_png_or_svg_is_taken(site: ConfigSite, content: bytes) -> None:
    assert logo(site, content) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PNG + bytes(LARGEST), "is larger than 32 KB"),
        (b"GIF89a", "is neither a PNG nor an SVG picture"),
        (b"", "is neither a PNG nor an SVG picture"),
        (b"<html/>", "is no SVG picture"),
        (b"<!DOCTYPE svg>" + SVG.encode(), "has a document type"),
        (SVG.format("<script>alert(1)</script>").encode(), "has a <script> in it"),
        (SVG.format("<g><foreignObject/></g>").encode(), "has a <foreignobject> in it"),
        (SVG.format('<g onload="x"/>').encode(), "has a script in it (onload)"),
        (SVG.format('<image href="https://else.example/x.png"/>').encode(), "refers to something outside"),
        (SVG.format('<use xlink:href=" other.svg#a"/>').encode(), "refers to something outside"),
    ],
)
def test_what_is_no_picture_is_refused(site: ConfigSite, content: bytes, said: str) -> None:
    [problem] = logo(site, content)
    assert problem.startswith(f"server.yaml:6:15: pages.logo: {site.directory}/../logo {said}")


def test_a_picture_of_a_virtual_proxy_that_is_not_there_is_told(site: ConfigSite) -> None:
    site.write(SERVER, sales=f"{SALES}pages: {{logo: ../gone.png}}\n")
    assert site.problems() == [f"sales.yaml:6:15: pages.logo: {site.directory}/../gone.png No such file or directory"]
    assert site.problems(files=False) == []


# --- texts ---


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ("{texts: {nl: {wrong: Fout}}}", "has a language 'nl' that qproxy does not speak: en, de, sv, fr, es, ja"),
        ("{texts: {de: {wrogn: Falsch}}}", "has no word 'wrogn' (did you mean wrong?)"),
        ("{texts: {de: {wrong: ''}}}", "has a text for 'wrong' that must not be empty"),
        ('{texts: {de: {wrong: "{name}!"}}}', "has a text for 'wrong' that may have no braces but {product}"),
        ('{texts: {de: {product: "{product}"}}}', "is what {product} stands for"),
        ('{footer: "a\\nb"}', "must be one line"),
        ('{support: "{"}', "may have no braces but {product}"),
        (f"{{footer: {'x' * 1001}}}", "must have at most 1000 characters"),
        ("{support_url: 'javascript:alert(1)'}", "must be an address that begins with https:"),
        ("{support_url: 'https://a.example/\"x'}", "must be an address that begins with https:"),
    ],
)
def test_texts_that_cannot_be_shown_are_refused(site: ConfigSite, pages: str, said: str) -> None:
    [problem] = problems(site, pages)
    assert said in problem


def test_a_virtual_proxy_says_only_what_is_otherwise() -> None:
    host = PagesConfig(product="Acme", footer="Ours", texts={"de": {"wrong": "Falsch", "login_title": "Hallo"}})
    vp = PagesConfig(product="Sales", texts={"de": {"wrong": "Nein"}, "sv": {"wrong": "Nej"}})
    both = vp.over(host)
    assert (both.product, both.footer) == ("Sales", "Ours")
    assert both.words("de") == {"product": "Sales", "footer": "Ours", "wrong": "Nein", "login_title": "Hallo"}
    assert both.words("sv")["wrong"] == "Nej"


@pytest.mark.parametrize("language", TABLES)
def test_the_texts_that_are_printed_are_taken_as_they_are(site: ConfigSite, language: str) -> None:
    printed = CliRunner().invoke(main, ["texts", language]).stdout
    assert problems(site, json.dumps({"texts": yaml.safe_load(printed)})) == []
    assert yaml.safe_load(printed)[language]["login_title"] == TABLES[language]["login_title"]


def test_an_icon_is_one_of_ours(site: ConfigSite) -> None:
    users = site.root / "users"
    users.touch(0o600)
    login = "login: [{method: password_file, file: ../users, icon: https://else.example/logo.png}]\n"
    [problem] = site.write(SERVER, sales=SALES.replace("anonymous: always\n", login)).problems()
    assert "must be 'building', 'desktop', 'door', 'globe', 'id-card', 'key', 'person', 'phone' or 'shield'" in problem
