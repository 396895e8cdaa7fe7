"""Style of all figures: readable font sizes, distinguishable colors, reproducible files."""

from typing import Any

FONT = "DejaVu Sans"  # comes with matplotlib, so that figures are the same everywhere
SMALL = 8  # points; no text is smaller
STYLE: dict[str, Any] = {
    "font.family": FONT,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.usetex": False,
    "text.parse_math": False,  # a "$" in a token is a dollar sign
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text, for search and screen readers
    "svg.hashsalt": "bertedu",  # equal figures give equal files
}
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colors that are distinguishable under every common color blindness: Okabe and Ito 2008
(https://jfly.uni-koeln.de/color), without their yellow, which is too pale for a line on white."""
MARKERS = "osD^vPX"
SCREEN_DPI = 96  # CSS pixels per inch
SHARP_DPI = 160  # of a figure in a notebook, sharp on high-density screens too
MAX_LABELS = 40  # beyond it, only every second, third, ... token is written
MAX_NUMBERS = 8  # up to that many tokens, cells show their numbers
UNIT = "attention weight"
SUFFIXES = (".png", ".svg", ".pdf")
