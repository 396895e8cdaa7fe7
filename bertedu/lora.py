"""Low-rank updates of weight matrices (LoRA): a few numbers that are trained in place of a whole matrix.

    output = x W + b + (alpha / rank) (x down) up          down: [in, rank], up: [rank, out]

W and b stay as they are. `up` starts at 0, so training starts from the model as it was. `merge` adds
(alpha / rank) down up to W, after which the model has no more weights than before.

Hu et al. 2021 (https://arxiv.org/abs/2106.09685), section 4.1. Chapter: notebooks/17_few_parameters.ipynb.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from bertedu import checks
from bertedu.serialization import ConfigFromSignature

_applied: ContextVar[dict[int, LowRankUpdate] | None] = ContextVar("updates by the id of their layer", default=None)


@keras.saving.register_keras_serializable(package="bertedu")
class LowRankUpdate(ConfigFromSignature, keras.layers.Layer):
    """A low-rank matrix that is added to the matrix `[in, out]` of a dense layer: `(alpha / rank) down up`.

    Args:
        output_dim: int, columns of the matrix.
        rank: int, rank of the update.
        alpha: float, scale of the update, relative to the rank. Defaults to `rank`, a factor of 1.

    Call arguments:
        x: `[B T, in]`, the inputs of the dense layer.

    Returns:
        `[B T, out]`, to be added to the outputs of the dense layer.

    Raises:
        ValueError: `rank` is below 1.

    Example:
        >>> update = LowRankUpdate(output_dim=6, rank=2)
        >>> tuple(update(keras.ops.ones((5, 4))).shape), tuple(update.down.shape), tuple(update.up.shape)
        ((5, 6), (4, 2), (2, 6))

    Source: Hu et al. 2021, section 4.1. `down` starts as in their code, with the Kaiming uniform distribution of
    torch's linear layers.
    """

    def __init__(self, output_dim: int, rank: int, alpha: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output_dim = output_dim
        self.rank = checks.whole_number("rank", rank)
        self.alpha = alpha
        self.scale = 1.0 if alpha is None else alpha / rank

    def build(self, input_shape: Sequence[Any]) -> None:
        """Create the two matrices for inputs of shape `[B T, in]`."""
        limit = input_shape[-1] ** -0.5
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.down = self.add_weight(shape=(input_shape[-1], self.rank), initializer=uniform, name="down")
        self.up = self.add_weight(shape=(self.rank, self.output_dim), initializer="zeros", name="up")

    def reset(self, rng: np.random.Generator) -> None:
        """Set `down` to new random numbers and `up`, and so the whole update, to 0."""
        limit = self.down.shape[0] ** -0.5
        self.down.assign(rng.uniform(-limit, limit, self.down.shape).astype("float32"))
        self.up.assign(np.zeros(self.up.shape, "float32"))

    def call(self, x: Any) -> Any:
        """Return the update's product with `x`, `[B T, out]`."""
        return ops.matmul(ops.matmul(x, self.down) * self.scale, self.up)  # [B T, out]


class Adaptable:
    """Mixin for a layer with a `kernel`, which adds to its product what `applied` names for it."""

    kernel: Any

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """The shape `[in, out]` of the kernel as a matrix."""
        return tuple(self.kernel.shape)

    def updated(self, x: Any, product: Any) -> Any:
        """Return `product`, `[B T, out]`, plus the product of `x` with the layer's update, if it has one."""
        update = (_applied.get() or {}).get(id(self))
        return product if update is None else product + update(x)


class Dense(Adaptable, keras.layers.Dense):
    """Keras' `Dense`, without an activation, that can have a low-rank update."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return `x W + b`, `[B T, out]`."""
        return self.updated(inputs, super().call(inputs))


@contextlib.contextmanager
def applied(updates: Mapping[Any, LowRankUpdate]) -> Iterator[None]:
    """Inside the block, the outputs of some layers include their low-rank updates.

    Args:
        updates: dict, `Adaptable` layer -> its update.
    """
    token = _applied.set({id(layer): update for layer, update in updates.items()})
    try:
        yield
    finally:
        _applied.reset(token)


def merge(weight: Any, down: np.ndarray, up: np.ndarray, scale: float = 1.0) -> None:
    """Add the matrix `scale down up` to a weight, whose axes may split those of the matrix, as in `[D, N, H]`.

    Args:
        weight: Keras variable.
        down: array `[in, rank]`.
        up: array `[rank, out]`.
        scale: float. Defaults to 1.
    """
    dtype = np.promote_types(ops.convert_to_numpy(weight).dtype, "float32")
    add(weight, scale * (down.astype(dtype) @ up.astype(dtype)))


def add(weight: Any, difference: np.ndarray) -> None:
    """Add an array to a weight, in float32 at least. The array may have other axes than the weight."""
    value = ops.convert_to_numpy(weight)
    weight.assign(value.astype(np.promote_types(value.dtype, "float32")) + difference.reshape(value.shape))
