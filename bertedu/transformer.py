"""The transformer layer: attention, then a feed-forward network, each with a residual connection and a norm.

    post-norm (BERT):   y = LayerNorm(x + attention(x));   output = LayerNorm(y + feedforward(y))
    pre-norm (GPT-2):   y = x + attention(LayerNorm(x));   output = y + feedforward(LayerNorm(y))

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.1; pre-norm: Xiong et al. 2020
(https://arxiv.org/abs/2002.04745). Chapter: notebooks/05_transformer.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bertedu import checks
from bertedu.attention import MultiHeadAttention
from bertedu.feedforward import Feedforward
from bertedu.serialization import ConfigFromSignature


@keras.saving.register_keras_serializable(package="bertedu")
class TransformerEncoder(ConfigFromSignature, keras.layers.Layer):
    """One encoder layer, with the constructor and the call of `keras_hub.layers.TransformerEncoder`.

    The defaults are KerasHub's, not BERT's; `BertEncoder` builds its layers with BERT's.

    Args:
        intermediate_dim: int, F, neurons of the feed-forward network.
        num_heads: int, N. Heads have H = D // N dimensions (rounded down).
        dropout: float in [0, 1), after attention and after the feed-forward network.
        activation: Keras activation of the feed-forward network.
        layer_norm_epsilon: float, of both normalisations.
        kernel_initializer, bias_initializer: Keras initializers of all projections.
        normalize_first: bool, pre-norm instead of post-norm.
        attention_dropout: float, on the attention weights. Defaults to None, `dropout`.
        attention_cls: class of the attention, constructed as `MultiHeadAttention` is.
        feedforward_cls: class of the feed-forward network, constructed as `Feedforward` is.

    Call arguments:
        inputs: `[B, S, D]`.
        padding_mask: `[B, S]`, non-zero at real tokens. Defaults to None, an implicit Keras mask of `inputs`, if any.
        attention_mask: `[B, T, S]`, non-zero where a query may attend to a key that `padding_mask` allows as well.
            Defaults to None, everywhere.
        training: bool, whether dropout acts.
        return_attention_scores: bool, also return the attention weights `[B, N, T, S]`.
        head_mask: `[N]`, multiplies what each head contributes. Defaults to None, 1 for all.
        output_range: int. Only positions [0, output_range) are computed as queries (T of S); None and 0 mean all of
            them, a negative number counts from the end. Keys and values are always all S.
        return_qkv: bool, also return the tuple (q, k, v), each `[B, N, S, H]` (q: T).
        mask, inputs_mask: the implicit mask of `inputs`, which Keras passes (under the second name where other tensors
            are passed as well).

    Returns:
        `[B, T, D]`. With `return_attention_scores` or `return_qkv`, a tuple: the output, the weights, (q, k, v), in this
        order, each of the last two only if asked for.

    Raises:
        ValueError: more heads than dimensions, or masks of another rank or shape.

    Example:
        >>> layer = TransformerEncoder(intermediate_dim=12, num_heads=2)
        >>> tuple(layer(keras.ops.ones((1, 4, 6))).shape)
        (1, 4, 6)
    """

    def __init__(
        self,
        intermediate_dim: int,
        num_heads: int,
        dropout: float = 0,
        activation: Any = "relu",
        layer_norm_epsilon: float = 1e-05,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        normalize_first: bool = False,
        *,
        attention_dropout: float | None = None,
        attention_cls: type[keras.layers.Layer] = MultiHeadAttention,
        feedforward_cls: type[keras.layers.Layer] = Feedforward,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.normalize_first = normalize_first
        self.attention_dropout = attention_dropout
        self.attention_cls = attention_cls
        self.feedforward_cls = feedforward_cls
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, inputs_shape: Sequence[Any]) -> None:
        """Build the two blocks for inputs of the shape `[B, S, D]`."""
        hidden_size = inputs_shape[-1]
        checks.whole_number("num_heads", self.num_heads, 1, hidden_size, "There can't be more heads than dimensions.")
        common = {
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "dtype": self.dtype_policy,
        }
        self.attention = self.attention_cls(
            num_heads=self.num_heads,
            key_dim=hidden_size // self.num_heads,
            dropout=self.dropout.rate if self.attention_dropout is None else self.attention_dropout,
            name="self_attention",
            **common,
        )
        self.feedforward = self.feedforward_cls(
            self.intermediate_dim, inner_activation=self.activation, name="feedforward", **common
        )
        self.attention_norm, self.output_norm = (
            keras.layers.LayerNormalization(epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name=name)
            for name in ("self_attention_layer_norm", "output_layer_norm")
        )
        for layer in (self.attention, self.feedforward, self.attention_norm, self.output_norm):
            layer.build(inputs_shape)

    def call(
        self,
        inputs: Any,
        padding_mask: Any = None,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        *,
        head_mask: Any = None,
        output_range: int | None = None,
        return_qkv: bool = False,
        mask: Any = None,
        inputs_mask: Any = None,
    ) -> Any:
        """Return the layer's output; see the class."""
        if padding_mask is None:
            padding_mask = mask if inputs_mask is None else inputs_mask
        queries = slice(output_range or None)

        # Block 1, attention: queries for T of the S positions, keys and values for all.
        x = self.pre_norm(self.attention_norm, inputs)  # [B, S, D]
        outputs = self.attention(
            x[:, queries],
            x,
            attention_mask=combine_masks(padding_mask, attention_mask, queries),
            head_mask=head_mask,
            return_attention_scores=return_attention_scores,
            return_qkv=return_qkv,
            training=training,
        )  # [B, T, D], or a tuple
        output, *extras = outputs if return_attention_scores or return_qkv else (outputs,)
        x = self.residual(inputs[:, queries], output, self.attention_norm, training)  # [B, T, D]

        # Block 2, feed-forward.
        output = self.feedforward(self.pre_norm(self.output_norm, x))  # [B, T, D]
        x = self.residual(x, output, self.output_norm, training)  # [B, T, D]
        return (x, *extras) if extras else x

    def pre_norm(self, norm: keras.layers.Layer, x: Any) -> Any:
        """Return the input of a block: normalised in pre-norm order, `x` itself in post-norm order."""
        return norm(x) if self.normalize_first else x

    def residual(self, x: Any, output: Any, norm: keras.layers.Layer, training: bool | None = None) -> Any:
        """Return `x` plus the output of its block; in post-norm order the sum is normalised."""
        total = x + self.dropout(output, training=training)
        return total if self.normalize_first else norm(total)


def combine_masks(padding_mask: Any, attention_mask: Any, queries: slice = slice(None)) -> Any:
    """Return where a query may attend to a key, `[B, T or 1, S]`: where all masks that are given agree; or None."""
    if padding_mask is not None and len(padding_mask.shape) != 2:
        raise ValueError(f"padding_mask must be [B, S], got shape {tuple(padding_mask.shape)}.")
    if attention_mask is not None and len(attention_mask.shape) != 3:
        raise ValueError(f"attention_mask must be [B, T, S], got shape {tuple(attention_mask.shape)}.")
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")[:, queries]  # [B, T, S]
    if padding_mask is None:
        return attention_mask
    padding_mask = ops.cast(padding_mask, "bool")[:, None, :]  # [B, 1, S]
    return padding_mask if attention_mask is None else ops.logical_and(padding_mask, attention_mask)  # [B, T, S]
