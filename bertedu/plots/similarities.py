"""Heat maps of similarity matrices, and of any other matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bertedu.checks import numbers, strings
from bertedu.plots import drawing
from bertedu.plots.descriptions import describe_matrix, describe_similarities, describe_similarity
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
    """Plot similarity matrices as heat maps. The colors span the values off the diagonal.

    Several matrices have a common color scale, so that you can compare them. For the tokens of a text, layer by layer:
    ``similarity(analysis.similarity(reading), reading.tokens)``.

    Args:
        values: `[R, R]`, or several matrices, `[P, R, R]`.
        labels: list of R strings, for rows and columns; of several matrices, up to 16 are written.
        names: list of P strings, the title of each of several matrices. Defaults to their numbers from 0.
        unit: str, label of the color bar.
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
        ax = drawing.heat_map(values, labels, labels, scale, unit, title, ax)
        set_description(ax, "Heat map", title, describe_similarity(values, labels, unit))
        return ax
    if ax is not None:
        raise ValueError("ax: expected None for several matrices, got one Axes. Draw the matrices one by one.")
    names = [str(number) for number in range(len(values))] if names is None else names
    names = strings("names", names, len(values), "matrix in values")
    note = "One color scale for all, from the least to the most similar pair of different items."
    axes = drawing.panels(values, labels, names, title, note, scale, unit)
    set_description(axes[0], "Heat maps", title, describe_similarities(values, labels, names, unit))
    return axes


def heat_map(
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    unit: str,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a matrix as a heat map, such as the activations of neurons for words.

    Args:
        values: `[R, X]`. If some are negative, the colors diverge around 0.
        rows, columns: lists of R and X strings.
        xlabel, ylabel: str, axis labels.
        unit: str, label of the color bar.
        title: str. Defaults to no title.
        ax: Axes to draw in. Defaults to those of a new `AltTextFigure`.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> labels = {"xlabel": "word", "ylabel": "neuron", "unit": "activation"}
        >>> heat_map([[0, 2]], ["a"], ["the", "cat"], **labels).figure.alt
        "Heat map of activation, 1 x 2: rows are neuron, columns are word. Highest in each row: 'a' at 'cat' (2.00)."
    """
    values = numbers("values", values, "RX")
    rows = strings("rows", rows, len(values), "row of values")
    columns = strings("columns", columns, values.shape[1], "column of values")
    ax = drawing.heat_map(values, columns, rows, drawing.scale_of(values), unit, title, ax, (xlabel, ylabel))
    set_description(ax, "Heat map", title, describe_matrix(values, rows, columns, xlabel, ylabel, unit))
    return ax
