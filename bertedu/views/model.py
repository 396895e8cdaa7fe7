"""Model view: every head of every layer as a thumbnail, and one of them large.

Heads can be put in order and coloured by a number or a label for each, as its entropy or what it was found to do.
Chapter: 12.
"""

import functools

import numpy as np

from bertedu.views import arrays
from bertedu.views.common import View

THUMBNAILS = 160_000  # bytes for all thumbnails together
LARGEST = 64  # pixels along the side of a thumbnail


def model_view(attention, tokens, *, values=None, name="value", layer=0, head=0, title=None, signed=None):
    """All heads as a grid of thumbnails, a row for each layer; one of them is shown large.

    Args:
        attention: as in `head_view`.
        tokens: T strings.
        values: None, or `[L, N]`: a number (NaN: none) or a label for each head, to sort and colour by.
        name: what `values` are, as "entropy".
        layer, head: the head shown large first.
        title: None, or a line above.
        signed: None (told from the numbers), or whether weights can be negative, as those of talking heads.

    Returns:
        A `View`.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> model_view(np.full((2, 3, 3, 3), 1 / 3), ["the", "cat", "sat"])  # doctest: +ELLIPSIS
        model_view of 3 tokens, 2 layers of 3 heads: ... KB to the first drawing, a file of at most ... KB
    """
    attention = arrays.attention_array("attention", attention)
    return ModelView(
        attention,
        arrays.token_list(tokens, attention.shape[-1]),
        values=_values(values, attention.shape[:2]),
        name=arrays.visible(name),
        layer=arrays.choice("layer", layer, len(attention)),
        head=arrays.choice("head", head, attention.shape[1]),
        title=None if title is None else arrays.visible(title),
        signed=arrays.signed_or_not(attention, signed),
    )


class ModelView(View):
    """What `model_view` returns."""

    kind = "model"

    def __init__(self, attention, tokens, *, values, name, layer, head, title, signed):
        super().__init__(tokens, title, attention.shape[:2], arrays.packed_nbytes(attention.shape[1:]))
        self.attention = attention
        self.values, self.name, self.layer, self.head, self.signed = values, name, layer, head, signed
        self.notes = arrays.notes(attention, signed)
        count = attention.shape[0] * attention.shape[1]
        self.side = max(8, min(len(tokens), LARGEST, int((THUMBNAILS / count) ** 0.5)))
        self.side = min(self.side, len(tokens))

    @functools.cached_property
    def _seen(self):
        """Which token each head looks at most, on average over the rows, and that mean: `[L, N]` each."""
        means = np.stack([layer.mean(axis=-2) for layer in self.attention])  # [L, N, T]
        best = np.abs(means).argmax(axis=-1)
        return best, np.take_along_axis(means, best[..., None], axis=-1)[..., 0]

    @functools.cached_property
    def _small(self):
        return np.stack([shrunk(layer, self.side) for layer in self.attention])  # [L, N, side, side]

    def setup(self):
        """What the page must know first."""
        best, shares = self._seen
        return {
            "tokens": self.tokens,
            "heads": self.attention.shape[1],
            "layer": self.layer,
            "head": self.head,
            "title": self.title,
            "signed": self.signed,
            "notes": self.notes,
            "side": self.side,
            "values": self.values,
            "valuesName": self.name,
            "seen": best.tolist(),
            "shares": np.round(shares.astype(float), 4).tolist(),
        }

    def first_part(self):
        """The thumbnails."""
        return "thumbnails"

    def part_names(self, layers):
        """The thumbnails, and a part a head."""
        return ["thumbnails", *(f"head/{layer}/{head}" for layer in layers for head in range(self.attention.shape[1]))]

    def part(self, name):
        """Thumbnails: largest weight of each head, then `[L, N, side, side]` of its shares. A head: `[T, T]`."""
        if name == "thumbnails":
            return self._thumbnails()
        kind, layer, head = name.split("/")
        if kind != "head":
            raise KeyError(name)
        return arrays.packed(self._one(int(layer), int(head)))

    def exact(self, *, layer, head, index):
        """What token `index` looks at in one head: `[T]`."""
        return self._one(layer, head)[arrays.choice("index", index, len(self.tokens))].tobytes()

    def axes(self):
        """The grid of all heads; with a value for each, the one that shows it."""
        from bertedu import plots

        if self.values is not None:
            return self.quick_axes()
        return plots.model(self.attention, self.labels, title=self.title)

    def quick_axes(self):
        """The grid as one image of thumbnails: `plots.model` takes seconds for an Axes for each of 144 heads."""
        from bertedu.plots.picture import tell
        from bertedu.plots.words import model_in_words

        ax = _mosaic(self._small, self.signed, self.title, self.values, self.name)
        words = model_in_words(self.attention, self.labels, self.title)
        tell(ax, self.title, f"{words}{_values_in_words(self.values, self.name)}")
        return ax

    def _one(self, layer, head):
        weights = self.attention[arrays.choice("layer", layer, self.layers)]
        return np.ascontiguousarray(weights[arrays.choice("head", head, len(weights))])

    def _thumbnails(self):
        largest = np.abs(self._small).max(axis=(-2, -1), keepdims=True)
        shares = self._small / np.where(largest > 0, largest, 1)
        levels = np.rint(128 + 127 * shares if self.signed else 255 * shares).astype(np.uint8)
        return largest.astype(np.float32).tobytes() + levels.tobytes()


def shrunk(weights, side):
    """`[..., T, T]` as `[..., side, side]`: of each block the weight farthest from 0, so that no line gets lost.

    Example:
        >>> shrunk(np.float32([[0, 0, 3], [0, -5, 0], [1, 0, 0]]), 2)
        array([[ 0.,  3.],
               [ 1., -5.]], dtype=float32)
    """
    starts = (np.arange(side) * weights.shape[-1]) // side
    high, low = (
        extreme.reduceat(extreme.reduceat(weights, starts, axis=-1), starts, axis=-2)
        for extreme in (np.maximum, np.minimum)
    )
    return np.where(high >= -low, high, low)


def _mosaic(small, signed, title, values=None, name=None):
    """The Axes of a picture of `[L, N, side, side]`, each head on a colour scale of its own, numbered from 0."""
    import matplotlib

    from bertedu.plots.drawing import write_title
    from bertedu.plots.picture import new_figure
    from bertedu.plots.style import STYLE

    layers, heads, side, _ = small.shape
    largest = np.abs(small).max(axis=(-2, -1), keepdims=True)
    shares = small / np.where(largest > 0, largest, 1)
    known = [value for row in values or [] for value in row if value is not None]
    edge = max(1, side // (6 if known else 12))  # room for a bar
    tiles = np.pad(shares, [(0, 0), (0, 0), (0, edge), (0, edge)], constant_values=np.nan)
    image = tiles.transpose(0, 2, 1, 3).reshape(layers * (side + edge), heads * (side + edge))
    width = max(4.5, min(8.4, 0.75 * heads))
    figure = new_figure((width, (0.75 if title else 0.5) + 0.95 * width * layers / heads), "constrained")
    colours = {"cmap": "RdBu", "vmin": -1} if signed else {"cmap": "Blues", "vmin": 0}
    with matplotlib.rc_context(STYLE):
        ax = figure.add_subplot()
        ax.imshow(image, vmax=1, interpolation="nearest", **colours)
        ax.spines[:].set_visible(False)
        ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        middles = [(side + edge) * np.arange(count) + side / 2 - 0.5 for count in (heads, layers)]
        ax.set_xticks(middles[0], range(heads))
        ax.set_yticks(middles[1], range(layers))
        ax.set_xlabel("head", loc="left")
        ax.xaxis.set_label_position("top")
        ax.set_ylabel("layer", loc="top")
        write_title(ax, title)
        if known:
            _mark(ax, values, known, name, side, side + edge)
    return ax


def _mark(ax, values, known, name, side, pitch):
    """A bar below each head in the colour of its value, and what the colours mean."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import Normalize
    from matplotlib.patches import Patch, Rectangle

    from bertedu.plots.letters import shown
    from bertedu.plots.style import PALETTE

    text, family = shown(name)
    if isinstance(known[0], str):
        labels = sorted(set(known))
        colour = {label: PALETTE[number % len(PALETTE)] for number, label in enumerate(labels)}.get
        keys = [Patch(color=colour(label), label=str(number)) for number, label in enumerate(labels)]
        place = {"loc": "outside lower center", "ncols": min(4, len(labels)), "frameon": False}
        legend = ax.figure.legend(handles=keys, title=text, **place)
        legend.get_title().set_family(family)
        for words, label in zip(legend.get_texts(), labels, strict=True):
            words.set(text=shown(label)[0], family=shown(label)[1])
    else:
        scale = ScalarMappable(Normalize(min(known), max(known)), "cividis")
        colour = scale.to_rgba
        bar = ax.figure.colorbar(scale, ax=ax, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02)
        bar.set_label(text, family=family)
    bars, colours = [], []
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            if value is not None:
                bars.append(Rectangle((column * pitch - 0.5, row * pitch + side - 0.5), side, 0.7 * (pitch - side)))
                colours.append(colour(value))
    ax.add_collection(PatchCollection(bars, facecolors=colours))


def _values_in_words(values, name):
    """Which heads have the least and the largest value, or how many have each label; a sentence, or nothing."""
    places = [(value, f"layer {layer}, head {head}") for layer, row in enumerate(values or [])
              for head, value in enumerate(row) if value is not None]  # fmt: skip
    if not places:
        return ""
    if isinstance(places[0][0], str):
        labels = [label for label, _ in places]
        return f" {name}: {', '.join(f'{label} {labels.count(label)}' for label in sorted(set(labels)))}."
    (least, first), (most, last) = min(places), max(places)
    return f" {name}: from {least:.3g} ({first}) to {most:.3g} ({last})."


def _values(values, shape):
    """`values` as lists for JSON: numbers, None where there is none, or visible strings."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != tuple(shape):
        raise ValueError(f"values must have one for each head, shape {list(shape)}; got {list(array.shape)}.")
    if array.dtype.kind in "USO":
        if not all(isinstance(value, str) for value in array.ravel()):
            raise TypeError("values must be all numbers or all strings.")
        return [[arrays.visible(value) for value in row] for row in array.tolist()]
    numbers = arrays.to_numpy("values", values)
    return [[float(value) if np.isfinite(value) else None for value in row] for row in numbers]
