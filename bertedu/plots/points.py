"""Vectors as points in the plane, their names placed where none covers another."""

import itertools
import math

import matplotlib
import numpy as np
from matplotlib.text import Text

from bertedu.plots.drawing import clean_axes
from bertedu.plots.inputs import numbers, strings_of
from bertedu.plots.letters import shown
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import MARKERS, PALETTE, SMALL, STYLE
from bertedu.plots.words import vectors_in_words

DISTANCES = (5, 10, 16, 23)  # points from a point to its name, nearest first; the far ones get a line
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # right and above first, as one writes


def vectors(points, labels, *, groups=None, shares=None, ax=None, title=None):
    """Points in the plane with their names beside them; near each other means alike.

    Names never cover one another: where it is crowded they move away from their points, with a thin line back; where
    there is no room at all they are left out, and the picture says how many.

    Args:
        points: `[R, 2]`; ``points, shares = analysis.principal_components(vectors)`` makes them of any vectors.
        labels: R strings; an empty one is not written.
        groups: None, or R strings: points of one group share colour and marker, and a legend names them.
        shares: None, or 2 numbers: what part of the whole variance each axis shows.
        ax: None (a new `Picture`), or the Axes to draw in.
        title: None, or a line above.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> vectors([[0, 0], [0, 1], [5, 5]], ["a", "b", "c"]).figure.alt
        "Scatter plot of 3 points. Nearest to 'a' is 'b', to 'b' 'a', to 'c' 'b'."
    """
    points = numbers("points", points, "R2")
    labels = strings_of("labels", labels, len(points), "rows of points")
    groups = [""] * len(points) if groups is None else strings_of("groups", groups, len(points), "rows of points")
    shares = None if shares is None else numbers("shares", shares, "2")
    kinds = list(dict.fromkeys(groups))
    figure = new_figure((6.2 + any(kinds) * _columns(kinds), 4.8), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for number, kind in enumerate(kinds):
            chosen = points[[group == kind for group in groups]]
            ax.scatter(*chosen.T, s=36, label=str(number), edgecolors="white", linewidths=0.5, **_style(number))
        ax.margins(0.12)
        clean_axes(ax, *_axis_names(shares), title)
        if any(kinds):
            _legend(ax, kinds)
        ax.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        _write_names(ax, points, labels)
    tell(ax, title, vectors_in_words(points, labels, groups, shares, title))
    return ax


def _style(number):
    """A colour and a marker, none of them twice for 49 groups."""
    turn = number // len(PALETTE)
    return {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[(number + turn) % len(MARKERS)]}


def _axis_names(shares):
    if shares is None:
        return "", ""
    return [f"component {number}: {share:.0%} of the variance" for number, share in enumerate(shares, start=1)]


def _columns(kinds):
    return math.ceil(len(kinds) / 20)


def _legend(ax, kinds):
    """Beside the picture, where it covers no point and no name."""
    legend = ax.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0,
                       ncols=_columns(kinds))  # fmt: skip
    for text, kind in zip(legend.get_texts(), kinds, strict=True):  # here: matplotlib ignores labels such as "_x"
        text.set(text=shown(kind)[0], family=shown(kind)[1])


def _write_names(ax, points, labels):
    """Each name at the first free place around its point, those with the closest neighbours first."""
    names = [
        ax.annotate(shown(label)[0], point, (0, 0), textcoords="offset points", family=shown(label)[1], fontsize=SMALL,
                    color="#333333", arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#777777", "shrinkA": 1})
        for point, label in zip(points, labels, strict=True)
    ]  # fmt: skip
    written = [bool(label) for label in labels]
    left_out = sum(written) - _place_names(ax, points, names, written)
    if left_out:  # say so; that takes a line from the picture, so places are sought once more
        axis = f"{ax.get_xlabel()}\n".lstrip()
        ax.set_xlabel(f"{axis}({left_out} names left out: no room)")
        left_out = sum(written) - _place_names(ax, points, names, written)
        ax.set_xlabel(f"{axis}({left_out} names left out: no room)")


def _place_names(ax, points, names, written):
    """Moves each name to a free place, or hides it; returns how many are seen."""
    ax.figure.draw_without_rendering()  # so that layout and limits are final, and places on the page are known
    unit = ax.figure.dpi / 72
    spots = ax.transData.transform(points)
    limits = ax.get_window_extent().padded(4 * unit)
    taken = np.concatenate([spots - 3.5 * unit, spots + 3.5 * unit], axis=1)  # boxes: left, bottom, right, top
    apart = np.sort(np.linalg.norm(spots[:, None] - spots, axis=-1), axis=1)
    for number in np.argsort(apart[:, 1:4].sum(axis=1), kind="stable"):
        name = names[number]
        name.set_visible(True)  # what is hidden has no size
        # an annotation's own extent would have its line in it; a little air at the side keeps words apart
        size = np.array(Text.get_window_extent(name).size) + (3 * unit, 0)
        place, box = _free_place(spots[number], size, unit, taken, limits) if written[number] else (None, None)
        name.set_visible(place is not None)
        if place is not None:
            name.set(position=place, ha="left", va="bottom")
            name.arrow_patch.set_visible(np.linalg.norm(np.clip(0, place, place + size / unit)) > 8)
            taken = np.vstack([taken, box])
    return sum(name.get_visible() for name in names)


def _free_place(spot, size, unit, taken, limits):
    """Where a name of `size` pixels fits: its offset from `spot` in points, and its box; (None, None) if nowhere."""
    for distance, side in itertools.product(DISTANCES, SIDES):
        step = np.array(side) * distance * unit * (1 if 0 in side else 0.75)
        corner = spot + step - size * (1 - np.array(side)) / 2
        box = np.concatenate([corner, corner + size])
        free = (box[2] <= taken[:, 0]) | (box[0] >= taken[:, 2]) | (box[3] <= taken[:, 1]) | (box[1] >= taken[:, 3])
        inside = limits.x0 <= box[0] and limits.y0 <= box[1] and box[2] <= limits.x1 and box[3] <= limits.y1
        if free.all() and inside:
            return (corner - spot) / unit, box
    return None, None
