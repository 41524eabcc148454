"""How a page looks to one person: the words of a language, an operator's colours and logo, and the style sheet with the
hash that admits it.

It must not depend on anything of a request but its virtual proxy and the languages that the browser asks for.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from qproxy.colours import DARK_PAPER, readable
from qproxy.config import Config, PagesConfig
from qproxy.config.pictures import data_url
from qproxy.texts import TABLES, Texts, in_language
from qproxy.web.languages import best

LANGUAGES: Final[Sequence[str]] = tuple(TABLES)


@dataclass(frozen=True, slots=True)
class Look:
    texts: Texts
    style: Markup
    style_hash: str
    """Of the style sheet, as Content-Security-Policy names it: "sha256-..."."""
    logo: str = ""
    """A data: address."""
    support_url: str = ""


class Looks:
    """Of all virtual proxies, in all languages. Pictures are read here: raises OSError or ValueError for one that was
    changed since the configuration was judged."""

    def __init__(self, host: PagesConfig, vps: Mapping[str, PagesConfig]) -> None:
        self._host = _in_all_languages(host)
        self._vps = {name: _in_all_languages(pages.over(host)) for name, pages in vps.items()}

    def of(self, vp: str, accepted: str) -> Look:
        """`vp` "" or unknown: that of the host. `accepted`: the browser's Accept-Language, "" for none."""
        return self._vps.get(vp, self._host)[best(accepted, LANGUAGES) if accepted else LANGUAGES[0]]


def looks_of(config: Config) -> Looks:
    return Looks(config.server.pages, {vp.name: vp.pages for vp in config.virtual_proxies})


def _in_all_languages(pages: PagesConfig) -> dict[str, Look]:
    sheet = style_sheet() + _colours(pages)
    digest = f"sha256-{base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()}"
    logo = data_url(pages.logo) if pages.logo else ""
    return {
        language: Look(in_language(language, pages.words(language)), sheet, digest, logo, pages.support_url or "")
        for language in LANGUAGES
    }


def _colours(pages: PagesConfig) -> Markup:
    """After the style sheet: what an operator wants otherwise. The colours were judged with the configuration."""
    dark = pages.accent_dark or (pages.accent and readable(pages.accent, DARK_PAPER, "#ffffff"))
    light = Markup(":root {{ --act: {} }}\n").format(pages.accent) if pages.accent else Markup()
    by_night = Markup("@media (prefers-color-scheme: dark) {{ :root {{ --act: {} }} }}\n")
    return light + by_night.format(dark) if dark else light


@cache
def templates() -> PackageLoader:
    return PackageLoader("qproxy.web", "templates")


@cache
def style_sheet() -> Markup:
    """With LF line ends whatever the checkout made of them: browsers hash it after that change."""
    source = templates().get_source(Environment(autoescape=True), "style.css")[0]
    return Markup(source.replace("\r\n", "\n"))  # noqa: S704 - a file of this package, not input


PLAIN: Final = Looks(PagesConfig(), {})
LOOK: Final = web.RequestKey("look", Look)
