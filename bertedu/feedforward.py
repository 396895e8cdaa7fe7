"""Feed-forward networks: two dense layers, applied to each position separately. They hold 2/3 of a layer's weights.

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

from bertedu import checks, defaults, lora
from bertedu.registry import register
from bertedu.serialization import ConfigFromSignature
from bertedu.sites import site


@register("bertedu")
class Feedforward(ConfigFromSignature, keras.layers.Layer):
    """Position-wise feed-forward network: a dense layer to F neurons, an activation, a dense layer back to D.

    The residual connection and the layer normalization are in `TransformerEncoder`.

    Args:
        inner_dim: int, intermediate size F, the number of neurons. In BERT, F = 4 D.
        inner_activation: Keras activation of the intermediate layer. Defaults to BERT's, `defaults.gelu_tanh`.
        kernel_initializer, bias_initializer: Keras initializers of both dense layers.

    Call arguments:
        inputs: `[B, T, D]`.

    Returns:
        `[B, T, D]`.

    Raises:
        ValueError: `inner_dim` is below 1, or the activation is unknown.

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
        """Create the two dense layers for inputs of shape `[B, T, D]`."""
        self.intermediate_dense = self._dense(self.inner_dim, "intermediate")
        self.intermediate_dense.build(input_shape)
        self.output_dense = self._dense(input_shape[-1], "output")
        self.output_dense.build((*input_shape[:-1], self.inner_dim))

    def _dense(self, units, name):
        kernel, bias = map(defaults.clone_initializer, (self.kernel_initializer, self.bias_initializer))
        initializers = {"kernel_initializer": kernel, "bias_initializer": bias}
        return lora.Dense(units, **initializers, dtype=self.dtype_policy, name=name)

    def call(self, inputs: Any) -> Any:
        """Return the network's output, `[B, T, D]`."""
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]; flat: TensorFlow fuses product, bias, GELU
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        neurons = site("intermediate", neurons, ops.shape(inputs)[:-1])  # [B T, F]
        return ops.reshape(self.output_dense(neurons), ops.shape(inputs))  # [B, T, D]


@register("bertedu")
class GatedFeedforward(Feedforward):
    """Feed-forward network whose neurons are multiplied by a linear gate; with GELU, the paper's GEGLU.

    The neurons are the values after the activation and before the gate. All three dense layers have a bias, as in
    tf-models and unlike in the paper. tf-models' class of this name also contains the residual connection, dropout and
    layer normalization, which are in `TransformerEncoder` here.

    Args:
        inner_dim: int, intermediate size F, the number of neurons and of gates.
        inner_activation, kernel_initializer, bias_initializer: see `Feedforward`.

    Call arguments, Returns, Raises:
        See `Feedforward`.

    Example:
        >>> feedforward = GatedFeedforward(inner_dim=12)
        >>> tuple(feedforward(keras.ops.ones((1, 4, 3))).shape)
        (1, 4, 3)

    Source: Shazeer 2020, section 2; tf-models' `GatedFeedforward`.
    """

    def __init__(self, inner_dim: int = 768, *args: Any, **kwargs: Any) -> None:
        super().__init__(inner_dim, *args, **kwargs)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the three dense layers for inputs of shape `[B, T, D]`."""
        super().build(input_shape)
        self.gate_dense = self._dense(self.inner_dim, "gate")
        self.gate_dense.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the network's output, `[B, T, D]`."""
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        neurons = site("intermediate", neurons, ops.shape(inputs)[:-1])  # [B T, F]
        return ops.reshape(self.output_dense(neurons * self.gate_dense(tokens)), ops.shape(inputs))  # [B, T, D]
