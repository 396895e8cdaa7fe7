"""Attention: one head, a layer's heads, every head of a model, and what reaches a token through all layers."""

import math

import matplotlib
import numpy as np

from bertedu.plots.drawing import grid, head_size, heat_map, panels, scale_of, thumbnail, token_ticks
from bertedu.plots.inputs import names_of, numbers, square_tokens, strings_of
from bertedu.plots.picture import new_figure, tell
from bertedu.plots.style import SMALL, STYLE, UNIT
from bertedu.plots.words import head_in_words, layer_in_words, model_in_words, rollout_in_words

ROLLOUT_UNIT = "share of the input token"


def head(attention, tokens, *, queries=None, unit=UNIT, ax=None, title=None):
    """One head as a heat map: each row is a token that looks, each column a token that is looked at.

    Args:
        attention: `[T, S]`, finite numbers. Where some are negative (talking heads), colours diverge around 0.
        tokens: S strings, the columns; also the rows, unless `queries` says otherwise.
        queries: None, or T strings.
        unit: str, what the numbers are: logits, say, are no shares.
        ax: None (a new `Picture`), or the Axes to draw in.
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
    tokens = strings_of("tokens", tokens, attention.shape[1], "columns of attention")
    queries = strings_of("queries" if queries is not None else "tokens", tokens if queries is None else queries,
                       attention.shape[0], "rows of attention")  # fmt: skip
    figure = new_figure(head_size(queries, tokens), "compressed") if ax is None else None
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot() if ax is None else ax
        heat_map(ax, attention, tokens, queries, scale_of(attention), unit, title)
        ax.set_xlabel("is looked at (key)")
        ax.xaxis.set_label_position("top")
        ax.set_ylabel("looks (query)")
    tell(ax, title, head_in_words(attention, tokens, queries, title))
    return ax


def layer(attention, tokens, *, title=None):
    """All heads of one layer as small heat maps, numbered from 0.

    Args:
        attention: `[N, T, S]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: S strings (and T = S); written at the left and bottom edge while they fit (16 tokens).
        title: None, or a line above.

    Returns:
        An array of N Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> layer(np.full((2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (2,)
    """
    attention = numbers("attention", attention, "NTS")
    tokens = square_tokens(attention, tokens)
    heads, columns = len(attention), min(4, len(attention))
    rows = math.ceil(heads / columns)
    labelled = len(tokens) <= 16
    side = max(1.5, 0.15 * len(tokens)) if labelled else 1.9
    room = 0.25 + 0.075 * max(map(len, tokens)) if labelled else 0.1
    colours = "Blue: above 0. Red: below." if attention.min() < 0 else "Darkest: the largest share of each head."
    lines = [*([title] if title else []), f"{colours} White: 0."]
    axes = grid(rows, columns, heads, (side, side + 0.2), (room, 0.1, 0.05 + 0.2 * len(lines), room), lines)
    with matplotlib.rc_context(STYLE):
        for number, ax in enumerate(axes):
            thumbnail(ax, attention[number])
            ax.set_title(f"head {number}", fontsize=SMALL + 1, pad=3)
            if labelled:
                token_ticks(ax, tokens, tokens, top=False)
                ax.tick_params(labelleft=number % columns == 0, labelbottom=number + columns >= heads, length=0)
    tell(axes[0], title, layer_in_words(attention, tokens, title))
    return axes


def model(attention, tokens, *, title=None):
    """Every head of every layer: a row of small heat maps for each layer, a column for each head, numbered from 0.

    Args:
        attention: `[L, N, T, S]`; each head has a colour scale of its own, from 0 to its largest share.
        tokens: S strings (and T = S), for the description.
        title: None, or a line above.

    Returns:
        An array of L by N Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> model(np.full((4, 2, 3, 3), 1 / 3), ["the", "cat", "sat"]).shape
        (4, 2)
    """
    attention = numbers("attention", attention, "LNTS")
    tokens = square_tokens(attention, tokens)
    layers, heads = attention.shape[:2]
    side = max(0.3, min(0.95, 8.4 / heads))
    colours = "blue above it, red below" if attention.min() < 0 else "darkest its largest share"
    words = f"Each square is one head: a row of it looks, a column is looked at; white is 0, {colours}."
    lines = [*([title] if title else []), words]
    axes = grid(layers, heads, layers * heads, (side, side), (0.75, 0.1, 0.25 + 0.2 * len(lines), 0.1), lines)
    axes = axes.reshape(layers, heads)
    with matplotlib.rc_context(STYLE):
        for place in np.ndindex(layers, heads):
            thumbnail(axes[place], attention[place])
        step = math.ceil(0.3 / side)  # a two-digit number needs that much width
        for number in range(0, heads, step):
            axes[0, number].set_title(f"head {number}" if number == 0 else str(number), fontsize=SMALL, pad=3)
        for number in range(layers):
            axes[number, 0].set_ylabel(f"layer {number}", fontsize=SMALL, rotation=0, ha="right", va="center")
    tell(axes[0, 0], title, model_in_words(attention, tokens, title))
    return axes


def rollout(values, tokens, *, names=None, title=None):
    """How much of each input token is in each token after the layers, as `analysis.rollout` computes it.

    Args:
        values: `[T, T]`, one rollout, or `[L, T, T]`, a small one for each layer, all on one scale of colours. A row
            is a token as it comes out, a column a token as it went in.
        tokens: T strings; written in small pictures while they fit (16 tokens).
        names: None ("after layer 0", ...), or L strings.
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
    tokens = square_tokens(values, tokens)
    scale = {"cmap": "Blues", "vmin": 0, "vmax": values.max() or 1.0}
    if several:
        names = names_of(names, len(values), "after layer {}")
        words = "A row: a token as it comes out of the layer. A column: a token as it went into the first one."
        axes = panels(values, tokens, names, scale, ROLLOUT_UNIT, [*([title] if title else []), words])
    else:
        figure = new_figure(head_size(tokens, tokens), "compressed")
        with matplotlib.rc_context(STYLE):
            axes = figure.add_subplot()
            heat_map(axes, values, tokens, tokens, scale, ROLLOUT_UNIT, title)
            axes.set_xlabel("went in")
            axes.xaxis.set_label_position("top")
            axes.set_ylabel("comes out")
    values, names = (values, names) if several else (values[None], ["after all layers"])
    words = rollout_in_words(values, tokens, names, title)
    tell(np.ravel(axes)[0], title, words)
    return axes
