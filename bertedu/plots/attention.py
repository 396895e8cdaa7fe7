"""Heat maps of attention weights: one head, the heads of a layer, all heads of a model; and of attention rollout."""

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_head, describe_layer, describe_model, describe_rollout
from bertedu.plots.drawing import grid, heat_map, panels, scale_of, thumbnail
from bertedu.plots.figures import set_description
from bertedu.plots.style import SMALL, STYLE, UNIT

ROLLOUT_UNIT = "contribution of the input token"


def head(
    attention: ArrayLike,
    tokens: Sequence[str],
    *,
    queries: Sequence[str] | None = None,
    unit: str = UNIT,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Plot the attention weights of one head as a heat map: a row per query, a column per key.

    Args:
        attention: `[T, S]`, finite numbers. If some are negative (talking heads), the colors diverge around 0.
        tokens: list of S strings, the keys.
        queries: list of T strings. Defaults to `tokens`.
        unit: str, label of the color bar.
        ax: Axes to draw in. Defaults to those of a new `AltTextFigure`.
        title: str. Defaults to no title.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: an argument does not match its description; the message names it.

    Example:
        >>> head([[0.75, 0.25], [0.5, 0.5]], ["the", "cat"]).figure.alt
        "Heat map: 2 tokens attend to 2 tokens. 'the' attends most to 'the' (0.75), 'cat' to 'the' (0.50)."
    """
    attention = numbers("attention", attention, "TS")
    tokens = strings("tokens", tokens, attention.shape[1], "column of attention")
    name, rows = ("tokens", tokens) if queries is None else ("queries", queries)
    queries = strings(name, rows, attention.shape[0], "row of attention")
    axes_names = ("key (to)", "query (from)")
    ax = heat_map(attention, tokens, queries, scale_of(attention), unit, title, ax, axes_names)
    set_description(ax, "Heat map", title, describe_head(attention, tokens, queries))
    return ax


def layer(
    attention: ArrayLike, tokens: Sequence[str], *, heads: Sequence[int] | None = None, title: str | None = None
) -> np.ndarray:
    """Plot the attention weights of a layer's heads as small heat maps.

    Args:
        attention: `[N, T, T]`; each head has its own color scale, from 0 to its largest weight.
        tokens: list of T strings, shown at the left and bottom edges if T is at most 16.
        heads: list of int, the heads to draw, in this order. Defaults to all.
        title: str. Defaults to no title.

    Returns:
        An array of N Axes, or of one for each of `heads`.

    Raises:
        TypeError, ValueError: as `head`. IndexError: no such head.

    Example:
        >>> layer(np.full((2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (2,)
    """
    attention = numbers("attention", attention, "NTT")
    tokens = strings("tokens", tokens, attention.shape[-1], "column of attention")
    heads = list(range(len(attention)) if heads is None else heads)
    darkest = "The darkest square is each head's largest weight."
    note = "Blue is positive, red is negative." if attention.min() < 0 else darkest
    axes = panels(attention[heads], tokens, [f"head {number}" for number in heads], title, f"{note} White is 0.")
    set_description(axes[0], "Heat maps", title, describe_layer(attention[heads], heads, tokens))
    return axes


def model(attention: ArrayLike, tokens: Sequence[str], *, title: str | None = None) -> np.ndarray:
    """Plot all heads of a model as a grid of small heat maps: a row per layer, a column per head, numbered from 0.

    Args:
        attention: `[L, N, T, T]`; each head has its own color scale, from 0 to its largest weight.
        tokens: list of T strings, for the alt text.
        title: str. Defaults to no title.

    Returns:
        An array of L by N Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> model(np.full((4, 2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (4, 2)
    """
    attention = numbers("attention", attention, "LNTT")
    tokens = strings("tokens", tokens, attention.shape[-1], "column of attention")
    layers, heads = attention.shape[:2]
    side = max(0.3, min(0.95, 8.4 / heads))
    darkest = "and the darkest square is that head's largest weight"
    colors = "blue is positive, red is negative" if attention.min() < 0 else darkest
    note = f"Each square is one head: rows are queries, columns are keys; white is 0, {colors}."
    axes = grid(layers, heads, layers * heads, (side, side), (0.75, 0.1, 0.1), title, note).reshape(layers, heads)
    with matplotlib.rc_context(STYLE):
        for index in np.ndindex(layers, heads):
            thumbnail(axes[index], attention[index])
        step = math.ceil(0.3 / side)  # a two-digit number needs that much width
        for number in range(0, heads, step):
            axes[0, number].set_title(f"head {number}" if number == 0 else str(number), fontsize=SMALL, pad=3)
        for number in range(layers):
            axes[number, 0].set_ylabel(f"layer {number}", fontsize=SMALL, rotation=0, ha="right", va="center")
    set_description(axes[0, 0], "Grid of heat maps", title, describe_model(attention, tokens))
    return axes


def rollout(
    values: ArrayLike, tokens: Sequence[str], *, names: Sequence[str] | None = None, title: str | None = None
) -> Axes | np.ndarray:
    """Plot attention rollout, as `analysis.rollout` computes it: a row per output token, a column per input token.

    Args:
        values: `[T, T]`, one rollout, or `[L, T, T]`, a small heat map for each layer on a common color scale.
        tokens: list of T strings; small heat maps show them if T is at most 16.
        names: list of L strings. Defaults to "after layer 0", ...
        title: str. Defaults to no title.

    Returns:
        The Axes; an array of L Axes for `[L, T, T]`.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> rollout([[[0.75, 0.25], [0.5, 0.5]]], ["the", "cat"])[0].figure.alt
        "Rollout of 2 tokens, 1 layer. After layer 0, a token keeps 0.62 of itself, and 'the' contributes most (0.62)."
    """
    several = np.ndim(values) == 3
    values = numbers("values", values, "LTT" if several else "TT")
    tokens = strings("tokens", tokens, values.shape[-1], "column of values")
    scale = {"cmap": "Blues", "vmin": 0, "vmax": values.max() or 1.0}
    if several:
        names = [f"after layer {number}" for number in range(len(values))] if names is None else names
        names = strings("names", names, len(values), "matrix in values")
        note = "Rows: tokens after the layer. Columns: input tokens."
        axes = panels(values, tokens, names, title, note, scale, ROLLOUT_UNIT)
        set_description(axes[0], "Rollout", title, describe_rollout(values, tokens, names))
        return axes
    ax = heat_map(values, tokens, tokens, scale, ROLLOUT_UNIT, title, names=("input token", "output token"))
    set_description(ax, "Rollout", title, describe_rollout(values[None], tokens, ["after all layers"]))
    return ax
