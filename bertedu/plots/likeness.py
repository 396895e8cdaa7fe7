"""How alike things are: tables of it, as heat maps."""

import matplotlib
import numpy as np

from bertedu.plots.drawing import head_size, heat_map, panels
from bertedu.plots.inputs import names_of, numbers, strings_of
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import STYLE
from bertedu.plots.words import similarities_in_words, similarity_in_words


def similarity(values, labels, *, names=None, unit="cosine similarity", title=None, ax=None):
    """Tables of how alike things are, as heat maps. The colours span what differs: diagonals play no part in it.

    Several tables share one scale, so that they can be compared. The tokens of a text, layer by layer:
    ``similarity(analysis.similarity(reading), reading.tokens)``.

    Args:
        values: `[R, R]`, or several such tables, `[P, R, R]`.
        labels: R strings, of rows and columns alike; written in small tables while they fit (16).
        names: None (numbered from 0), or P strings, what each of several tables is.
        unit: str, what the numbers are.
        title: None, or a line above.
        ax: None (a new `Picture`), or the Axes to draw one table in.

    Returns:
        The Axes; an array of P Axes for several tables.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> similarity([[1, 0.5], [0.5, 1]], ["a", "b"]).figure.alt
        "Heat map of cosine similarity between 2 things. Most like 'a' is 'b' (0.50), like 'b' 'a' (0.50)."
    """
    several = np.ndim(values) == 3
    values = numbers("values", values, "PRR" if several else "RR")
    if values.shape[-1] != values.shape[-2]:
        raise ValueError(f"values must have as many rows as columns, got {list(values.shape)}.")
    labels = strings_of("labels", labels, values.shape[-1], "rows of values")
    others = values[..., ~np.eye(len(labels), dtype=bool)] if len(labels) > 1 else values
    scale = {"cmap": "Blues", "vmin": others.min(), "vmax": others.max()}
    if several:
        if ax is not None:
            raise ValueError("ax holds one table; leave it out to draw several, or draw them one by one.")
        return _similarities(values, labels, names_of(names, len(values), "{}"), scale, unit, title)
    figure = new_figure(head_size(labels, labels), "compressed") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        heat_map(ax, values, labels, labels, scale, unit, title)
    tell(ax, title, similarity_in_words(values, labels, unit, title))
    return ax


def _similarities(values, labels, names, scale, unit, title):
    words = "One scale for all, from the least alike to the most alike of two different things."
    lines = [*([title] if title else []), words]
    axes = panels(values, labels, names, scale, unit, lines)
    tell(axes[0], title, similarities_in_words(values, labels, names, unit, title))
    return axes
