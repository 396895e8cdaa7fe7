"""Scatter plots of vectors in two dimensions, with labels that do not overlap."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled
from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_vectors
from bertedu.plots.drawing import clean_axes
from bertedu.plots.figures import figure_of, set_description, styled_axes
from bertedu.plots.fonts import rewrite, write
from bertedu.plots.style import MARKERS, PALETTE, SMALL

DISTANCES = (5, 10, 16, 23)  # from a point to its label, in typographic points; distant labels get a line
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))  # above right first


@also_spelled({"shares": "explained_variance_ratio"}, deprecated=True)
def vectors(
    points: ArrayLike,
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    explained_variance_ratio: ArrayLike | None = None,
    xlabel: str = "",
    ylabel: str = "",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Plot vectors in two dimensions as labeled points.

    Labels never overlap: where it is crowded, they move away from their points, with a thin line to them. Labels that
    still do not fit are omitted, and the figure says how many.

    Args:
        points: `[R, 2]`; ``points, ratio = analysis.principal_components(vectors)`` computes them from any vectors.
        labels: list of R strings; an empty one is not written.
        groups: list of R strings: each group has its color and marker, and a legend. Defaults to no groups.
        explained_variance_ratio: 2 numbers, for the axis labels of principal components.
        xlabel, ylabel: str, other axis labels. Default to none.
        ax: Axes to draw in. Defaults to those of a new `AltTextFigure`.
        title: str. Defaults to no title.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> vectors([[0, 0], [0, 1], [5, 5]], ["a", "b", "c"]).figure.alt
        "Scatter plot of 3 points. 'a' is nearest to 'b', 'b' to 'a', 'c' to 'b'."
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
            marker = MARKERS[(number + number // len(PALETTE)) % len(MARKERS)]  # 49 distinct combinations
            style: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)], "marker": marker, "edgecolors": "white"}
            members = points[[group == kind for group in groups]]
            ax.scatter(members[:, 0], members[:, 1], s=36, label=str(number), linewidths=0.5, **style)
        ax.margins(0.12)
        if ratio is not None:
            xlabel, ylabel = (f"component {n}: {ratio[n - 1]:.0%} of the variance" for n in (1, 2))
        clean_axes(ax, xlabel, ylabel, title)
        if columns:
            _legend(ax, kinds, columns)
        ax.set(aspect="equal", adjustable="datalim")
        if ratio is not None or not xlabel + ylabel:  # coordinates without a meaning
            ax.set(xticks=[], yticks=[])
        _write_names(ax, points, labels, [_ink(PALETTE[kinds.index(group) % len(PALETTE)]) for group in groups])
    set_description(ax, "Scatter plot", title, describe_vectors(points, labels, groups, ratio))
    return ax


def _legend(ax: Axes, kinds: Sequence[str], columns: int) -> None:
    """Add a legend of the groups beside the plot, where it covers no point and no label."""
    style: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0}
    legend = ax.legend(frameon=False, fontsize=SMALL, ncols=columns, **style)
    rewrite(legend.get_texts(), kinds)  # afterwards, because matplotlib ignores labels such as "_x"


def _ink(color: str) -> np.ndarray:
    """Return a darker version of a color, for text on white (contrast at least 4.5)."""
    return 0.5 * np.array(to_rgb(color))


def _write_names(ax: Axes, points: np.ndarray, labels: Sequence[str], colors: Sequence[np.ndarray]) -> None:
    """Write each label at the first free position around its point, those with the closest neighbors first."""
    style = {"fontsize": SMALL, "textcoords": "offset points", "xytext": (0, 0)}
    arrow = {"arrowstyle": "-", "lw": 0.5, "color": "#777777", "shrinkA": 1}
    names = [
        write(ax.annotate, label, xy=point, color=color, arrowprops=arrow, **style)
        for point, label, color in zip(points, labels, colors, strict=True)
    ]
    written = [bool(label) for label in labels]
    omitted = sum(written) - _position_labels(ax, points, names, written)
    if omitted:  # the note takes a line from the plot, so the positions are computed once more
        axis = f"{ax.get_xlabel()}\n".lstrip()
        ax.set_xlabel(f"{axis}({omitted} labels omitted: no room)")
        omitted = sum(written) - _position_labels(ax, points, names, written)
        ax.set_xlabel(f"{axis}({omitted} labels omitted: no room)")


def _position_labels(ax: Axes, points: np.ndarray, names: Sequence[Any], written: Sequence[bool]) -> int:
    """Move each label to a free position, or hide it; return how many are visible."""
    figure_of(ax).draw_without_rendering()  # makes layout and limits final
    unit = ax.figure.dpi / 72
    anchors = ax.transData.transform(points)
    limits = ax.get_window_extent().padded(4 * unit)
    taken = np.concatenate([anchors - 3.5 * unit, anchors + 3.5 * unit], axis=1)  # boxes: left, bottom, right, top
    distances = np.sort(np.linalg.norm(anchors[:, None] - anchors, axis=-1), axis=1)
    for number in np.argsort(distances[:, 1:4].sum(axis=1), kind="stable"):
        name = names[number]
        name.set_visible(True)  # a hidden text has no extent
        # an annotation's own extent would include its line; the margin keeps neighboring labels apart
        size = np.array(Text.get_window_extent(name).size) + (3 * unit, 0)
        free = _free_position(anchors[number], size, unit, taken, limits) if written[number] else None
        name.set_visible(free is not None)
        if free is not None:
            position, box = free
            name.set(position=position, ha="left", va="bottom")
            gaps = np.linalg.norm(np.clip(anchors, box[:2], box[2:]) - anchors, axis=1) / unit
            strange = np.delete(gaps, number).min(initial=np.inf) < gaps[number] + 2  # another point is as near
            name.arrow_patch.set_visible(strange or gaps[number] > 8)
            taken = np.vstack([taken, box])
    return sum(name.get_visible() for name in names)


def _free_position(
    anchor: np.ndarray, size: np.ndarray, unit: float, taken: np.ndarray, limits: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return where a label of `size` pixels fits: its offset from `anchor` in points, and its box; or None."""
    for distance, side in itertools.product(DISTANCES, SIDES):
        step = np.array(side) * distance * unit * (1 if 0 in side else 0.75)
        corner = anchor + step - size * (1 - np.array(side)) / 2
        box = np.concatenate([corner, corner + size])
        free = (box[2] <= taken[:, 0]) | (box[0] >= taken[:, 2]) | (box[3] <= taken[:, 1]) | (box[1] >= taken[:, 3])
        inside = limits.x0 <= box[0] and limits.y0 <= box[1] and box[2] <= limits.x1 and box[3] <= limits.y1
        if free.all() and inside:
            return (corner - anchor) / unit, box
    return None
