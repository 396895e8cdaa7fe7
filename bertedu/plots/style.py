"""What every figure shares: letters large enough, colours that stay apart, the same file for the same figure."""

from typing import Any

FONT = "DejaVu Sans"  # comes with matplotlib, so that a picture is the same everywhere
SMALL = 8  # points; no text is smaller
STYLE: dict[str, Any] = {
    "font.family": FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.usetex": False,
    "text.parse_math": False,  # a "$" in a token is a dollar
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # letters stay letters: searchable, and read aloud
    "svg.hashsalt": "bertedu",  # the same picture gives the same file
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours that stay apart under every common colour blindness: Okabe and Ito 2008 (https://jfly.uni-koeln.de/color),
without their yellow, which is too pale for a line on white."""
MARKERS = "osD^vPX"
SCREEN_DPI = 96  # the pixels a browser counts as one inch
SHARP_DPI = 160  # what a notebook's picture is drawn with, so that it stays sharp on dense screens
MAX_LABELS = 40  # more tokens than that, and only every second, third, ... is written
MAX_NUMBERS = 8  # up to that many tokens, the numbers stand in the squares
UNIT = "share of attention"
SUFFIXES = (".png", ".svg", ".pdf")
