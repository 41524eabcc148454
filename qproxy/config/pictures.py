"""An operator's picture: whether it may stand on a login page, and as what it stands there.

A page shows it as an image, in which a browser runs no script and loads nothing (HTML, "image data"); what would need
either is refused all the same, because it would not look as it was meant. Files are only read.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from qproxy.config.page_models import PagesConfig
from qproxy.config.rules import Finding

LARGEST: Final = 32 * 1024
"""Bytes: it is a part of every page."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SVG: Final = "{http://www.w3.org/2000/svg}"
_REFUSED: Final = frozenset({"script", "foreignobject", "iframe", "audio", "video"})


def picture_files(file: str, pages: PagesConfig) -> Iterator[Finding]:
    if pages.logo:
        try:
            data_url(pages.logo)
        except (OSError, ValueError) as error:
            text = error.strerror if isinstance(error, OSError) else str(error)
            yield Finding(file, ("pages", "logo"), f"{pages.logo} {text or 'cannot be read'}")


def data_url(path: Path) -> str:
    """The picture as an address. Raises OSError, and ValueError with words that continue its name."""
    with path.open("rb") as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"is larger than {LARGEST // 1024} KB: it is a part of every page")
    if content.startswith(_PNG):
        kind = "image/png"
    else:
        _check_svg(content)
        kind = "image/svg+xml"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _check_svg(content: bytes) -> None:
    if b"<!" in content.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise ValueError("has a document type: save it as a plain SVG without one")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - an operator's own file, without entities
    except (ElementTree.ParseError, ValueError, LookupError):
        raise ValueError("is neither a PNG nor an SVG picture") from None
    if root.tag != f"{_SVG}svg":
        raise ValueError('is no SVG picture: its outermost element must be <svg xmlns="http://www.w3.org/2000/svg">')
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2].lower()
        if name in _REFUSED:
            raise ValueError(f"has a <{name}> in it, which no picture needs: remove it")
        for attribute, value in element.attrib.items():
            _check_attribute(attribute.rpartition("}")[2].lower(), value.strip().lower())


def _check_attribute(name: str, value: str) -> None:
    if name.startswith("on"):
        raise ValueError(f"has a script in it ({name}): remove it")
    if name == "href" and not value.startswith(("#", "data:image/")):
        raise ValueError("refers to something outside of itself: put it into the file")
