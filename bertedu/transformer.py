"""The transformer layer: attention and a feed-forward network, each with a residual connection and layer norm.

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
from bertedu.sites import site


@keras.saving.register_keras_serializable(package="bertedu")
class TransformerEncoder(ConfigFromSignature, keras.layers.Layer):
    """One transformer layer, with the arguments of `keras_hub.layers.TransformerEncoder`.

    The defaults are KerasHub's. `BertEncoder` passes BERT's.

    Args:
        intermediate_dim: int, intermediate size F of the feed-forward network.
        num_heads: int, number of attention heads N.
        dropout: float in [0, 1), dropout rate of the outputs of attention and feed-forward network.
        activation: Keras activation of the intermediate layer.
        layer_norm_epsilon: float, epsilon of both layer normalizations.
        kernel_initializer, bias_initializer: Keras initializers of all dense layers.
        normalize_first: bool, pre-norm instead of post-norm.
        attention_dropout: float in [0, 1), dropout rate of the attention weights. Defaults to `dropout`.
        attention_cls: class of the attention, with the constructor of `MultiHeadAttention`.
        feedforward_cls: class of the feed-forward network, with the constructor of `Feedforward`.
        key_dim: int, size H of one head. Defaults to D // N; a layer that lacks pruned heads passes its own.

    Call arguments:
        inputs: `[B, S, D]`.
        padding_mask: `[B, S]`, zero at padding. Defaults to the implicit Keras mask of `inputs`, if any.
        attention_mask: `[B, T, S]`, zero where a query must not attend to a key. It is combined with `padding_mask`.
        training: bool, whether to apply dropout.
        return_attention_scores: bool, also return the attention weights `[B, N, T, S]`.
        head_mask: `[N]`, multiplies the contribution of each head: 0 switches it off. Defaults to 1 for all heads.
        output_range: int, compute only the outputs at positions [0, output_range), so that T < S. A negative number
            counts from the end. Defaults to None, which like 0 means all positions.
        return_qkv: bool, also return the tuple (queries `[B, N, T, H]`, keys `[B, N, S, H]`, values `[B, N, S, H]`).
        mask, inputs_mask: the implicit mask of `inputs`. Keras uses the second name if other tensors are passed too.

    Returns:
        `[B, T, D]`. With `return_attention_scores` or `return_qkv` a tuple: the output, then the weights, then (q, k,
        v), each only if requested.

    Raises:
        ValueError: there are more heads than dimensions, or a mask has the wrong shape.

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
        key_dim: int | None = None,
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
        self.key_dim = key_dim
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, inputs_shape: Sequence[Any]) -> None:
        """Create attention, feed-forward network and normalizations for inputs of shape `[B, S, D]`."""
        hidden_size = inputs_shape[-1]
        checks.whole_number("num_heads", self.num_heads, 1, hidden_size, "Each head needs at least one dimension.")
        common = {
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
            "dtype": self.dtype_policy,
        }
        self.attention = self.attention_cls(
            num_heads=self.num_heads,
            key_dim=hidden_size // self.num_heads if self.key_dim is None else self.key_dim,
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
        """Return the output of the layer, `[B, T, D]`, or a tuple that starts with it."""
        if padding_mask is None:
            padding_mask = mask if inputs_mask is None else inputs_mask
        queries = slice(output_range or None)

        # Block 1, attention: T queries, S keys and values.
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
        output = site("attention_output", output)  # [B, T, D]
        x = self.residual(inputs[:, queries], output, self.attention_norm, training)  # [B, T, D]

        # Block 2, feed-forward.
        output = self.feedforward(self.pre_norm(self.output_norm, x))  # [B, T, D]
        output = site("feedforward_output", output)  # [B, T, D]
        x = site("encoder_outputs", self.residual(x, output, self.output_norm, training))  # [B, T, D]
        return (x, *extras) if extras else x

    def pre_norm(self, norm: keras.layers.Layer, x: Any) -> Any:
        """Return the input of a block: `norm(x)` in pre-norm order, `x` in post-norm order."""
        return norm(x) if self.normalize_first else x

    def residual(self, x: Any, output: Any, norm: keras.layers.Layer, training: bool | None = None) -> Any:
        """Return the residual sum of `x` and the output of a block, which is normalized in post-norm order."""
        total = x + self.dropout(output, training=training)
        return total if self.normalize_first else norm(total)


def combine_masks(padding_mask: Any, attention_mask: Any, queries: slice = slice(None)) -> Any:
    """Return both masks as one, `[B, 1 or T, S]`, True where a query may attend to a key; None without masks."""
    if padding_mask is not None and len(padding_mask.shape) != 2:
        raise ValueError(f"padding_mask: expected shape [B, S], got {tuple(padding_mask.shape)}.")
    if attention_mask is not None and len(attention_mask.shape) != 3:
        raise ValueError(f"attention_mask: expected shape [B, T, S], got {tuple(attention_mask.shape)}.")
    if attention_mask is not None:
        attention_mask = ops.cast(attention_mask, "bool")[:, queries]  # [B, T, S]
    if padding_mask is None:
        return attention_mask
    padding_mask = ops.cast(padding_mask, "bool")[:, None, :]  # [B, 1, S]
    return padding_mask if attention_mask is None else ops.logical_and(padding_mask, attention_mask)  # [B, T, S]
