"""Attention: one head, a layer's heads, every head of a model, and what reaches a token through all layers."""

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

ROLLOUT_UNIT = "share of the input token"


def head(
    attention: ArrayLike,
    tokens: Sequence[str],
    *,
    queries: Sequence[str] | None = None,
    unit: str = UNIT,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """One head as a heat map: each row is a token that looks, each column a token that is looked at.

    Args:
        attention: `[T, S]`, finite numbers. Where some are negative (talking heads), colours diverge around 0.
        tokens: S strings, the columns.
        queries: T strings, the rows. Defaults to `tokens`.
        unit: str, what the numbers are, for the colour bar.
        ax: the Axes to draw in. Defaults to those of a new `AltTextFigure`.
        title: None, or a line above.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: `attention` or a list of tokens is not as above; the message names it.

    Example:
        >>> head([[0.75, 0.25], [0.5, 0.5]], ["the", "cat"]).figure.alt
        "Heat map: 2 tokens look at 2 tokens. 'the' looks most at 'the' (0.75), 'cat' at 'the' (0.50)."
    """
    attention = numbers("attention", attention, "TS")
    tokens = strings("tokens", tokens, attention.shape[1], "column of attention")
    name, rows = ("tokens", tokens) if queries is None else ("queries", queries)
    queries = strings(name, rows, attention.shape[0], "row of attention")
    axes_names = ("is looked at (key)", "looks (query)")
    ax = heat_map(attention, tokens, queries, scale_of(attention), unit, title, ax, axes_names)
    set_description(ax, "Heat map", title, describe_head(attention, tokens, queries))
    return ax


def layer(
    attention: ArrayLike, tokens: Sequence[str], *, heads: Sequence[int] | None = None, title: str | None = None
) -> np.ndarray:
    """All heads of one layer, or some of them, as small heat maps.

    Args:
        attention: `[N, T, T]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: T strings; written at the left and bottom edge while they fit (16 tokens).
        heads: numbers of the heads that are drawn, in this order. Defaults to all.
        title: None, or a line above.

    Returns:
        An array of N Axes, or of one for each of `heads`.

    Raises:
        TypeError, ValueError: as `head`. IndexError: a head that is not there.

    Example:
        >>> layer(np.full((2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (2,)
    """
    attention = numbers("attention", attention, "NTT")
    tokens = strings("tokens", tokens, attention.shape[-1], "column of attention")
    heads = list(range(len(attention)) if heads is None else heads)
    note = "Blue: above 0. Red: below." if attention.min() < 0 else "Darkest: the largest share of each head."
    axes = panels(attention[heads], tokens, [f"head {number}" for number in heads], title, f"{note} White: 0.")
    set_description(axes[0], "Heat maps", title, describe_layer(attention[heads], heads, tokens))
    return axes


def model(attention: ArrayLike, tokens: Sequence[str], *, title: str | None = None) -> np.ndarray:
    """Every head of every layer: a row of small heat maps for each layer, a column for each head, numbered from 0.

    Args:
        attention: `[L, N, T, T]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: T strings, for the description.
        title: None, or a line above.

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
    colours = "blue above it, red below" if attention.min() < 0 else "darkest its largest share"
    note = f"Each square is one head: a row of it looks, a column is looked at; white is 0, {colours}."
    axes = grid(layers, heads, layers * heads, (side, side), (0.75, 0.1, 0.1), title, note).reshape(layers, heads)
    with matplotlib.rc_context(STYLE):
        for place in np.ndindex(layers, heads):
            thumbnail(axes[place], attention[place])
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
    """How much of each input token is in each token after the layers, as `analysis.rollout` computes it.

    Args:
        values: `[T, T]`, one rollout, or `[L, T, T]`, a small one for each layer, all on one scale of colours. A row
            is a token as it comes out, a column a token as it went in.
        tokens: T strings; written in small plots while they fit (16 tokens).
        names: L strings. Defaults to "after layer 0", ...
        title: None, or a line above.

    Returns:
        The Axes; an array of L Axes for `[L, T, T]`.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> rollout([[[0.75, 0.25], [0.5, 0.5]]], ["the", "cat"])[0].figure.alt
        "Rollout of 2 tokens, 1 layer. After layer 0 a token keeps 0.62 of itself, and most is of 'the' (0.62)."
    """
    several = np.ndim(values) == 3
    values = numbers("values", values, "LTT" if several else "TT")
    tokens = strings("tokens", tokens, values.shape[-1], "column of values")
    scale = {"cmap": "Blues", "vmin": 0, "vmax": values.max() or 1.0}
    if several:
        names = [f"after layer {number}" for number in range(len(values))] if names is None else names
        names = strings("names", names, len(values), "table in values")
        note = "A row: a token as it comes out of the layer. A column: a token as it went into the first one."
        axes = panels(values, tokens, names, title, note, scale, ROLLOUT_UNIT)
        set_description(axes[0], "Rollout", title, describe_rollout(values, tokens, names))
        return axes
    ax = heat_map(values, tokens, tokens, scale, ROLLOUT_UNIT, title, names=("went in", "comes out"))
    set_description(ax, "Rollout", title, describe_rollout(values[None], tokens, ["after all layers"]))
    return ax
