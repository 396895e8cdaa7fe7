"""Head view: the tokens of a text left and right, and between them a line for each weight of a layer's heads.

Which heads, which direction between two texts, with or without [CLS] and [SEP], from which weight on: all of it is
chosen in the page. Chapter: 12.
"""

import re

import numpy as np

from bertedu.views import arrays
from bertedu.views.common import View


def head_view(attention, tokens, *, segments=None, layer=0, heads=None, title=None, signed=None):
    """One layer's heads as lines from the tokens that look to the tokens that are looked at.

    Args:
        attention: `[L, N, T, T]`, `[N, T, T]`, `[L, 1, N, T, T]`, or a list of L arrays `[1, N, T, T]` or `[N, T, T]`;
            of NumPy, TensorFlow, JAX or torch; finite; up to 1,024 tokens.
        tokens: T strings.
        segments: None (told from [SEP]), or T numbers: 0 for the first text, 1 for the second, None for neither.
        layer: int, the layer shown first.
        heads: None (all), or the numbers of the heads shown first.
        title: None, or a line above.
        signed: None (told from the numbers), or whether weights can be negative, as those of talking heads.

    Returns:
        A `View`.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> head_view(np.full((2, 3, 3, 3), 1 / 3), ["the", "cat", "sat"])  # doctest: +ELLIPSIS
        head_view of 3 tokens, 2 layers of 3 heads: ... KB to the first drawing, a file of at most ... KB
    """
    attention = arrays.attention_array("attention", attention)
    tokens = arrays.token_list(tokens, attention.shape[-1])
    return HeadView(
        attention,
        tokens,
        segments=arrays.segment_list(segments, tokens),
        layer=arrays.choice("layer", layer, len(attention)),
        heads=_heads(heads, attention.shape[1]),
        title=None if title is None else arrays.visible(title),
        signed=arrays.signed_or_not(attention, signed),
    )


class HeadView(View):
    """What `head_view` returns."""

    kind = "head"

    def __init__(self, attention, tokens, *, segments, layer, heads, title, signed):
        super().__init__(tokens, title, attention.shape[:2], arrays.packed_nbytes(attention.shape[1:]))
        self.attention = attention
        self.segments, self.layer, self.heads, self.signed = segments, layer, heads, signed
        self.notes = arrays.notes(attention, signed)

    def setup(self):
        """What the page must know first."""
        return {
            "tokens": self.tokens,
            "special": [int(arrays.is_special(token)) for token in self.tokens],
            "segments": self.segments,
            "heads": self.attention.shape[1],
            "layer": self.layer,
            "chosen": self.heads,
            "title": self.title,
            "signed": self.signed,
            "notes": self.notes,
        }

    def first_part(self):
        """The chosen layer."""
        return f"layer/{self.layer}"

    def part_names(self, layers):
        """A part a layer."""
        return [f"layer/{layer}" for layer in layers]

    def part(self, name):
        """A layer's weights, `[N, T, T]`."""
        kind, layer = name.split("/")
        if kind != "layer":
            raise KeyError(name)
        return arrays.packed(self.attention[arrays.choice("layer", int(layer), self.layers)])

    def exact(self, *, layer, side, index):
        """What token `index` looks at in every head (side "query"), or who looks at it (side "key"): `[N, T]`."""
        weights = self.attention[arrays.choice("layer", layer, self.layers)]
        index = arrays.choice("index", index, len(self.tokens))
        line = weights[:, index] if side == "query" else weights[:, :, index]
        return np.ascontiguousarray(line).tobytes()

    def axes(self):
        """The layer's heads as heat maps; one large one where a single head was chosen."""
        from bertedu import plots

        weights = self.attention[self.layer]
        name = f"layer {self.layer}" if self.title is None else f"{self.title}, layer {self.layer}"
        if len(self.heads) == 1:
            return plots.head(weights[self.heads[0]], self.labels, title=f"{name}, head {self.heads[0]}")
        if self.heads == list(range(len(weights))):
            return plots.layer(weights, self.labels, title=name)
        axes = plots.layer(weights[self.heads], self.labels, title=f"{name}, heads {', '.join(map(str, self.heads))}")
        return _renumbered(axes, self.heads)


def _renumbered(axes, heads):
    """The pictures of some heads with their own numbers, which `plots.layer` counts from 0; in its words too."""
    for ax, head in zip(axes, heads, strict=True):
        ax.set_title(f"head {head}", fontsize=ax.title.get_fontsize(), pad=3)
    own = re.compile(r"(?<=[:,] )head (\d+) (?=')")
    axes[0].alt_text = own.sub(lambda found: f"head {heads[int(found[1])]} ", axes[0].alt_text)
    return axes


def _heads(heads, count):
    if heads is None:
        return list(range(count))
    chosen = [arrays.choice("heads", head, count) for head in heads]
    if not chosen:
        raise ValueError("heads must name at least one head, or be None for all.")
    return sorted(set(chosen))
