"""Letters: which installed font can draw a token, and what is written where none can."""

import functools

from matplotlib import font_manager

from bertedu.plots.style import FONT


@functools.lru_cache(maxsize=4096)
def shown(text):
    """`text` as it can be drawn, and the font families to draw it with.

    A character that no installed font has would be a warning and an empty box; it is written as its number, U+1F600.
    """
    families, letters = [FONT], []
    for letter in text:
        family = FONT if ord(letter) in _characters(font_manager.findfont(FONT)) else _family_with(letter)
        if family not in (*families, None):
            families.append(family)
        letters.append(letter if family and letter.isprintable() else f"U+{ord(letter):04X}")
    return "".join(letters), families


@functools.lru_cache(maxsize=1024)
def _family_with(letter):
    """An installed family that can draw `letter`, or None."""
    if not letter.isprintable():
        return None
    # "Last Resort" has a box for every character there is, and cm... put letters in the places of others
    fonts = (font for font in font_manager.fontManager.ttflist if not font.name.startswith(("Last Resort", "cm")))
    upright = (font for font in fonts if font.style == "normal" and font.weight in (400, "normal"))
    return next((font.name for font in upright if ord(letter) in _characters(font.fname)), None)


@functools.lru_cache(maxsize=512)
def _characters(path):
    try:
        font = font_manager.get_font(path)
        return frozenset(font.get_charmap()) if font.scalable else frozenset()  # fonts of coloured bitmaps are not
    except (OSError, RuntimeError):
        return frozenset()
