"""The vocabulary of the diagrams: boxes, cells, arrows, sums, brackets and text, written as SVG.

Positions are in pixels from the top left. A `Drawing` records where each text is and what it must stay inside, so that
`Drawing.problems` finds texts that are too wide or overlap, without a browser.
"""

import html
import itertools
import math
import re
from dataclasses import dataclass

from tools.diagrams.style import BASELINE, LINE_HEIGHT, ROLES, css, runs, text_width

WIDTH = 540
LEVELS = 5
"""Shades of the cells of a matrix."""
PADDING = 5
"""Least distance between a text and the sides of its box."""


@dataclass(frozen=True)
class Box:
    """A rectangle, with the points where arrows begin and end."""

    x: float
    y: float
    w: float
    h: float

    @property
    def cx(self):
        """The horizontal middle."""
        return self.x + self.w / 2

    @property
    def cy(self):
        """The vertical middle."""
        return self.y + self.h / 2

    @property
    def right(self):
        """The right side."""
        return self.x + self.w

    @property
    def bottom(self):
        """The lower side."""
        return self.y + self.h

    @property
    def north(self):
        """The middle of the upper side."""
        return self.cx, self.y

    @property
    def south(self):
        """The middle of the lower side."""
        return self.cx, self.bottom

    @property
    def west(self):
        """The middle of the left side."""
        return self.x, self.cy

    @property
    def east(self):
        """The middle of the right side."""
        return self.right, self.cy

    def contains(self, other):
        """Return whether another rectangle lies inside, with half a pixel of tolerance."""
        inside_x = self.x - 0.5 <= other.x and other.right <= self.right + 0.5
        return inside_x and self.y - 0.5 <= other.y and other.bottom <= self.bottom + 0.5

    def overlaps(self, other):
        """Return whether two rectangles have a common area."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom


@dataclass(frozen=True)
class Line:
    """A line of text, its estimated rectangle, the rectangle that it must stay inside, and its style."""

    text: str
    bounds: Box
    within: Box
    style: str


def shade(*seed):
    """Return a fraction in [0, 1] that looks random and depends only on the integers `seed`."""
    return math.modf(abs(math.sin(sum((i + 1.3) * 12.9898 * s for i, s in enumerate(seed)) + 4.1) * 43758.5453))[0]


def number(value):
    """Return a coordinate with at most one decimal."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def path(points, radius=8):
    """Return SVG path data of a line through points, its corners rounded."""
    data = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        ends = []
        for other in (before, after):
            length = math.dist(corner, other)
            cut = min(radius, length / 2) / length
            ends.append([c + (o - c) * cut for c, o in zip(corner, other, strict=True)])
        data.append(f"L{number(ends[0][0])} {number(ends[0][1])}Q{number(corner[0])} {number(corner[1])}")
        data.append(f" {number(ends[1][0])} {number(ends[1][1])}")
    data.append(f"L{number(points[-1][0])} {number(points[-1][1])}")
    return "".join(data)


class Drawing:
    """A diagram that is being drawn.

    Args:
        name: str, name of the file without its ending.
        height: int, height of the drawing.
        title: str, what the diagram is of, in a few words.
        alt: str, what it shows, in one to three sentences.
    """

    def __init__(self, name, height, title, alt):
        self.name, self.title, self.alt = name, title, alt
        self.page = Box(0, 0, WIDTH, height)
        self.elements, self.lines = [], []

    def text(self, x, y, text, style="", anchor="middle", within=None):
        """Write one line whose vertical middle is `y`."""
        width = text_width(text, style)
        left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
        margin = Box(PADDING, PADDING, self.page.w - 2 * PADDING, self.page.h - 2 * PADDING)
        self.lines.append(Line(text, Box(left, y - 9, width, 18), within or margin, style))
        spans, back = [], 0
        for characters, shift in runs(text):
            to = {"_": 4, "^": -5, "": 0}[shift]
            attributes = (f' dy="{to - back}"' if to != back else "") + (' class="small"' if shift else "")
            escaped = html.escape(characters, quote=False)
            spans.append(f"<tspan{attributes}>{escaped}</tspan>" if attributes else escaped)
            back = to
        position = f'x="{number(x)}" y="{number(y + BASELINE)}"'
        align = "" if anchor == "start" else f' text-anchor="{anchor}"'
        kind = f' class="{style}"' if style else ""
        self.elements.append(f"<text {position}{align}{kind}>{''.join(spans)}</text>")

    def note(self, x, y, *lines, anchor="start"):
        """Write muted lines, the first of them at height `y`."""
        for i, line in enumerate(lines):
            if line:
                self.text(x, y + i * LINE_HEIGHT, line, "muted", anchor)

    def box(self, x, y, w, h, *lines, role="plain", style="", radius=8, extra=""):
        """Draw a rounded box with centered lines of text and return it. A line that starts with `~` is muted."""
        box = Box(x, y, w, h)
        self._rect(box, f"shape {role} {extra}".strip(), radius)
        inner = Box(x + PADDING, y, w - 2 * PADDING, h)
        for i, line in enumerate(lines):
            middle = box.cy + (i - (len(lines) - 1) / 2) * LINE_HEIGHT
            muted = line.startswith("~") or role == "off"
            self.text(box.cx, middle, line.removeprefix("~"), "muted" if muted else style, within=inner)
        return box

    def group(self, x, y, w, h, role="plain", extra=""):
        """Draw a large, pale box that other elements stand in, and return it."""
        return self.box(x, y, w, h, role=role, radius=12, extra=f"group {extra}".strip())

    def _rect(self, box, kind, radius):
        position = f'x="{number(box.x)}" y="{number(box.y)}"'
        size = f'width="{number(box.w)}" height="{number(box.h)}" rx="{radius}"'
        self.elements.append(f'<rect class="{kind}" {position} {size}/>')

    def cells(self, x, y, rows, columns, role="stream", size=14, values=None, seed=0, height=None):
        """Draw a matrix of shaded cells and return its box. `values` are fractions, row by row; None: any."""
        height = height or size
        self._rect(Box(x, y, columns * size, rows * height), f"shape {role}", 2)
        shades = {}
        for i, j in itertools.product(range(rows), range(columns)):
            value = shade(seed, i, j) if values is None else values[i][j]
            level = round(value * LEVELS)
            shades.setdefault(level, []).append(
                f"M{number(x + j * size)} {number(y + i * height)}h{size}v{height}h-{size}z"
            )
        for level, squares in sorted(shades.items()):
            if level > 0:
                opacity = f"{level * 0.7 / LEVELS:.2f}"
                self.elements.append(f'<path class="{role}-head" fill-opacity="{opacity}" d="{"".join(squares)}"/>')
        grid = [f"M{number(x + j * size)} {number(y)}v{number(rows * height)}" for j in range(1, columns)]
        grid += [f"M{number(x)} {number(y + i * height)}h{number(columns * size)}" for i in range(1, rows)]
        self.elements.append(f'<path class="{role}-line" stroke-opacity=".45" fill="none" d="{"".join(grid)}"/>')
        return Box(x, y, columns * size, rows * height)

    def arrow(self, *points, role="", head=True, kind=""):
        """Draw an arrow through points, its corners rounded."""
        prefix = f"{role}-" if role else ""
        end = points[-1]
        if head:
            size = 15 if kind == "wide" else 8
            length = math.dist(points[-2], end)
            ux, uy = (size * (e - b) / length for e, b in zip(end, points[-2], strict=True))
            wings = [(end[0] - ux + s * uy, end[1] - uy - s * ux) for s in (0.55, -0.55)]
            tip = "L".join(f"{number(px)} {number(py)}" for px, py in (end, *wings))
            points = (*points[:-1], (end[0] - 0.8 * ux, end[1] - 0.8 * uy))
        style = f"arrow {prefix}line {kind}".strip()
        self.elements.append(f'<path class="{style}" d="{path(points)}"/>')
        if head:
            self.elements.append(f'<path class="{prefix}head" d="M{tip}z"/>')

    def line(self, *points, role="", kind=""):
        """Draw a line without a head."""
        self.arrow(*points, role=role, head=False, kind=kind)

    def plus(self, x, y, role="stream"):
        """Draw a sum, a circle with a plus, and return its box."""
        self.elements.append(f'<circle class="shape {role}" cx="{number(x)}" cy="{number(y)}" r="11"/>')
        self.line((x - 6, y), (x + 6, y), role=role)
        self.line((x, y - 6), (x, y + 6), role=role)
        return Box(x - 11, y - 11, 22, 22)

    def bracket(self, start, end, depth=8):
        """Draw a bracket between two points, its back to the right of a vertical line, or below a horizontal one."""
        (x0, y0), (x1, y1) = start, end
        if y0 == y1:
            self.line((x0, y0), (x0, y0 + depth), (x1, y1 + depth), (x1, y1))
        else:
            self.line((x0, y0), (x0 + depth, y0), (x1 + depth, y1), (x1, y1))

    def problems(self):
        """Return a list of texts that leave their boxes or overlap each other."""
        outside = [line for line in self.lines if not line.within.contains(line.bounds)]
        pairs = itertools.combinations(self.lines, 2)
        overlapping = [(one, other) for one, other in pairs if one.bounds.overlaps(other.bounds)]
        return [
            *(f"{self.name}: {line.text!r} leaves its box" for line in outside),
            *(f"{self.name}: {one.text!r} overlaps {other.text!r}" for one, other in overlapping),
        ]

    def svg(self):
        """Return the text of the SVG file."""
        w, h, name = self.page.w, self.page.h, self.name
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="bertedu-diagram" width="{w}" height="{h}" '
            f'viewBox="0 0 {w} {h}" role="img" aria-labelledby="{name}-title {name}-desc">'
        )
        title = f'<title id="{name}-title">{html.escape(self.title)}</title>'
        desc = f'<desc id="{name}-desc">{html.escape(self.alt)}</desc>'
        page = f'<rect class="page" x=".5" y=".5" width="{w - 1}" height="{h - 1}" rx="14"/>'
        body = "\n".join(self.elements)
        style = css([role for role in ROLES if re.search(rf'[ "]{role}[ "-]', body)])
        return "\n".join([head, title, desc, f"<style>{style}</style>", page, body, "</svg>"]) + "\n"
