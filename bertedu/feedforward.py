"""Feed-forward: the same small two-layer network at every position, where two thirds of a layer's weights are.

    output = activation(x W_1 + b_1) W_2 + b_2
    gated: output = (activation(x W_1 + b_1) * (x V + c)) W_2 + b_2

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.3. Chapter: notebooks/04_feedforward.ipynb.
Shazeer 2020 (https://arxiv.org/abs/2002.05202). Chapter: notebooks/13_talking_heads.ipynb.
"""

import keras
from keras import ops

from bertedu import defaults
from bertedu.registry import register


@register("bertedu")
class Feedforward(keras.layers.Layer):
    """Widen to F neurons, keep what the activation lets through, and come back to D.

    No residual and no normalisation: those belong to the layer around it (`TransformerEncoder`).

    Args:
        inner_dim: int, F >= 1, how many neurons (BERT: 4 D).
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
        inner_dim,
        inner_activation=defaults.gelu_tanh,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if inner_dim < 1:
            raise ValueError(f"inner_dim must be at least 1, got {inner_dim}.")
        self.inner_dim = inner_dim
        self.inner_activation = keras.activations.get(inner_activation)
        self.kernel_initializer = defaults.get_initializer(kernel_initializer)
        self.bias_initializer = defaults.get_initializer(bias_initializer)
        self.supports_masking = True

    def build(self, input_shape):
        self.intermediate_dense = self._dense(self.inner_dim, "intermediate")
        self.intermediate_dense.build(input_shape)
        self.output_dense = self._dense(input_shape[-1], "output")
        self.output_dense.build((*input_shape[:-1], self.inner_dim))

    def _dense(self, units, name):
        return keras.layers.Dense(
            units,
            kernel_initializer=defaults.fresh(self.kernel_initializer),
            bias_initializer=defaults.fresh(self.bias_initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def call(self, inputs):
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]: product, bias and GELU are then one kernel
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        return ops.reshape(self.output_dense(neurons), ops.shape(inputs))  # [B, T, D]

    def get_config(self):
        return super().get_config() | {
            "inner_dim": self.inner_dim,
            "inner_activation": keras.activations.serialize(self.inner_activation),
            "kernel_initializer": defaults.serialize(self.kernel_initializer),
            "bias_initializer": defaults.serialize(self.bias_initializer),
        }


@register("bertedu")
class GatedFeedforward(Feedforward):
    """A feed-forward network in which a second, linear layer decides how much of each neuron passes.

    With GELU this is the paper's GEGLU. The gate is not activated, and unlike in the paper all three layers have
    biases, as in tf-models. Residual and normalisation belong to the layer around it, as for `Feedforward`.

    Args, Call arguments, Returns, Raises:
        As `Feedforward`.

    Example:
        >>> feedforward = GatedFeedforward(inner_dim=12)
        >>> tuple(feedforward(keras.ops.ones((1, 4, 3))).shape)
        (1, 4, 3)

    Source: Shazeer 2020, section 2; tf-models' `GatedFeedforward`.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.gate_dense = self._dense(self.inner_dim, "gate")
        self.gate_dense.build(input_shape)

    def call(self, inputs):
        tokens = ops.reshape(inputs, (-1, inputs.shape[-1]))  # [B T, D]
        neurons = self.inner_activation(self.intermediate_dense(tokens))  # [B T, F]
        return ops.reshape(self.output_dense(neurons * self.gate_dense(tokens)), ops.shape(inputs))  # [B, T, D]
