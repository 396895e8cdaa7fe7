"""Fonts: choose an installed font that can draw a text, or replace characters that no font has."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from matplotlib import font_manager

from bertedu.plots.style import FONT


def write(setter: Callable[..., Any], text: str, **style: Any) -> Any:
    """Call `setter`, such as `ax.set_title`, with `text` as it can be drawn and the fonts for it."""
    text, family = drawable(text)
    return setter(text, family=family, parse_math=False, **style)


def rewrite(texts: Iterable[Any], labels: Iterable[str]) -> None:
    """Set each matplotlib Text, such as those of a legend, to its label as it can be drawn and the fonts for it."""
    for text, (label, family) in zip(texts, map(drawable, labels), strict=True):
        text.set(text=label, family=family)


@functools.lru_cache(maxsize=4096)
def drawable(text: str) -> tuple[str, list[str]]:
    """Return `text` as it can be drawn, and the font families to draw it with.

    A character that no installed font has would give a warning and an empty box; its code point is written instead.
    """
    families, characters = [FONT], []
    for character in text:
        family = FONT if ord(character) in _characters(font_manager.findfont(FONT)) else _family_with(character)
        if family and family not in families:
            families.append(family)
        characters.append(character if family and character.isprintable() else f"U+{ord(character):04X}")
    return "".join(characters), families


@functools.lru_cache(maxsize=1024)
def _family_with(character: str) -> str | None:
    """Return an installed family that can draw `character`, or None."""
    if not character.isprintable():
        return None
    # "Last Resort" draws every character as a box, and the cm... fonts have other characters at some code points
    fonts = (font for font in font_manager.fontManager.ttflist if not font.name.startswith(("Last Resort", "cm")))
    upright = (font for font in fonts if font.style == "normal" and font.weight in (400, "normal"))
    return next((font.name for font in upright if ord(character) in _characters(font.fname)), None)


@functools.lru_cache(maxsize=512)
def _characters(path: str) -> frozenset[int]:
    try:
        font = font_manager.get_font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()  # bitmap fonts are not
    except (OSError, RuntimeError):
        return frozenset()
