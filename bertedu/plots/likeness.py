"""How alike things are: a table of it, as a heat map."""

import matplotlib
import numpy as np

from bertedu.plots.drawing import head_size, heat_map
from bertedu.plots.inputs import numbers, strings_of
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import STYLE
from bertedu.plots.words import similarity_in_words


def similarity(values, labels, *, unit="cosine similarity", title=None, ax=None):
    """A table of how alike things are, as a heat map. The colours span what differs: the diagonal plays no part in it.

    Args:
        values: `[R, R]`.
        labels: R strings, of rows and columns alike.
        unit: str, what the numbers are.
        title: None, or a line above.
        ax: None (a new `Picture`), or the Axes to draw in.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> similarity([[1, 0.5], [0.5, 1]], ["a", "b"]).figure.alt
        "Heat map of cosine similarity between 2 things. Most like 'a' is 'b' (0.50), like 'b' 'a' (0.50)."
    """
    values = numbers("values", values, "RR")
    if values.shape[0] != values.shape[1]:
        raise ValueError(f"values must have as many rows as columns, got {list(values.shape)}.")
    labels = strings_of("labels", labels, len(values), "rows of values")
    others = values[~np.eye(len(values), dtype=bool)] if len(values) > 1 else values
    figure = new_figure(head_size(labels, labels), "compressed") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        heat_map(ax, values, labels, labels, {"cmap": "Blues", "vmin": others.min(), "vmax": others.max()}, unit, title)
    tell(ax, title, similarity_in_words(values, labels, unit, title))
    return ax
