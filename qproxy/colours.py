"""How well two colours can be told apart (WCAG 2.2, "contrast ratio"), and which one near a colour can be. Pure.

Colours are texts, "#rrggbb".
"""

from typing import Final

ENOUGH: Final = 4.5
"""For text of the usual size (WCAG 2.2, 1.4.3, level AA)."""
PAPER: Final = "#ffffff"
DARK_PAPER: Final = "#1e2226"
"""What qproxy's pages are written on, by day and by night."""


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white)."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def readable(colour: str, paper: str, towards: str) -> str:
    """The first one on the way from a colour to another one that can be read on that paper."""
    tried = [_mixed(colour, towards, step / 100) for step in range(101)]
    return next(one for one in tried if contrast(one, paper) >= ENOUGH)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _mixed(one: str, other: str, share: float) -> str:
    pairs = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(first + (second - first) * share):02x}" for first, second in pairs)
