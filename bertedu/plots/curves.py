"""Line plots: values over layers or any other axis, and the loss over the steps of a training run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled
from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_lines, describe_training
from bertedu.plots.drawing import clean_axes, mark_cut, write_ticks
from bertedu.plots.figures import figure_of, set_description, styled_axes
from bertedu.plots.fonts import write
from bertedu.plots.style import MARKERS, PALETTE

SIZE = (6.4, 3.8)  # inches
MEAN_WINDOW = 10  # steps averaged by the bold line of a training run


def lines(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    x: Sequence[float] | Sequence[str] | None = None,
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot lines, labeled at their right end and distinguished by marker as well as by color.

    An axis of values that leaves out 0 is marked by two strokes.

    Args:
        values: `[R, X]`, one line per row.
        labels: list of R strings.
        x: X numbers, or X strings for evenly spaced points. Defaults to 0, 1, 2, ...
        xlabel, ylabel: str, axis labels.
        title: str. Defaults to no title.
        ax: Axes to draw in. Defaults to those of a new `AltTextFigure`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> lines([[1.0, 0.0]], ["river"], xlabel="layer", ylabel="similarity").figure.alt
        "Line plot of similarity over layer, 0 to 1. 'river' goes from 1.00 to 0.00."
    """
    values = numbers("values", values, "RX")
    labels = strings("labels", labels, len(values), "row of values")
    names, positions = _positions(x, values.shape[1])
    with styled_axes(ax, SIZE) as ax:
        for number, row in enumerate(values):
            dash = ("-", "--", ":")[number // len(PALETTE) % 3]
            marker, color = MARKERS[number % len(MARKERS)], PALETTE[number % len(PALETTE)]
            ax.plot(positions, row, color=color, marker=marker, linestyle=dash, markersize=5)
        if len(positions) <= 16 or names != [f"{position:g}" for position in positions]:
            write_ticks(ax.xaxis, positions, names)
        clean_axes(ax, xlabel, ylabel, title)
        _label_lines(ax, positions[-1], values[:, -1], labels)
        cut = mark_cut(ax)
    set_description(ax, "Line plot", title, describe_lines(values, labels, names, xlabel, ylabel, cut))
    return ax


@also_spelled({"judged": "validation"}, deprecated=True)
def training(
    losses: Any,
    validation: Any = (),
    *,
    steps: int,
    epoch: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the loss of each training step (pale), its mean over the last ten steps, and the validation loss.

    Args:
        losses: list of pairs (step, from 1; loss); empty before the first step.
        validation: list of pairs (step, validation loss). Defaults to none.
        steps: int, total number of training steps, the range of the x axis.
        epoch: int, steps per epoch, to mark where each ends. Defaults to no marks.
        title, ax: as in `lines`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> training([(1, 0.7), (2, 0.5)], steps=4).figure.alt
        'Training loss, 2 of 4 steps. The mean over the last steps goes from 0.70 to 0.60.'
    """
    losses, validation = (
        numbers(name, pairs, "R2") if len(pairs) else np.zeros((0, 2))
        for name, pairs in (("losses", losses), ("validation", validation))
    )
    sums = np.cumsum([0.0, *losses[:, 1]])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - MEAN_WINDOW, 0)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    with styled_axes(ax, SIZE) as ax:
        for end in range(epoch, steps, epoch) if epoch else ():
            ax.axvline(end, color="#dddddd", linewidth=0.8, zorder=0)
        ax.plot(*losses.T, color=PALETTE[0], linewidth=0.8, alpha=0.4)
        ax.plot(losses[:, 0], means, color=PALETTE[0])
        ax.plot(*validation.T, color=PALETTE[1], marker=MARKERS[1], markersize=5, clip_on=False)
        ax.set_xlim(0, steps)
        ax.set_ylim(0, 1.05 * max([*losses[:, 1], *validation[:, 1]], default=1))
        clean_axes(ax, f"step (bold: mean of the last {MEAN_WINDOW})", "loss", title)
        last = [line[-1] for line in (means, validation[:, 1]) if len(line)]
        _label_lines(ax, steps, np.array(last), ["training", "validation"][: len(last)])
    done = int(losses[-1, 0]) if len(losses) else 0
    set_description(ax, "Training loss", title, describe_training(means, validation, done, steps))
    return ax


def _positions(x: Any, count: int) -> tuple[list[str], np.ndarray]:
    """Return the names and the positions of the points along x."""
    if x is not None and len(x) and all(isinstance(value, str) for value in x):
        return strings("x", x, count, "column of values"), np.arange(count)
    x = numbers("x", np.arange(count) if x is None else x, "X", X=count)
    return [f"{value:g}" for value in x], x


def _label_lines(ax: Axes, x: float, ends: np.ndarray, labels: Sequence[str]) -> None:
    """Write each line's label beside its last point; where two would overlap, above or below it, with a thin line."""
    low, high = ax.get_ylim()
    gap = (high - low) * 0.19 / max(ax.get_window_extent().height / ax.figure.dpi, 1.0)  # 0.19 inch: a line of text
    heights = np.empty(len(ends))
    groups = []  # labels that would overlap are spaced one gap apart around the mean of their ends
    for number in np.argsort(ends, kind="stable"):
        groups.append([number])
        while len(groups) > 1 and _stack(ends, groups[-1], gap)[0] < _stack(ends, groups[-2], gap)[-1] + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        heights[group] = _stack(ends, group, gap)
    moved = np.abs(heights - ends) > gap / 3
    beside = offset_copy(ax.transData, figure_of(ax), x=22 if moved.any() else 8, units="points")
    for number, label in enumerate(labels):
        color = PALETTE[number % len(PALETTE)]
        line = {"arrowstyle": "-", "lw": 0.7, "color": color, "shrinkA": 1, "shrinkB": 4} if moved[number] else None
        style = {"textcoords": beside, "va": "center", "annotation_clip": False, "arrowprops": line, "color": color}
        write(ax.annotate, label, xy=(x, ends[number]), xytext=(x, heights[number]), **style)


def _stack(ends: np.ndarray, group: list[int], gap: float) -> np.ndarray:
    return np.mean(ends[group]) + gap * (np.arange(len(group)) - (len(group) - 1) / 2)
