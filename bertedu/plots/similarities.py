"""How similar things are: tables of it, as heat maps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_similarities, describe_similarity
from bertedu.plots.drawing import heat_map, panels
from bertedu.plots.figures import set_description


def similarity(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    unit: str = "cosine similarity",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes | np.ndarray:
    """Tables of how similar things are, as heat maps. The colours span what differs: diagonals play no part in it.

    Several tables share one scale, so that they can be compared. The tokens of a text, layer by layer:
    ``similarity(analysis.similarity(reading), reading.tokens)``.

    Args:
        values: `[R, R]`, or several such tables, `[P, R, R]`.
        labels: R strings, of rows and columns alike; written in small tables while they fit (16).
        names: P strings, what each of several tables is. Defaults to their numbers from 0.
        unit: str, what the numbers are.
        title: None, or a line above.
        ax: the Axes to draw one table in. Defaults to those of a new `AltTextFigure`.

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
    labels = strings("labels", labels, values.shape[-1], "row of values")
    others = values[..., ~np.eye(len(labels), dtype=bool)] if len(labels) > 1 else values
    scale = {"cmap": "Blues", "vmin": others.min(), "vmax": others.max()}
    if not several:
        ax = heat_map(values, labels, labels, scale, unit, title, ax)
        set_description(ax, "Heat map", title, describe_similarity(values, labels, unit))
        return ax
    if ax is not None:
        raise ValueError("ax: expected None for several tables, got Axes, which hold one. Draw them one by one there.")
    names = [str(number) for number in range(len(values))] if names is None else names
    names = strings("names", names, len(values), "table in values")
    note = "One scale for all, from the least alike to the most alike of two different things."
    axes = panels(values, labels, names, title, note, scale, unit)
    set_description(axes[0], "Heat maps", title, describe_similarities(values, labels, names, unit))
    return axes
