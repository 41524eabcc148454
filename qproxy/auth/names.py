"""Which names cannot be mistaken for others, and how they are written so that equal ones are equal.

Pure. A name that is odd is told, never mended: what would be left over may be somebody else's.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 256
SCRIPTS: Final = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Scripts with letters that look alike."""

_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Characters that Unicode calls printable and nobody sees (Default_Ignorable_Code_Point of DerivedCoreProperties)."""
_FIRST_CN = re.compile(r"\s*cn\s*=\s*((?:\\.|[^\\,+])*)", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.)", re.DOTALL)


def oddity(name: str) -> str:
    """What is wrong with a name, in words that continue "the user id 'x' ..."; "" when it is clear."""
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if not name.isprintable() or _UNSEEN.search(name):
        return "holds control characters, or some that cannot be seen"
    if name != name.strip():
        return "begins or ends with a blank"
    if "\\" in name or name.count("@") > 1:
        return "holds a backslash or several @"
    return _likeness(name)


def _likeness(name: str) -> str:
    """Characters that stand for others (full-width letters, ligatures, the Kelvin sign), and letters of scripts that
    look alike in one name."""
    plain = normal(name) == unicodedata.normalize("NFKC", name)
    if not plain or any(normal(character) != character for character in name):
        return "holds characters that look like others, such as full-width letters"
    scripts = {unicodedata.name(character, "").split(" ")[0] for character in name if character.isalpha()}
    return "mixes letters of scripts that look alike" if len(scripts & SCRIPTS) > 1 else ""


def normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def same(text: str) -> str:
    """Equal for texts that differ by case only."""
    return normal(text).lower()


def recased(name: str, case: str) -> str:
    """In the case "lower", "upper" or "keep"; "" when capitals would make it another name's (ß and ss)."""
    if case == "upper":
        return normal(name.upper()) if normal(name.upper().lower()) == normal(name.lower()) else ""
    return normal(name.lower()) if case == "lower" else name


def cn_of(value: str) -> str:
    """The first CN of a distinguished name that begins with one, without escapes (RFC 4514); other text as it is."""
    found = _FIRST_CN.match(value)
    return _ESCAPED.sub(_unescaped, found[1]).strip() if found else value


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]


def usable_value(value: str) -> bool:
    """Whether Qlik can be given it as the value of an attribute."""
    return bool(value.strip()) and value.isprintable() and ";" not in value
