"""Lines: how numbers change, from layer to layer for instance."""

import matplotlib
import numpy as np

from bertedu.plots.drawing import clean_axes, write_ticks
from bertedu.plots.inputs import numbers, positions, strings_of
from bertedu.plots.letters import shown
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import MARKERS, MOST_LABELS, PALETTE, STYLE
from bertedu.plots.words import lines_in_words


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
