"""Array view: what head, model and neuron view share: arrays with a layer and a head axis, asked for part by part."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bertedu.checks import position
from bertedu.views import arrays
from bertedu.views.view import View


class ArrayView(View):
    """A view of arrays `[L, N, T, ...]`; a part is what they hold of one head.

    Args:
        shown: list of the arrays.
        tokens: T strings.
        layer, head: int, what is shown first.
        title: None, or a line above.
        of: what the rows of the arrays are, for errors.
    """

    signed: bool  # whether the first array can be negative

    def __init__(
        self,
        shown: list[np.ndarray],
        tokens: Sequence[str],
        layer: int,
        head: int = 0,
        title: str | None = None,
        of: str = "attention",
    ) -> None:
        layers, heads, length = shown[0].shape[:3]
        layer_nbytes = sum(arrays.packed_nbytes(array.shape[1:]) for array in shown)
        super().__init__(arrays.token_list(tokens, length, of), title, (layers, heads), layer_nbytes)
        self.arrays = shown
        self.layer, self.head = position("layer", layer, layers), position("head", head, heads)

    @functools.cached_property
    def notes(self) -> list[str]:
        """What a reader must know about the numbers, as sentences."""
        return arrays.notes(self.arrays[0], self.signed)

    def setup(self) -> dict[str, Any]:
        """Return what the page must know first."""
        return {
            "tokens": self.tokens,
            "heads": self.head_count,
            "layer": self.layer,
            "title": self.title,
            "notes": self.notes,
        }

    def first_part(self) -> str:
        """Return the name of the chosen head's part."""
        return f"head/{self.layer}/{self.head}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the name of one part a head."""
        return [f"head/{layer}/{head}" for layer in layers for head in range(self.head_count)]

    def part(self, name: str) -> bytes:
        """Return the arrays of one head, one after the other."""
        return b"".join(arrays.packed(array) for array in self.of_head(*arrays.part_place(name, "head")))

    def of_head(self, layer: int, head: int) -> list[np.ndarray]:
        """Return the arrays of one head."""
        place = position("layer", layer, self.layers), position("head", head, self.head_count)
        return [array[place] for array in self.arrays]
