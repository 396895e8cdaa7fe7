"""Array view: the base class of head, model and neuron view. Its arrays have a layer axis and a head axis."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bertedu.checks import position
from bertedu.views import arrays
from bertedu.views.view import View


class ArrayView(View):
    """A view of arrays `[L, N, T, ...]`; a part contains the arrays of one head.

    Args:
        head_arrays: list of the arrays.
        tokens: list of T strings.
        layer, head: int, shown first.
        title: str. Defaults to no title.
        name: str, the argument whose rows the tokens label, for errors.
    """

    fields: tuple[str, ...] = ()  # further attributes that the page gets, under the same names
    signed: bool  # whether the first array can be negative

    def __init__(
        self,
        head_arrays: list[np.ndarray],
        tokens: Sequence[str],
        layer: int,
        head: int = 0,
        title: str | None = None,
        name: str = "attention",
    ) -> None:
        layers, heads, length = head_arrays[0].shape[:3]
        layer_nbytes = sum(arrays.packed_nbytes(array.shape[1:]) for array in head_arrays)
        super().__init__(arrays.token_list(tokens, length, name), title, (layers, heads), layer_nbytes)
        self.arrays = head_arrays
        self.layer, self.head = position("layer", layer, layers), position("head", head, heads)

    @functools.cached_property
    def notes(self) -> list[str]:
        """Sentences about the values that the page shows above the view."""
        return arrays.notes(self.arrays[0], self.signed)

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state."""
        fields = ("tokens", "layer", "title", "notes", *self.fields)
        return {"heads": self.head_count} | {name: getattr(self, name) for name in fields}

    def first_part(self) -> str:
        """Return the name of the selected head's part."""
        return f"head/{self.layer}/{self.head}"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts, one per head."""
        return [f"head/{layer}/{head}" for layer in layers for head in range(self.head_count)]

    def part(self, name: str) -> bytes:
        """Return the arrays of one head, concatenated."""
        return b"".join(arrays.packed(array) for array in self.of_head(*arrays.part_indices(name, "head")))

    def of_head(self, layer: int, head: int) -> list[np.ndarray]:
        """Return the arrays of one head."""
        index = position("layer", layer, self.layers), position("head", head, self.head_count)
        return [array[index] for array in self.arrays]
