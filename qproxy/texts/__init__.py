"""Every sentence that a person reads on qproxy's pages: one table for each language, with the same words in each.

A method says words of the table; what is no word of it is shown as it is. `{product}` stands for what Qlik Sense is
called here. Pure. It must hold text only: no markup (the templates escape it) and nothing about a single request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from qproxy.texts import de, en, es, fr, ja, sv

TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"en": en.TEXTS, "de": de.TEXTS, "sv": sv.TEXTS, "fr": fr.TEXTS, "es": es.TEXTS, "ja": ja.TEXTS}
)
"""By language (BCP 47), the first one for whoever understands none of them."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of one language, ready to be shown."""

    language: str
    table: Mapping[str, str]

    def __getitem__(self, word: str) -> str:
        return self.table[word]

    def say(self, text: str) -> str:
        """The text of a word, or what is no word as it is."""
        return self.table.get(text, text)


def in_language(language: str, instead: Mapping[str, str] = MappingProxyType({})) -> Texts:
    """`instead`: an operator's own texts, by word."""
    table = {**TABLES[language], **instead}
    return Texts(language, {word: text.replace("{product}", table["product"]) for word, text in table.items()})
