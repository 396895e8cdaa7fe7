"""Head view: queries on the left, keys on the right, and a line for each attention weight of a layer's heads.

The page selects layer, heads, direction between two texts, special tokens, and the minimum weight. Chapter: 12.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np  # noqa: F401  (the example)

from bertedu.checks import position, positions
from bertedu.views import arrays
from bertedu.views.array_view import ArrayView


class HeadView(ArrayView):
    """The attention weights of one layer's heads as lines from queries to keys.

    Args:
        attention: `[L, N, T, T]`, `[N, T, T]`, `[L, 1, N, T, T]`, or a list of L arrays `[1, N, T, T]` or `[N, T, T]`;
            of NumPy, TensorFlow, JAX or torch; finite; up to 1,024 tokens.
        tokens: list of T strings.
        segments: list of T: 0 for the first text, 1 for the second, None for neither. Inferred from [SEP] by default.
        layer: int, the layer shown first.
        heads: list of int, the heads shown first. Defaults to all.
        title: str. Defaults to no title.
        signed: bool, whether weights can be negative, as those of talking heads. Inferred from the weights by default.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> head_view(np.full((2, 3, 3, 3), 1 / 3), ["the", "cat", "sat"])  # doctest: +ELLIPSIS
        head_view of 3 tokens, 2 layers of 3 heads: sends ... KB before the first drawing; ... at most ... KB
    """

    kind = "head"
    fields = ("segments", "signed")

    def __init__(
        self,
        attention: Any,
        tokens: Sequence[str],
        *,
        segments: Sequence[int | None] | None = None,
        layer: int = 0,
        heads: Sequence[int] | None = None,
        title: str | None = None,
        signed: bool | None = None,
    ) -> None:
        self.attention = arrays.attention_array("attention", attention)
        super().__init__([self.attention], tokens, layer, title=title)
        self.segments = arrays.segment_list(segments, self.tokens)
        self.heads = positions("heads", heads, self.head_count)
        self.signed = arrays.resolve_signed(self.attention, signed)

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state."""
        special = [int(arrays.is_special(token)) for token in self.tokens]
        return super().setup() | {"special": special, "chosen": self.heads}

    def first_part(self) -> str:
        """Return the name of the selected layer's part."""
        return f"layer/{self.layer}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts, one per layer."""
        return [f"layer/{layer}" for layer in layers]

    def part(self, name: str) -> bytes:
        """Return a layer's weights, `[N, T, T]`."""
        (layer,) = arrays.part_indices(name, "layer")
        return arrays.packed(self.attention[position("layer", layer, self.layers)])

    def exact(self, *, layer: int, side: str, index: int) -> bytes:
        """Return the weights of one token in every head, `[N, T]`, as the query or as the key."""
        weights = self.attention[position("layer", layer, self.layers)]
        index = position("index", index, len(self.tokens))
        return (weights[:, index] if side == "query" else weights[:, :, index]).tobytes()

    def axes(self) -> Any:
        """Plot the layer's heads as heat maps, or one large heat map for a single head."""
        from bertedu import plots

        weights = self.attention[self.layer]
        name = f"layer {self.layer}" if self.title is None else f"{self.title}, layer {self.layer}"
        if len(self.heads) == 1:
            return plots.head(weights[self.heads[0]], self.labels, title=f"{name}, head {self.heads[0]}")
        if len(self.heads) < self.head_count:
            name = f"{name}, heads {', '.join(map(str, self.heads))}"
        return plots.layer(weights, self.labels, heads=self.heads, title=name)


head_view = HeadView
