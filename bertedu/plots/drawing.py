"""Parts of several kinds of plot: heat maps large and small, grids of them, ticks, titles."""

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path as MarkPath

from bertedu.plots.figures import new_figure, styled_axes
from bertedu.plots.fonts import drawable, write
from bertedu.plots.style import MAX_LABELS, MAX_NUMBERS, SMALL, STYLE

MAX_SMALL_LABELS = 16  # beyond it, tokens are not written beside small heat maps
COLUMNS = 4  # of small heat maps


def heat_map(
    values: np.ndarray,
    columns: Sequence[str],
    rows: Sequence[str],
    scale: dict[str, Any],
    unit: str,
    title: str | None,
    ax: Axes | None = None,
    names: Sequence[str] | None = None,
) -> Axes:
    """Draw `values` as a heat map with labels above and at the left, and a color bar; return the Axes.

    Args:
        columns, rows: labels of the columns and rows.
        names: pair of axis labels. Defaults to none.
    """
    if scale["vmin"] == 0 and 0.99 < scale["vmax"] < 1:
        scale = scale | {"vmax": 1.0}  # so that the color bar has a tick at its top
    with styled_axes(ax, _heat_map_size(rows, columns), "compressed") as ax:
        image = ax.imshow(values, aspect="equal", interpolation="nearest", **scale)
        token_ticks(ax, columns, rows)
        write_title(ax, title)
        if max(values.shape) <= MAX_NUMBERS:
            _write_numbers(ax, image, values)
        bar = ax.figure.colorbar(image, ax=ax, fraction=0.05, pad=0.03)
        write(bar.set_label, unit)
        bar.ax.tick_params(labelsize=SMALL)
        if names:
            write(ax.set_xlabel, names[0])
            write(ax.set_ylabel, names[1])
            ax.xaxis.set_label_position("top")
    return ax


def _heat_map_size(rows, columns):
    """Return width and height in inches: neighboring labels do not touch, and the longest label fits."""
    largest = min(max(len(rows), len(columns)), MAX_LABELS)
    cell = 0.48 if largest <= MAX_NUMBERS else max(0.17, min(0.32, 5.0 / largest))
    width, height = (max(1.6, cell * min(len(names), MAX_LABELS)) for names in (columns, rows))
    room = [0.085 * max(map(len, names)) for names in (rows, columns)]
    return width + room[0] + 1.5, height + room[1] + 0.8


def scale_of(values: np.ndarray) -> dict[str, Any]:
    """Return color map and limits: white at 0, blue above; symmetric, with red below, if a value is negative."""
    limit = np.abs(values).max() or 1.0
    if values.min() < 0:
        return {"cmap": "RdBu", "vmin": -limit, "vmax": limit}
    return {"cmap": "Blues", "vmin": 0, "vmax": limit}


def token_ticks(ax: Axes, columns: Sequence[str], rows: Sequence[str], top: bool = True) -> None:
    """Write the tokens along both axes; only every second, third, ... if they are too many."""
    ax.tick_params(top=top, labeltop=top, bottom=not top, labelbottom=not top, length=2, labelsize=SMALL)
    write_ticks(ax.xaxis, range(len(columns)), columns, rotation=90)
    write_ticks(ax.yaxis, range(len(rows)), rows)


def write_ticks(axis: Axis, positions: Iterable[int], names: Sequence[str], **style: Any) -> None:
    """Write `names` at `positions` along `axis`, no more than fit, each in a font that has its characters."""
    step = math.ceil(len(names) / MAX_LABELS)
    axis.set_ticks(list(positions)[::step], [drawable(name)[0] for name in names[::step]], parse_math=False, **style)
    for tick, name in zip(axis.get_ticklabels(), names[::step], strict=True):
        tick.set_fontfamily(drawable(name)[1])


def write_title(ax: Axes, title: str | None) -> None:
    """Write `title` above `ax`, aligned with its left edge."""
    if title:
        write(ax.set_title, title, loc="left")


def _write_numbers(ax, image, values):
    for row, column in np.ndindex(values.shape):
        shade = image.cmap(image.norm(values[row, column]))
        dark = np.dot(shade[:3], (0.299, 0.587, 0.114)) < 0.55  # luma of ITU-R BT.601
        ax.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", fontsize=SMALL,
                color="white" if dark else "black")  # fmt: skip


def grid(
    rows: int,
    columns: int,
    count: int,
    size: tuple[float, float],
    edges: tuple[float, float, float],
    title: str | None,
    note: str,
) -> np.ndarray:
    """Return `count` Axes of `size` inches in a grid with margins `edges` (left, right, bottom), below title and note.

    The positions are computed here because matplotlib's layout engines take seconds for 144 Axes.
    """
    lines = [*([title] if title else []), note]
    left, right, bottom = edges
    top = 0.25 - (size[1] - min(size)) + 0.2 * len(lines)  # names are above the first row, or inside each row's height
    min_width = 0.063 * max(map(len, lines)) + 0.3  # inches that the longest line needs
    width, height = max(columns * size[0] + left + right, min_width), rows * size[1] + top + bottom
    figure = new_figure((width, height))
    inner = min(size) * 0.92
    axes = np.empty(count, object)
    with matplotlib.rc_context(STYLE):
        for number, line in enumerate(lines):
            setter = functools.partial(figure.text, 0.1 / width, 1 - (0.08 + 0.2 * number) / height)
            style = {"fontsize": 10} if number < len(lines) - 1 else {"fontsize": SMALL, "color": "#444444"}
            write(setter, line, va="top", **style)
        for number in range(count):
            row, column = divmod(number, columns)
            x, y = left + column * size[0], height - top - (row + 1) * size[1]
            axes[number] = figure.add_axes((x / width, y / height, inner / width, inner / height))
    return axes


def panels(
    values: np.ndarray,
    labels: Sequence[str],
    names: Sequence[str],
    title: str | None,
    note: str,
    scale: dict[str, Any] | None = None,
    unit: str = "",
) -> np.ndarray:
    """Draw a small heat map with a title for each of `values`, `[P, R, R]`; return P Axes.

    Args:
        scale: a common color scale, with a color bar for `unit`. Defaults to a scale for each heat map.
    """
    rows = math.ceil(len(values) / COLUMNS)
    columns = math.ceil(len(values) / rows)
    labeled = len(labels) <= MAX_SMALL_LABELS
    side = max(1.5, 0.15 * len(labels)) if labeled else 1.9
    room = 0.25 + 0.075 * max(map(len, labels)) if labeled else 0.1
    axes = grid(rows, columns, len(values), (side, side + 0.2), (room, 0.75 if scale else 0.1, room), title, note)
    with matplotlib.rc_context(STYLE):
        for number, ax in enumerate(axes):
            image = thumbnail(ax, values[number], scale)
            write(ax.set_title, names[number], fontsize=SMALL + 1, pad=3)
            if labeled:
                token_ticks(ax, labels, labels, top=False)
                ax.tick_params(labelleft=number % columns == 0, labelbottom=number + columns >= len(values), length=0)
        if scale:
            _shared_bar(axes[0].figure, image, axes[0].get_position(), axes[columns - 1].get_position(), unit)
    return axes


def _shared_bar(figure, image, first, last, unit):
    """Draw a color bar beside a row of Axes; `first` and `last` are positions of its ends."""
    width = figure.get_size_inches()[0]
    bar = figure.add_axes((last.x1 + 0.12 / width, first.y0, 0.09 / width, first.height))
    write(figure.colorbar(image, cax=bar).set_label, unit)
    bar.tick_params(labelsize=SMALL)


def thumbnail(ax: Any, values: np.ndarray, scale: dict[str, Any] | None = None) -> AxesImage:
    """Draw `values`, `[T, S]`, in a frame without labels; on their own color scale by default."""
    image = ax.imshow(values, aspect="auto", interpolation="nearest", **(scale or scale_of(values)))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(linewidth=0.5, color="#888888")
    return image


def mark_cut(ax: Axes) -> bool:
    """Mark a y axis that leaves out 0 with two strokes, at the end nearer to it; return whether it does."""
    low, high = ax.get_ylim()
    if low <= 0 <= high:
        return False
    height = 0.012 if low > 0 else 0.966
    strokes = [(x, height + y) for y in (0.0, 0.022) for x in (-0.012, 0.012)]
    path = MarkPath([(x, y + (0.006 if x > 0 else -0.006)) for x, y in strokes], [1, 2, 1, 2])
    ax.add_patch(PathPatch(path, transform=ax.transAxes, clip_on=False, fill=False, linewidth=1.2, zorder=5))
    return True


def clean_axes(ax: Axes, xlabel: str, ylabel: str, title: str | None) -> None:
    """Remove the top and right spines, and label the axes."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    write(ax.set_xlabel, xlabel)
    write(ax.set_ylabel, ylabel)
    write_title(ax, title)
