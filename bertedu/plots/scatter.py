"""Vectors as points in the plane, their names placed where none covers another."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled
from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_vectors
from bertedu.plots.drawing import clean_axes
from bertedu.plots.figures import figure_of, set_description, styled_axes
from bertedu.plots.fonts import rewrite, write
from bertedu.plots.style import MARKERS, PALETTE, SMALL

DISTANCES = (5, 10, 16, 23)  # points from a point to its name, nearest first; the far ones get a line
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # right and above first, as one writes


@also_spelled({"shares": "explained_variance_ratio"}, deprecated=True)
def vectors(
    points: ArrayLike,
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    explained_variance_ratio: ArrayLike | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Points in the plane with their names beside them; near each other means similar.

    Names never cover one another: where it is crowded they move away from their points, with a thin line back; where
    there is no room at all they are left out, and the figure says how many.

    Args:
        points: `[R, 2]`; ``points, ratio = analysis.principal_components(vectors)`` makes them of any vectors.
        labels: R strings; an empty one is not written.
        groups: R strings: points of one group share colour and marker, and a legend names them. Defaults to none.
        explained_variance_ratio: 2 numbers, the fraction of the variance along each axis. Defaults to none written.
        ax: the Axes to draw in. Defaults to those of a new `AltTextFigure`.
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
    labels = strings("labels", labels, len(points), "row of points")
    groups = [""] * len(points) if groups is None else strings("groups", groups, len(points), "row of points")
    ratio = explained_variance_ratio
    ratio = None if ratio is None else numbers("explained_variance_ratio", ratio, "2")
    kinds = list(dict.fromkeys(groups))
    columns = math.ceil(len(kinds) / 20) if any(kinds) else 0  # of the legend
    with styled_axes(ax, (6.2 + columns, 4.8)) as ax:
        for number, kind in enumerate(kinds):
            marker = MARKERS[(number + number // len(PALETTE)) % len(MARKERS)]  # 49 groups look different
            style: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)], "marker": marker, "edgecolors": "white"}
            members = points[[group == kind for group in groups]]
            ax.scatter(members[:, 0], members[:, 1], s=36, label=str(number), linewidths=0.5, **style)
        ax.margins(0.12)
        names = ["", ""] if ratio is None else [f"component {n}: {ratio[n - 1]:.0%} of the variance" for n in (1, 2)]
        clean_axes(ax, names[0], names[1], title)
        if columns:
            _legend(ax, kinds, columns)
        ax.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        _write_names(ax, points, labels)
    set_description(ax, "Scatter plot", title, describe_vectors(points, labels, groups, ratio))
    return ax


def _legend(ax: Axes, kinds: Sequence[str], columns: int) -> None:
    """Name the groups beside the plot, where it covers no point and no name."""
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0}
    legend = ax.legend(frameon=False, fontsize=SMALL, ncols=columns, **place)
    rewrite(legend.get_texts(), kinds)  # here: matplotlib ignores labels such as "_x"


def _write_names(ax: Axes, points: np.ndarray, labels: Sequence[str]) -> None:
    """Write each name at the first free place around its point, those with the closest neighbours first."""
    style = {"fontsize": SMALL, "color": "#333333", "textcoords": "offset points"}
    arrow = {"arrowstyle": "-", "lw": 0.5, "color": "#777777", "shrinkA": 1}
    names = [
        write(ax.annotate, label, xy=point, xytext=(0, 0), arrowprops=arrow, **style)
        for point, label in zip(points, labels, strict=True)
    ]
    written = [bool(label) for label in labels]
    left_out = sum(written) - _place_names(ax, points, names, written)
    if left_out:  # say so; that takes a line from the plot, so places are sought once more
        axis = f"{ax.get_xlabel()}\n".lstrip()
        ax.set_xlabel(f"{axis}({left_out} names left out: no room)")
        left_out = sum(written) - _place_names(ax, points, names, written)
        ax.set_xlabel(f"{axis}({left_out} names left out: no room)")


def _place_names(ax: Axes, points: np.ndarray, names: Sequence[Any], written: Sequence[bool]) -> int:
    """Move each name to a free place, or hide it; return how many are visible."""
    figure_of(ax).draw_without_rendering()  # so that layout and limits are final, and places on the page are known
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
        free = _free_place(spots[number], size, unit, taken, limits) if written[number] else None
        name.set_visible(free is not None)
        if free is not None:
            place, box = free
            name.set(position=place, ha="left", va="bottom")
            name.arrow_patch.set_visible(np.linalg.norm(np.clip(0, place, place + size / unit)) > 8)
            taken = np.vstack([taken, box])
    return sum(name.get_visible() for name in names)


def _free_place(
    spot: np.ndarray, size: np.ndarray, unit: float, taken: np.ndarray, limits: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return where a name of `size` pixels fits: its offset from `spot` in points, and its box; or None."""
    for distance, side in itertools.product(DISTANCES, SIDES):
        step = np.array(side) * distance * unit * (1 if 0 in side else 0.75)
        corner = spot + step - size * (1 - np.array(side)) / 2
        box = np.concatenate([corner, corner + size])
        free = (box[2] <= taken[:, 0]) | (box[0] >= taken[:, 2]) | (box[3] <= taken[:, 1]) | (box[1] >= taken[:, 3])
        inside = limits.x0 <= box[0] and limits.y0 <= box[1] and box[2] <= limits.x1 and box[3] <= limits.y1
        if free.all() and inside:
            return (corner - spot) / unit, box
    return None
