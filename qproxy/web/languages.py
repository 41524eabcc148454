"""Which language somebody is spoken to in, by what the browser says of its person (RFC 9110 12.5.4).

Pure. It must not fail on anything that a browser may send.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

LONGEST: Final = 1000
"""Characters that are read."""
_RANGE: Final = re.compile(
    r"(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?", re.IGNORECASE
)


def best(accepted: str, known: Sequence[str]) -> str:
    """The one of `known` that is wanted most; the first one for who wants none of them.

    A range means each language that it or a beginning of it names (RFC 4647 3.4, "lookup": de-CH is happy with de);
    of several that are wanted alike it is the first in the list, and `*` is any that is not named.
    """
    named: dict[str, float] = {}
    others = 0.0
    for language, quality in _ranges(accepted):
        if language == "*":
            others = quality
        else:
            found = _looked_up(language, known)
            if found and (quality or found == language):
                named[found] = max(quality, named.get(found, 0.0))
    wanted = named | {language: others for language in known if language not in named}
    top = max(wanted.values())
    return next(language for language in wanted if wanted[language] == top) if top else known[0]


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    for part in accepted[:LONGEST].split(","):
        match = _RANGE.fullmatch(part.strip())
        if match:
            yield match[1].lower(), float(match[2] or 1)


def _looked_up(language: str, known: Sequence[str]) -> str:
    while language and language not in known:
        language = language.rpartition("-")[0]
    return language
