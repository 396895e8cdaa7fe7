"""Lines: how numbers change, from layer to layer for instance, or from step to step of a training."""

import matplotlib
import numpy as np

from bertedu.plots.drawing import clean_axes, write_ticks
from bertedu.plots.inputs import numbers, positions, strings_of
from bertedu.plots.letters import shown
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import MARKERS, MOST_LABELS, PALETTE, STYLE
from bertedu.plots.words import lines_in_words, training_in_words

MEAN_OF = 10  # steps that the smooth line of a training is the mean of


def lines(values, labels, *, x=None, xlabel, ylabel, title=None, ax=None):
    """Lines that carry their names at their right end; told apart by marker as well as by colour.

    Args:
        values: `[R, X]`, one line a row.
        labels: R strings.
        x: None (0, 1, 2, ...), or X numbers, or X strings to write below evenly spaced points.
        xlabel, ylabel: str, what the axes show.
        title: None, or a line above.
        ax: None (a new `Picture`), or the Axes to draw in.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> lines([[1.0, 0.5]], ["river"], xlabel="layer", ylabel="similarity").figure.alt
        "Line plot of similarity over layer, 0 to 1. 'river' goes from 1.00 to 0.50."
    """
    values = numbers("values", values, "RX")
    labels = strings_of("labels", labels, len(values), "rows of values")
    names, x = positions(x, values.shape[1])
    figure = new_figure((6.4, 3.8), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for number, row in enumerate(values):
            ax.plot(x, row, **_line_style(number))
        if len(x) <= 16 or names != [f"{value:g}" for value in x]:
            write_ticks(ax.xaxis, x, names, MOST_LABELS)
        clean_axes(ax, xlabel, ylabel, title)
        _label_lines(ax, x[-1], values[:, -1], labels)
    tell(ax, title, lines_in_words(values, labels, names, xlabel, ylabel, title))
    return ax


def training(losses, judged=(), *, steps, epoch=None, title=None, ax=None):
    """The loss of a training: of each step, pale; the mean of the last ten; and the validation's, where it was judged.

    Args:
        losses: pairs (number of the step, from 1; loss); may be empty, before the first.
        judged: pairs (steps done, loss of the validation), only where there are `losses`.
        steps: int, all steps of the training; the axis has room for them from the beginning.
        epoch: None, or int, the steps of an epoch, to mark where each ends.
        title, ax: as in `lines`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> training([(1, 0.7), (2, 0.5)], steps=4).figure.alt
        'Loss of a training, 2 of 4 steps. The mean of the last steps goes from 0.70 to 0.60.'
    """
    losses, judged = (numbers(name, pairs, "R2") if len(pairs) else np.zeros((0, 2))
                      for name, pairs in (("losses", losses), ("judged", judged)))  # fmt: skip
    sums = np.cumsum([0.0, *losses[:, 1]])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - MEAN_OF, 0)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    figure = new_figure((6.4, 3.8), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for end in range(epoch, steps, epoch) if epoch else ():
            ax.axvline(end, color="#dddddd", linewidth=0.8, zorder=0)
        ax.plot(*losses.T, color=PALETTE[0], linewidth=0.8, alpha=0.4)
        ax.plot(losses[:, 0], means, color=PALETTE[0])
        ax.plot(*judged.T, color=PALETTE[1], marker=MARKERS[1], markersize=5, clip_on=False)
        ax.set_xlim(0, steps)
        ax.set_ylim(0, 1.05 * max([*losses[:, 1], *judged[:, 1]], default=1))
        clean_axes(ax, f"step (bold: the mean of the last {MEAN_OF})", "loss", title)
        last = [line[-1] for line in (means, judged[:, 1]) if len(line)]
        _label_lines(ax, steps, np.array(last), ["training", "validation"][: len(last)])
    tell(ax, title, training_in_words(means, judged, len(losses) and int(losses[-1, 0]), steps, title))
    return ax


def _line_style(number):
    solid = ("-", "--", ":")[number // len(PALETTE) % 3]
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": solid,
        "markersize": 5,
    }


def _label_lines(ax, x, ends, labels):
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
    for number, label in enumerate(labels):
        text, family = shown(label)
        ax.annotate(text, (x, places[number]), (8, 0), textcoords="offset points", va="center", family=family,
                    color=PALETTE[number % len(PALETTE)], annotation_clip=False)  # fmt: skip


def _stack(ends, group, gap):
    return np.mean(ends[group]) + gap * (np.arange(len(group)) - (len(group) - 1) / 2)
