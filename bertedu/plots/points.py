"""Vectors as points in the plane."""

import matplotlib

from bertedu.plots.drawing import clean_axes
from bertedu.plots.inputs import numbers, strings_of
from bertedu.plots.letters import shown
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import MARKERS, PALETTE, SMALL, STYLE
from bertedu.plots.words import vectors_in_words


def vectors(points, labels, *, groups=None, ax=None, title=None):
    """Points in the plane with their names beside them; near each other means alike.

    Args:
        points: `[R, 2]`.
        labels: R strings.
        groups: None, or R strings: points of one group share colour and marker, and a legend names them.
        ax: None (a new `Picture`), or the Axes to draw in.
        title: None, or a line above.

    Returns: the Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> vectors([[0, 0], [0, 1], [5, 5]], ["a", "b", "c"]).figure.alt
        "Scatter plot of 3 points. Nearest to 'a' is 'b', to 'b' 'a', to 'c' 'b'."
    """
    points = numbers("points", points, "R2")
    labels = strings_of("labels", labels, len(points), "rows of points")
    groups = [""] * len(points) if groups is None else strings_of("groups", groups, len(points), "rows of points")
    kinds = list(dict.fromkeys(groups))
    figure = new_figure((5.6, 4.4), "constrained") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        for number, kind in enumerate(kinds):
            chosen = points[[group == kind for group in groups]]
            style = {"color": PALETTE[number % len(PALETTE)], "marker": MARKERS[number % len(MARKERS)]}
            ax.scatter(*chosen.T, s=36, label=shown(kind)[0], **style)
        ax.margins(0.2)
        for (px, py), label in zip(points, labels, strict=True):
            style = {"family": shown(label)[1], "fontsize": SMALL}
            ax.annotate(shown(label)[0], (px, py), (5, 4), textcoords="offset points", **style)
        clean_axes(ax, "", "", title)
        if any(kinds):
            ax.legend(frameon=False, fontsize=SMALL)
        ax.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    tell(ax, title, vectors_in_words(points, labels, groups, title))
    return ax
