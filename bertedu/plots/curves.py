"""Lines: how numbers change, from layer to layer for instance, or from step to step of a training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled
from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_lines, describe_training
from bertedu.plots.drawing import clean_axes, write_ticks
from bertedu.plots.figures import set_description, styled_axes
from bertedu.plots.fonts import write
from bertedu.plots.style import MARKERS, PALETTE

SIZE = (6.4, 3.8)  # inches
MEAN_OF = 10  # steps that the smooth line of a training is the mean of


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
    """Lines that carry their names at their right end; told apart by marker as well as by colour.

    Args:
        values: `[R, X]`, one line a row.
        labels: R strings.
        x: X numbers, or X strings to write below evenly spaced points. Defaults to 0, 1, 2, ...
        xlabel, ylabel: str, what the axes show.
        title: None, or a line above.
        ax: the Axes to draw in. Defaults to those of a new `AltTextFigure`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> lines([[1.0, 0.5]], ["river"], xlabel="layer", ylabel="similarity").figure.alt
        "Line plot of similarity over layer, 0 to 1. 'river' goes from 1.00 to 0.50."
    """
    values = numbers("values", values, "RX")
    labels = strings("labels", labels, len(values), "row of values")
    names, places = _positions(x, values.shape[1])
    with styled_axes(ax, SIZE) as ax:
        for number, row in enumerate(values):
            dash = ("-", "--", ":")[number // len(PALETTE) % 3]
            marker, colour = MARKERS[number % len(MARKERS)], PALETTE[number % len(PALETTE)]
            ax.plot(places, row, color=colour, marker=marker, linestyle=dash, markersize=5)
        if len(places) <= 16 or names != [f"{place:g}" for place in places]:
            write_ticks(ax.xaxis, places, names)
        clean_axes(ax, xlabel, ylabel, title)
        _label_lines(ax, places[-1], values[:, -1], labels)
    set_description(ax, "Line plot", title, describe_lines(values, labels, names, xlabel, ylabel))
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
    """The loss of a training: of each step, pale; the mean of the last ten; and the validation loss.

    Args:
        losses: pairs (number of the step, from 1; loss); may be empty, before the first.
        validation: pairs (steps done, validation loss), only where there are `losses`.
        steps: int, all steps of the training; the axis has room for them from the beginning.
        epoch: int, the steps of an epoch, to mark where each ends. Defaults to no marks.
        title, ax: as in `lines`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> training([(1, 0.7), (2, 0.5)], steps=4).figure.alt
        'Loss of a training, 2 of 4 steps. The mean of the last steps goes from 0.70 to 0.60.'
    """
    losses, validation = (
        numbers(name, pairs, "R2") if len(pairs) else np.zeros((0, 2))
        for name, pairs in (("losses", losses), ("validation", validation))
    )
    sums = np.cumsum([0.0, *losses[:, 1]])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - MEAN_OF, 0)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    with styled_axes(ax, SIZE) as ax:
        for end in range(epoch, steps, epoch) if epoch else ():
            ax.axvline(end, color="#dddddd", linewidth=0.8, zorder=0)
        ax.plot(*losses.T, color=PALETTE[0], linewidth=0.8, alpha=0.4)
        ax.plot(losses[:, 0], means, color=PALETTE[0])
        ax.plot(*validation.T, color=PALETTE[1], marker=MARKERS[1], markersize=5, clip_on=False)
        ax.set_xlim(0, steps)
        ax.set_ylim(0, 1.05 * max([*losses[:, 1], *validation[:, 1]], default=1))
        clean_axes(ax, f"step (bold: the mean of the last {MEAN_OF})", "loss", title)
        last = [line[-1] for line in (means, validation[:, 1]) if len(line)]
        _label_lines(ax, steps, np.array(last), ["training", "validation"][: len(last)])
    done = int(losses[-1, 0]) if len(losses) else 0
    set_description(ax, "Loss of a training", title, describe_training(means, validation, done, steps))
    return ax


def _positions(x: Any, count: int) -> tuple[list[str], np.ndarray]:
    """Return names and numbers of the points along x."""
    if x is not None and len(x) and all(isinstance(value, str) for value in x):
        return strings("x", x, count, "column of values"), np.arange(count)
    x = numbers("x", np.arange(count) if x is None else x, "X", X=count)
    return [f"{value:g}" for value in x], x


def _label_lines(ax: Axes, x: float, ends: np.ndarray, labels: Sequence[str]) -> None:
    """Write each line's name beside its last point, moved up or down where two would overlap."""
    low, high = ax.get_ylim()
    gap = (high - low) * 0.19 / max(ax.get_window_extent().height / ax.figure.dpi, 1.0)  # 0.19 inch: a line of text
    places = np.empty(len(ends))
    groups = []  # names that would overlap stand one gap apart around the middle of their ends
    for number in np.argsort(ends, kind="stable"):
        groups.append([number])
        while len(groups) > 1 and _stack(ends, groups[-1], gap)[0] < _stack(ends, groups[-2], gap)[-1] + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        places[group] = _stack(ends, group, gap)
    style = {"xytext": (8, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
    for number, label in enumerate(labels):
        write(ax.annotate, label, xy=(x, places[number]), color=PALETTE[number % len(PALETTE)], **style)


def _stack(ends: np.ndarray, group: list[int], gap: float) -> np.ndarray:
    return np.mean(ends[group]) + gap * (np.arange(len(group)) - (len(group) - 1) / 2)
