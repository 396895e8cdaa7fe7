"""Colors, type and text widths of the diagrams.

A role is a meaning: queries are blue, keys orange and values green in every diagram. Each role has a fill and a stroke,
each diagram has two schemes, and the browser chooses one of them with `prefers-color-scheme`.
"""

import re

LIGHT = {
    "panel": ("#fcfcfa", "#d9dcdf"),
    "ink": "#1a2530",
    "muted": "#52606d",
    "line": "#66727e",
    "plain": ("#ffffff", "#828e9a"),
    "stream": ("#e3e7eb", "#6a7683"),
    "query": ("#dbe9fb", "#2f6fc4"),
    "key": ("#fde6cf", "#bf660f"),
    "value": ("#d9f1de", "#2b8749"),
    "weight": ("#fbdfe7", "#c03a67"),
    "feedforward": ("#d3f0f2", "#12808a"),
    "table": ("#f7eecb", "#8a7010"),
    "new": ("#e9dffb", "#7848cc"),
    "off": ("#f2f2ef", "#868e96"),
}
DARK = {
    "panel": ("#14191f", "#343c45"),
    "ink": "#e9eef3",
    "muted": "#b0bac4",
    "line": "#98a4af",
    "plain": ("#20272f", "#7d8995"),
    "stream": ("#333c46", "#a0acb7"),
    "query": ("#17355b", "#70abf2"),
    "key": ("#4a2e12", "#f0a55c"),
    "value": ("#173d26", "#6fca8c"),
    "weight": ("#4e2030", "#f08dae"),
    "feedforward": ("#0f3d43", "#56c3cd"),
    "table": ("#3a3314", "#d4bb58"),
    "new": ("#35265c", "#b699f7"),
    "off": ("#191f25", "#737e89"),
}
SCHEMES = {"light": LIGHT, "dark": DARK}
ROLES = tuple(role for role, color in LIGHT.items() if isinstance(color, tuple) and role != "panel")
"""plain: an operation; stream: hidden states; weight: attention, its logits and weights; table: embedding tables; new:
trained from random values; off: padding, and what is left out."""

SIZE = 15
SMALL = 12
"""Font sizes of text, and of its subscripts and superscripts."""
BASELINE = 5
"""Distance of a line's baseline from its middle."""
LINE_HEIGHT = 20

SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',sans-serif"
MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

WIDTHS = {
    32: "'ijlIJ ,.·", 35: "/:;\\|f-", 41: "()[]t!⁰⁹r", 50: '"*_`–', 53: "sz?", 58: "cLFk", 62: "vxyPTYaoeé",
    64: "ESbdghnpquΣ$0123456789{}√", 70: "KAVBRXZC", 77: "UHNDG", 84: "&OQw#+<=>^~×−→", 100: "M%mW@…",
}  # fmt: skip
"""Percent of the font size -> characters of that width in DejaVu Sans, the widest of the fonts in `SANS`."""
PERCENT = {character: percent for percent, characters in WIDTHS.items() for character in characters}
BOLD = 1.13
MONO_PERCENT = 61

MARKUP = re.compile(r"([_^])\{([^}]*)\}")
"""Subscripts and superscripts: `W_{q}`, `E^{T}`."""


def runs(text):
    """Return a text as a list of (characters, shift), where the shift is "", "_" or "^".

    Example:
        >>> runs("x W_{q}")
        [('x W', ''), ('q', '_')]
    """
    result, start = [], 0
    for match in MARKUP.finditer(text):
        result += [(text[start : match.start()], ""), (match.group(2), match.group(1))]
        start = match.end()
    return [run for run in [*result, (text[start:], "")] if run[0]]


def text_width(text, style=""):
    """Return an estimate of the width of a line that no usual font exceeds."""
    total = 1.0
    for characters, shift in runs(text):
        size = SMALL if shift else SIZE
        total += sum(MONO_PERCENT if "mono" in style else PERCENT.get(c, 100) for c in characters) * size / 100
    return total * (BOLD if "bold" in style else 1)


def rules(scheme, roles=ROLES):
    """Return the CSS rules of the colors of one scheme, for some roles."""
    (panel, edge), root = scheme["panel"], ".bertedu-diagram"
    parts = [f"{root} .page{{fill:{panel};stroke:{edge}}}", f"{root} text{{fill:{scheme['ink']}}}"]
    parts += [f"{root} .muted{{fill:{scheme['muted']}}}", f"{root} .line{{stroke:{scheme['line']}}}"]
    parts.append(f"{root} .head{{fill:{scheme['line']}}}")
    for role in roles:
        fill, stroke = scheme[role]
        parts.append(f"{root} .{role}{{fill:{fill};stroke:{stroke}}}")
        parts.append(f"{root} .{role}-line{{stroke:{stroke}}}{root} .{role}-head{{fill:{stroke}}}")
    return "".join(parts)


def css(roles=ROLES):
    """Return the style sheet of a diagram that uses some roles, with both schemes."""
    root = ".bertedu-diagram"
    text = (
        f"{root} text{{font:{SIZE}px {SANS};stroke:none}}{root} .bold{{font-weight:600}}"
        f"{root} .mono{{font-family:{MONO}}}{root} .small{{font-size:{SMALL}px}}"
        f"{root} .arrow{{fill:none;stroke-width:1.6;stroke-linejoin:round}}{root} .wide{{stroke-width:9}}"
        f"{root} .shape{{stroke-width:1.4}}{root} .dashed{{stroke-dasharray:4 3}}{root} .strong{{stroke-width:3}}"
        f"{root} .group{{fill-opacity:.45;stroke-opacity:.5}}{root} .outline{{fill-opacity:0}}"
    )
    return f"{text}{rules(LIGHT, roles)}@media (prefers-color-scheme:dark){{{rules(DARK, roles)}}}"


def luminance(color):
    """Return the relative luminance of a color `#rrggbb`, as WCAG 2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    """Return the contrast ratio of two colors, from 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
