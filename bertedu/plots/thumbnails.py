"""Thumbnails: all heads of a model in one image, with a value or a label for each; faster than `model`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike

from bertedu.checks import numbers, strings
from bertedu.plots.descriptions import describe_model, describe_values
from bertedu.plots.drawing import scale_of, write_title
from bertedu.plots.figures import set_description, styled_axes
from bertedu.plots.fonts import rewrite, write
from bertedu.plots.style import PALETTE

MAX_PIXELS = 160_000  # of all thumbnails
MAX_SIDE = 64  # pixels along the side of a thumbnail


def shrink(attention: np.ndarray, side: int | None = None) -> np.ndarray:
    """Downsample `[..., T, T]` to `[..., side, side]`, keeping the weight farthest from 0 of each block.

    Args:
        attention: `[..., T, T]`.
        side: int. Defaults to at most 64, less for many heads.

    Example:
        >>> shrink(np.float32([[0, 0, 3], [0, -5, 0], [1, 0, 0]]), 2)
        array([[ 0.,  3.],
               [ 1., -5.]], dtype=float32)
    """
    length = attention.shape[-1]
    if side is None:
        count = attention.size // length**2
        side = min(length, max(8, min(MAX_SIDE, int((MAX_PIXELS / count) ** 0.5))))
    if attention.ndim > 3:  # one layer at a time, because all of them may take half a gigabyte
        return np.stack([shrink(layer, side) for layer in attention])
    starts = (np.arange(side) * length) // side
    high, low = (
        extreme.reduceat(extreme.reduceat(attention, starts, axis=-1), starts, axis=-2)
        for extreme in (np.maximum, np.minimum)
    )
    return np.where(high >= -low, high, low)


def thumbnails(
    attention: ArrayLike,
    tokens: Sequence[str],
    *,
    values: Sequence[Sequence[Any]] | None = None,
    name: str = "value",
    title: str | None = None,
) -> Axes:
    """Plot all heads of a model in one image; with `values`, a bar below each head shows its value as a color.

    Args:
        attention: `[L, N, T, T]`; each head has its own color scale, from 0 to its largest weight.
        tokens: list of T strings, for the alt text.
        values: `[L, N]`, numbers or strings, None for a head without one. Defaults to no bars.
        name: str, name of `values`, such as "entropy".
        title: str. Defaults to no title.

    Returns:
        The Axes.

    Raises:
        TypeError, ValueError: as `head`.

    Example:
        >>> thumbnails(np.full((1, 2, 3, 3), 1 / 3), ["the", "cat", "sat"], values=[[0.5, 2]]).figure.alt[-64:]
        ' Value ranges from 0.5 (layer 0, head 0) to 2 (layer 0, head 1).'
    """
    attention = numbers("attention", attention, "LNTT", np.float32)
    tokens = strings("tokens", tokens, attention.shape[-1], "column of attention")
    small = shrink(attention)
    layers, heads, side, _ = small.shape
    rows = enumerate(values or [])
    cells = [(row, head, value) for row, line in rows for head, value in enumerate(line) if value is not None]
    known = [value for *_, value in cells]
    largest = np.abs(small).max(axis=(-2, -1), keepdims=True)
    relative = small / np.where(largest > 0, largest, 1)
    edge = max(1, side // (6 if known else 12))  # room for a bar
    pitch = side + edge
    tiles = np.pad(relative, [(0, 0), (0, 0), (0, edge), (0, edge)], constant_values=np.nan)
    image = tiles.transpose(0, 2, 1, 3).reshape(layers * pitch, heads * pitch)
    width = max(4.5, min(8.4, 0.75 * heads))
    with styled_axes(None, (width, (0.75 if title else 0.5) + 0.95 * width * layers / heads)) as ax:
        ax.imshow(image, interpolation="nearest", **scale_of(relative))
        ax.spines[:].set_visible(False)
        ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        ax.set_xticks(pitch * np.arange(heads) + side / 2 - 0.5, list(map(str, range(heads))))
        ax.set_yticks(pitch * np.arange(layers) + side / 2 - 0.5, list(map(str, range(layers))))
        ax.set_xlabel("head", loc="left")
        ax.xaxis.set_label_position("top")
        ax.set_ylabel("layer", loc="top")
        write_title(ax, title)
        if known:
            color = _label_legend(ax, known, name) if isinstance(known[0], str) else _color_bar(ax, known, name)
            size = side, 0.7 * edge
            bars = [Rectangle((head * pitch - 0.5, row * pitch + side - 0.5), *size) for row, head, _ in cells]
            ax.add_collection(PatchCollection(bars, facecolors=list(map(color, known))))
    set_description(ax, "Grid of heat maps", title, describe_model(attention, tokens) + describe_values(cells, name))
    return ax


def _label_legend(ax: Axes, known: list[str], name: str) -> Any:
    """Add a legend of the labels' colors; return a function from label to color."""
    labels = sorted(set(known))
    colors = {label: PALETTE[number % len(PALETTE)] for number, label in enumerate(labels)}
    keys = [Patch(color=colors[label], label=str(number)) for number, label in enumerate(labels)]
    style: dict[str, Any] = {"loc": "outside lower center", "ncols": min(4, len(labels)), "frameon": False}
    legend = ax.figure.legend(handles=keys, title="value", **style)
    rewrite([legend.get_title(), *legend.get_texts()], [name, *labels])
    return colors.get


def _color_bar(ax: Axes, known: list[float], name: str) -> Any:
    """Add a color bar for the values; return a function from value to color."""
    scale = ScalarMappable(Normalize(min(known), max(known)), "cividis")
    bar = ax.figure.colorbar(scale, ax=ax, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02)
    write(bar.set_label, name)
    return scale.to_rgba
