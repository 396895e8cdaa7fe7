"""Heat maps of similarity matrices."""

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
    """Plot similarity matrices as heat maps. The colours span the values off the diagonal.

    Several matrices have a common colour scale, so that you can compare them. For the tokens of a text, layer by layer:
    ``similarity(analysis.similarity(reading), reading.tokens)``.

    Args:
        values: `[R, R]`, or several matrices, `[P, R, R]`.
        labels: list of R strings, for rows and columns; of several matrices, up to 16 are written.
        names: list of P strings, the title of each of several matrices. Defaults to their numbers from 0.
        unit: str, label of the colour bar.
        title: str. Defaults to no title.
        ax: Axes to draw a single matrix in. Defaults to those of a new `AltTextFigure`.

    Returns:
        The Axes; an array of P Axes for several matrices.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> similarity([[1, 0.5], [0.5, 1]], ["a", "b"]).figure.alt
        "Heat map of cosine similarity between 2 items. 'a' is most similar to 'b' (0.50), 'b' to 'a' (0.50)."
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
        raise ValueError("ax: expected None for several matrices, got one Axes. Draw the matrices one by one.")
    names = [str(number) for number in range(len(values))] if names is None else names
    names = strings("names", names, len(values), "matrix in values")
    note = "One colour scale for all, from the least to the most similar pair of different items."
    axes = panels(values, labels, names, title, note, scale, unit)
    set_description(axes[0], "Heat maps", title, describe_similarities(values, labels, names, unit))
    return axes
