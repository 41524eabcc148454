"""How qproxy's own pages look and what they say where an operator wants it otherwise. Only shapes, as in `models`.

Whatever stands here is shown as text, a colour or a picture; none of it can become markup.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from qproxy.colours import DARK_PAPER, ENOUGH, PAPER, contrast, readable
from qproxy.config.fields import FilePath
from qproxy.config.names import check_line
from qproxy.config.parts import Part
from qproxy.texts import TABLES

LONGEST_TEXT: Final = 1000
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_BLANKS: Final = str.maketrans("\u00a0\u202f\u3000", "   ")
"""That French and Japanese have besides ours."""
_LINK: Final = re.compile(r"(?:https?://|mailto:|tel:)[!#-;=?-Z\[\]_a-z~]+")


def check_accent(value: str) -> str:
    return _on_paper(value, PAPER, "#000000", "white, and text")


def check_dark_accent(value: str) -> str:
    return _on_paper(value, DARK_PAPER, "#ffffff", f"the dark pages' ground ({DARK_PAPER}), and text")


def _on_paper(value: str, paper: str, towards: str, name: str) -> str:
    colour = value.lower()
    if not _COLOUR.fullmatch(colour):
        raise ValueError("must be a colour in quotes, as in '#00673b'")
    found = contrast(colour, paper)
    if found < ENOUGH:
        better = readable(colour, paper, towards)
        raise ValueError(
            f"has a contrast of {int(found * 10) / 10} with {name} needs {ENOUGH} (WCAG 2.2 AA): {better} has it"
        )
    return colour


def check_link(value: str) -> str:
    if not _LINK.fullmatch(value):
        raise ValueError("must be an address that begins with https:, http:, mailto: or tel:")
    return value


def check_text(value: str) -> str:
    check_line(value.translate(_BLANKS))
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"must have at most {LONGEST_TEXT} characters")
    if set(re.findall(r"[{][^}]*[}]?|[}]", value)) - {"{product}"}:
        raise ValueError("may have no braces but {product}")
    return value


def check_product(value: str) -> str:
    if "{" in value:
        raise ValueError("is what {product} stands for: it has no braces itself")
    return check_text(value)


def check_texts(value: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    for language, table in value.items():
        if language not in TABLES:
            raise ValueError(f"has a language {language!r} that qproxy does not speak: {', '.join(TABLES)}")
        for word, text in table.items():
            if word not in TABLES[language]:
                raise ValueError(
                    f"has no word {word!r}{_near(word, TABLES[language])}: docs/pages.md tells where they are"
                )
            try:
                check_product(text) if word == "product" else check_text(text)
            except ValueError as error:
                raise ValueError(f"has a text for {word!r} that {error}") from None
    return value


def _near(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, words, 1, 0.7)
    return f" (did you mean {near[0]}?)" if near else ""


Text = Annotated[str, AfterValidator(check_text)]


class PagesConfig(Part):
    product: Annotated[str, AfterValidator(check_product)] | None = Field(
        default=None, description="What Qlik Sense is called on the pages."
    )
    logo: FilePath | None = Field(default=None, description="A picture above each page: PNG or SVG, at most 32 KB.")
    accent: Annotated[str, AfterValidator(check_accent)] | None = Field(
        default=None, description="Colour of buttons and links, as in '#00673b'."
    )
    accent_dark: Annotated[str, AfterValidator(check_dark_accent)] | None = Field(
        default=None, description="The same where a person wants dark pages; by default a lighter accent."
    )
    support: Text | None = Field(default=None, description="Below each page: who helps.")
    support_url: Annotated[str, AfterValidator(check_link)] | None = Field(
        default=None, description="An address behind that: https, mailto or tel."
    )
    footer: Text | None = Field(default=None, description="The last line of each page.")
    texts: Annotated[Mapping[str, Mapping[str, str]], AfterValidator(check_texts)] = Field(
        default={}, description="Texts instead of qproxy's own: language to word to text."
    )

    def over(self, other: "PagesConfig") -> "PagesConfig":
        """What is said here, and the rest as it is said there."""
        said = {key: getattr(self, key) for key in self.model_fields_set - {"texts"}}
        both = {language: {**other.texts.get(language, {}), **self.texts.get(language, {})} for language in TABLES}
        texts = {language: table for language, table in both.items() if table}
        return other.model_copy(update={**said, "texts": texts})

    def words(self, language: str) -> dict[str, str]:
        """The texts of one language that are not qproxy's own."""
        everywhere = {"product": self.product, "support": self.support, "footer": self.footer}
        return {word: text for word, text in everywhere.items() if text} | dict(self.texts.get(language, {}))
