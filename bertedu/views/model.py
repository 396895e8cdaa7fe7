"""Model view: all heads of all layers as thumbnails, one of them large.

Heads can be sorted and colored by a value or a label, such as entropy. Chapter: 12.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.checks import position, to_numpy
from bertedu.views import arrays
from bertedu.views.array_view import ArrayView


class ModelView(ArrayView):
    """All heads as a grid of thumbnails, a row per layer; one of them is shown large.

    Args:
        attention: as in `head_view`.
        tokens: list of T strings.
        values: `[L, N]`, a number (NaN for a head without one) or a label for each head, to sort and color by.
            Defaults to none.
        name: str, name of `values`, such as "entropy".
        layer, head: int, the head shown large first.
        title: str. Defaults to no title.
        signed: bool, whether weights can be negative, as those of talking heads. Inferred from the weights by default.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> model_view(np.full((2, 3, 3, 3), 1 / 3), ["the", "cat", "sat"])  # doctest: +ELLIPSIS
        model_view of 3 tokens, 2 layers of 3 heads: sends ... KB before the first drawing; ... at most ... KB
    """

    kind = "model"
    fields = ("head", "signed", "values")

    def __init__(
        self,
        attention: Any,
        tokens: Sequence[str],
        *,
        values: ArrayLike | None = None,
        name: str = "value",
        layer: int = 0,
        head: int = 0,
        title: str | None = None,
        signed: bool | None = None,
    ) -> None:
        self.attention = arrays.attention_array("attention", attention)
        super().__init__([self.attention], tokens, layer, head, title)
        self.values, self.name = _values(values, self.attention.shape[:2]), arrays.visible(name)
        self.signed = arrays.resolve_signed(self.attention, signed)

    @functools.cached_property
    def _thumbnails(self) -> np.ndarray:
        from bertedu import plots

        return plots.shrink(self.attention)  # [L, N, side, side]

    @functools.cached_property
    def _top_keys(self) -> dict[str, Any]:
        """Side of the thumbnails; for each head the key with the largest absolute mean weight, and that mean."""
        means = np.stack([layer.mean(axis=-2) for layer in self.attention])  # [L, N, T]
        keys = np.abs(means).argmax(axis=-1)  # [L, N]
        weights = np.take_along_axis(means, keys[..., None], axis=-1)[..., 0].astype(float).round(4)  # [L, N]
        return {"side": self._thumbnails.shape[-1], "topKeys": keys.tolist(), "topWeights": weights.tolist()}

    def setup(self) -> dict[str, Any]:
        """Return the page's initial state."""
        return super().setup() | self._top_keys | {"valuesName": self.name}

    def first_part(self) -> str:
        """Return the name of the thumbnails' part."""
        return "thumbnails"

    def part_names(self, layers: Iterable[int]) -> list[str]:
        """Return the names of the parts: the thumbnails, and one per head."""
        return ["thumbnails", *super().part_names(layers)]

    def part(self, name: str) -> bytes:
        """Return a head's weights, or "thumbnails": the largest weights, then `[L, N, side, side]` bytes."""
        if name != "thumbnails":
            return super().part(name)
        largest = np.abs(self._thumbnails).max(axis=(-2, -1), keepdims=True)
        relative = self._thumbnails / np.where(largest > 0, largest, 1)
        levels = np.rint(128 + 127 * relative if self.signed else 255 * relative).astype(np.uint8)
        return largest.astype(np.float32).tobytes() + levels.tobytes()

    def exact(self, *, layer: int, head: int, index: int) -> bytes:
        """Return the weights of query `index` in one head, `[T]`."""
        return self.of_head(layer, head)[0][position("index", index, len(self.tokens))].tobytes()

    def axes(self) -> Any:
        """Plot the grid of all heads, with a bar for each value if there are values."""
        from bertedu import plots

        if self.values is not None:
            return self.quick_axes()
        return plots.model(self.attention, self.labels, title=self.title)

    def quick_axes(self) -> Any:
        """Plot the grid as one image: `plots.model` takes seconds for 144 Axes."""
        from bertedu import plots

        return plots.thumbnails(self.attention, self.labels, values=self.values, name=self.name, title=self.title)


model_view = ModelView


def _values(values: ArrayLike | None, shape: tuple[int, ...]) -> list[list[Any]] | None:
    """Return `values` as lists for JSON: numbers, None for NaN, or visible strings."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.shape != shape:
        raise ValueError(f"values: expected one per head, shape {list(shape)}, got {list(array.shape)}.")
    if array.dtype.kind in "USO":
        if not all(isinstance(value, str) for value in array.ravel()):
            raise TypeError("values: expected all numbers or all strings, got a mixture.")
        return [[arrays.visible(value) for value in row] for row in array.tolist()]
    numbers = to_numpy("values", values, np.float32)
    return [[float(value) if np.isfinite(value) else None for value in row] for row in numbers]
