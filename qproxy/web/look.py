"""How a page looks to one person: the words of a language, and the style sheet with the hash that admits it.

It must not depend on anything of a request but the languages that the browser asks for.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from qproxy.texts import TABLES, Texts, in_language
from qproxy.web.languages import best


@dataclass(frozen=True, slots=True)
class Look:
    texts: Texts
    style: Markup
    style_hash: str
    """Of the style sheet, as Content-Security-Policy names it: "sha256-..."."""


class Looks:
    """Of all virtual proxies, in all languages."""

    def __init__(self) -> None:
        sheet = style_sheet()
        self._plain = {language: Look(in_language(language), sheet, hash_of(sheet)) for language in TABLES}

    def of(self, vp: str, accepted: str) -> Look:
        """`vp` "" or unknown: that of the host. `accepted`: the browser's Accept-Language, "" for none."""
        return self._plain[best(accepted, LANGUAGES)]


LANGUAGES: Final[Sequence[str]] = tuple(TABLES)


def hash_of(sheet: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()}"


@cache
def templates() -> PackageLoader:
    return PackageLoader("qproxy.web", "templates")


@cache
def style_sheet() -> Markup:
    """With LF line ends whatever the checkout made of them: browsers hash it after that change."""
    source = templates().get_source(Environment(autoescape=True), "style.css")[0]
    return Markup(source.replace("\r\n", "\n"))  # noqa: S704 - a file of this package, not input


PLAIN: Final = Looks()
LOOK: Final = web.RequestKey("look", Look)
