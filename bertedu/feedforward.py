"""Feed-forward: the same small two-layer network at every position, where two thirds of a layer's weights are.

    output = activation(x W_1 + b_1) W_2 + b_2
    gated: output = (activation(x W_1 + b_1) * (x V + c)) W_2 + b_2

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.3. Chapter: notebooks/04_feedforward.ipynb.
Shazeer 2020 (https://arxiv.org/abs/2002.05202). Chapter: notebooks/13_talking_heads.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.registry import register
from bertedu.serialization import ConfigFromSignature


@register("bertedu")
class Feedforward(ConfigFromSignature, keras.layers.Layer):
    """A layer that widens to F neurons, an activation, and a layer that narrows to D again.

    No residual and no normalisation: those belong to the layer around it (`TransformerEncoder`).

    Args:
        inner_dim: int, F >= 1, the number of neurons (BERT: 4 D).
        inner_activation: Keras activation (name or function) of the inner layer; BERT's is `defaults.gelu_tanh`.
        kernel_initializer, bias_initializer: Keras initializers of both layers.

    Call arguments:
        inputs: `[B, T, D]`.

    Returns:
        `[B, T, D]`.

    Raises:
        ValueError: `inner_dim` below 1, or an unknown activation.

    Example:
        >>> feedforward = Feedforward(inner_dim=12)
        >>> tuple(feedforward(keras.ops.ones((1, 4, 3))).shape)
        (1, 4, 3)
    """

    def __init__(
        self,
        inner_dim: int,
        inner_activation: Any = defaults.gelu_tanh,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inner_dim = checks.whole_number("inner_dim", inner_dim)
        self.inner_activation = keras.activations.get(inner_activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Build the two layers for inputs of the shape `[B, T, D]`."""
        self.intermediate_dense = self._dense(self.inner_dim, "intermediate")
        self.intermediate_dense.build(input_shape)
        self.output_dense = self._dense(input_shape[-1], "output")
        self.output_dense.build((*input_shape[:-1], self.inner_dim))

    def _dense(self, units, name):
        dense = defaults.dense(units, name, self.kernel_initializer, self.dtype_policy)
        dense.bias_initializer = defaults.clone_initializer(self.bias_initializer)
        return dense

    def call(self, inputs: Any) -> Any:
        """Return the network's output, `[B, T, D]`."""
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]: product, bias and GELU are then one kernel
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        return ops.reshape(self.output_dense(neurons), ops.shape(inputs))  # [B, T, D]


@register("bertedu")
class GatedFeedforward(Feedforward):
    """A feed-forward network in which a second, linear layer decides how much of each neuron passes.

    With GELU this is the paper's GEGLU. Neurons are the activated values, before the gate. The gate is not activated, and unlike in the paper all three layers have
    biases, as in tf-models. This is the bare network: tf-models' class of this name also adds the residual, applies
    dropout and normalises, which here is done by the layer around it (`TransformerEncoder`).

    Args:
        inner_dim: int, F >= 1, the number of neurons, and of gates.
        inner_activation, kernel_initializer, bias_initializer: as in `Feedforward`.

    Call arguments, Returns, Raises:
        As `Feedforward`.

    Example:
        >>> feedforward = GatedFeedforward(inner_dim=12)
        >>> tuple(feedforward(keras.ops.ones((1, 4, 3))).shape)
        (1, 4, 3)

    Source: Shazeer 2020, section 2; tf-models' `GatedFeedforward`.
    """

    def __init__(self, inner_dim: int = 768, *args: Any, **kwargs: Any) -> None:
        super().__init__(inner_dim, *args, **kwargs)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Build the three layers for inputs of the shape `[B, T, D]`."""
        super().build(input_shape)
        self.gate_dense = self._dense(self.inner_dim, "gate")
        self.gate_dense.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the network's output, `[B, T, D]`."""
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        return ops.reshape(self.output_dense(neurons * self.gate_dense(tokens)), ops.shape(inputs))  # [B, T, D]
