"""An address as a QR code: for a page, and for a terminal. It must not know what the address is for."""

from io import StringIO

import segno


def as_image(address: str) -> str:
    """An SVG image as a data: address, dark on white whatever colours the page has."""
    return segno.make(address, error="m", micro=False).svg_data_uri(scale=4, border=4, dark="#000", light="#fff")


def as_text(address: str) -> str:
    """Lines for a terminal."""
    lines = StringIO()
    segno.make(address, error="l", micro=False).terminal(lines, border=2, compact=True)
    return lines.getvalue()
