"""Multi-head attention: for every token, a mean of the values of all tokens, weighted by query and key.

    weights = softmax(q k^T / sqrt(H) + mask)                    output = concat over heads (weights v) W_o + b_o
    talking heads: weights = softmax(q k^T / sqrt(H) P_l + mask) P_w, where P_l and P_w mix the heads

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.2. Chapter: notebooks/03_attention.ipynb.
Shazeer et al. 2020 (https://arxiv.org/abs/2003.02436). Chapter: notebooks/13_talking_heads.ipynb.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.lora import Adaptable
from bertedu.registry import register
from bertedu.serialization import ConfigFromSignature
from bertedu.sites import site

Shape = Sequence[int | None]


@register("bertedu")
class HeadProjection(ConfigFromSignature, Adaptable, keras.layers.Layer):
    """Dense projection `x W + b` into or out of all heads at once.

    The weights have the shapes of `EinsumDense`, but the product is one flat matrix multiplication, which TensorFlow
    fuses with the bias. That is much faster for short texts.

    Args:
        output_dims: tuple, output axes of the kernel: `(N, H)` into the heads, `(D,)` out of them.
        input_dims: tuple, input axes of the kernel: `(N, H)` out of the heads. Defaults to the last axis of the inputs.
        use_bias: bool, whether to add a bias.
        kernel_initializer: Keras initializer, applied to the flat kernel `[in, out]`.
        bias_initializer: Keras initializer.

    Call arguments:
        x: `[B, T, in]`.

    Returns:
        `[B, T, out]`.

    Example:
        >>> projection = HeadProjection(output_dims=(2, 3))
        >>> tuple(projection(keras.ops.ones((1, 4, 5))).shape), tuple(projection.kernel.shape)
        ((1, 4, 6), (5, 2, 3))
    """

    def __init__(
        self,
        output_dims: Sequence[int],
        input_dims: Sequence[int] | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.output_dims = tuple(output_dims)
        self.input_dims = None if input_dims is None else tuple(input_dims)
        self.use_bias = use_bias
        self.kernel_initializer = defaults.clone_initializer(kernel_initializer)
        self.bias_initializer = defaults.clone_initializer(bias_initializer)
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        """Create kernel and bias for inputs of shape `[B, T, in]`."""

        def initialize_flat(shape, dtype=None):
            matrix = self.kernel_initializer((math.prod(input_dims), math.prod(self.output_dims)), dtype=dtype)
            return ops.reshape(matrix, shape)

        input_dims = self.input_dims or (input_shape[-1],)
        self.kernel = self.add_weight(
            shape=(*input_dims, *self.output_dims), initializer=initialize_flat, name="kernel"
        )  # [D, N, H] or [N, H, D]
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=self.output_dims, initializer=self.bias_initializer, name="bias")

    @property
    def matrix(self) -> Any:
        """The flat kernel, `[in, out]`."""
        return ops.reshape(self.kernel, (-1, math.prod(self.output_dims)))

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """The shape `[in, out]` of the flat kernel."""
        outputs = math.prod(self.output_dims)
        return math.prod(self.kernel.shape) // outputs, outputs

    def call(self, x: Any) -> Any:
        """Return `x W + b`."""
        matrix, flat = self.matrix, ops.reshape(x, (-1, x.shape[-1]))  # [in, out], [B T, in]
        product = ops.matmul(flat, matrix)  # [B T, out]
        if self.bias is not None:
            product = ops.add(product, ops.reshape(self.bias, (-1,)))  # [B T, out]
        product = self.updated(flat, product)  # [B T, out]
        return ops.reshape(product, (*ops.shape(x)[:-1], matrix.shape[-1]))  # [B, T, out]


@register("bertedu")
class MultiHeadAttention(ConfigFromSignature, keras.layers.Layer):
    """N attention heads in parallel, each with its own queries, keys and values of H dimensions.

    Computes the same output as `keras.layers.MultiHeadAttention` with the same weights, whose shapes are the same,
    except that a query whose keys are all masked attends uniformly (see `defaults.MASK_BIAS`).

    Args:
        num_heads: int, number of attention heads N.
        key_dim: int, size H of a query or key of one head.
        value_dim: int, size of a value of one head. Defaults to `key_dim`.
        dropout: float in [0, 1), dropout rate of the attention weights.
        use_bias: bool, whether the four projections add a bias.
        kernel_initializer, bias_initializer: Keras initializers of the four projections.

    Call arguments:
        query: `[B, T, D]`.
        value: `[B, S, D]`. Defaults to `query`: self-attention.
        key: `[B, S, D]`. Defaults to `value`.
        attention_mask: `[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]`, zero where a query must not attend to a key.
            Defaults to None, nothing is masked.
        head_mask: `[N]`, multiplies the contribution of each head: 0 switches it off. Defaults to 1 for all heads.
        return_attention_scores: bool, also return the attention weights `[B, N, T, S]`: after mask and softmax, before
            dropout and `head_mask`.
        return_qkv: bool, also return the tuple (queries `[B, N, T, H]`, keys `[B, N, S, H]`, values `[B, N, S, H]`).
        training: bool, whether to apply dropout.

    Returns:
        `[B, T, D]`. With `return_attention_scores` or `return_qkv` a tuple: output, weights, (q, k, v), as requested.

    Raises:
        ValueError: `num_heads` or `key_dim` is below 1, or `attention_mask` has the wrong shape.

    Example:
        >>> attention = MultiHeadAttention(num_heads=2, key_dim=3)
        >>> output, weights = attention(keras.ops.ones((1, 4, 6)), return_attention_scores=True)
        >>> tuple(output.shape), tuple(weights.shape)
        ((1, 4, 6), (1, 2, 4, 4))
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_heads = checks.whole_number("num_heads", num_heads)
        self.key_dim = checks.whole_number("key_dim", key_dim)
        self.value_dim = value_dim or key_dim
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.query_dense = self._projection("query", (num_heads, self.key_dim))
        self.key_dense = self._projection("key", (num_heads, self.key_dim))
        self.value_dense = self._projection("value", (num_heads, self.value_dim))
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.output_dense: Any = None  # as wide as the queries: created by `build`
        self.supports_masking = True

    def _projection(self, name, output_dims, input_dims=None):
        return HeadProjection(
            output_dims,
            input_dims,
            self.use_bias,
            self.kernel_initializer,
            self.bias_initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None) -> None:
        """Create the weights of the four projections."""
        value_shape = value_shape or query_shape
        self.output_dense = self._projection("attention_output", query_shape[-1:], (self.num_heads, self.value_dim))
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape or value_shape)
        self.value_dense.build(value_shape)
        self.output_dense.build((None, None, self.num_heads * self.value_dim))

    def call(
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        attention_mask: Any = None,
        head_mask: Any = None,
        return_attention_scores: bool = False,
        return_qkv: bool = False,
        training: bool | None = None,
    ) -> Any:
        """Return the attention output, `[B, T, D]`, or a tuple that starts with it."""
        value = query if value is None else value
        key = value if key is None else key

        q = site("queries", self.split_heads(self.query_dense(query)))  # [B, N, T, H]
        k = site("keys", self.split_heads(self.key_dense(key)))  # [B, N, S, H]
        v = site("values", self.split_heads(self.value_dense(value)))  # [B, N, S, H]

        attention_weights = site("attention_scores", self.scores(q, k, attention_mask))  # [B, N, T, S]
        dropped_weights = self.dropout(attention_weights, training=training)  # [B, N, T, S]
        if head_mask is not None:
            dropped_weights = dropped_weights * ops.reshape(ops.cast(head_mask, v.dtype), (-1, 1, 1))  # [B, N, T, S]
        context = site("head_outputs", ops.einsum("bnts,bnsh->bnth", dropped_weights, v))  # [B, N, T, H]
        output = self.output_dense(self.concatenate_heads(context))  # [B, T, D]

        extras: tuple = (attention_weights,) if return_attention_scores else ()
        if return_qkv:
            extras += ((q, k, v),)  # [B, N, T or S, H] each
        return (output, *extras) if extras else output

    def split_heads(self, x: Any) -> Any:
        """Reshape `[B, T, N H]` to `[B, N, T, H]`."""
        return ops.stack(ops.split(x, self.num_heads, axis=-1), axis=1)  # [B, N, T, H]

    def concatenate_heads(self, x: Any) -> Any:
        """Reshape `[B, N, T, H]` to `[B, T, N H]`."""
        return ops.concatenate(ops.unstack(x, self.num_heads, axis=1), axis=-1)  # [B, T, N H]

    def scores(self, q: Any, k: Any, attention_mask: Any = None) -> Any:
        """Return the attention weights, `[B, N, T, S]`. They sum to 1 over the keys."""
        logits = site("attention_logits", self.logits(q, k))  # [B, N, T, S]
        return ops.cast(masked_softmax(logits, attention_mask), self.compute_dtype)  # [B, N, T, S]

    def logits(self, q: Any, k: Any) -> Any:
        """Return the attention logits q k^T / sqrt(H), `[B, N, T, S]`, before the mask."""
        return ops.einsum("bnth,bnsh->bnts", q * (1.0 / math.sqrt(self.key_dim)), k)  # [B, N, T, S]


@register("bertedu")
class TalkingHeadsAttention(MultiHeadAttention):
    """Multi-head attention that mixes its heads linearly: the logits before the softmax, the weights after it.

    All three numbers of heads in the paper are equal here (h = h_k = h_v). The attention weights that are returned are
    those after the second mixing, which multiply the values: a row need not sum to 1 and can hold negative weights. A
    masked key still gets exactly 0. With two identity matrices this is `MultiHeadAttention`.

    Args:
        See `MultiHeadAttention`. `kernel_initializer` also initializes the two mixing matrices, as in tf-models.

    Call arguments, Returns, Raises:
        See `MultiHeadAttention`.

    Example:
        >>> attention = TalkingHeadsAttention(num_heads=2, key_dim=3)
        >>> tuple(attention(keras.ops.ones((1, 4, 6))).shape)
        (1, 4, 6)

    Source: Shazeer et al. 2020; tf-models' `TalkingHeadsAttention`.
    """

    def build(self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None) -> None:
        """Create the weights of the projections and the two mixing matrices."""
        super().build(query_shape, value_shape, key_shape)
        self.pre_softmax_weight, self.post_softmax_weight = (
            self.add_weight(
                shape=(self.num_heads, self.num_heads),
                initializer=defaults.clone_initializer(self.kernel_initializer),
                name=name,
            )
            for name in ("pre_softmax_weight", "post_softmax_weight")
        )  # [N, N]: row n, column m mixes head n into head m

    def scores(self, q: Any, k: Any, attention_mask: Any = None) -> Any:
        """Return the attention weights, `[B, N, T, S]`. They need not sum to 1 over the keys."""
        logits = site("attention_logits", self.logits(q, k))  # [B, N, T, S]
        logits = ops.einsum("bnts,nm->bmts", logits, self.pre_softmax_weight)  # [B, N, T, S]
        weights = ops.cast(masked_softmax(logits, attention_mask), self.compute_dtype)  # [B, N, T, S]
        return ops.einsum("bnts,nm->bmts", weights, self.post_softmax_weight)  # [B, N, T, S]


def masked_softmax(logits: Any, attention_mask: Any = None) -> Any:
    """Return the softmax of the logits `[B, N, T, S]` over the keys that are not masked, in float32.

    Masked keys get exactly 0. If all keys of a query are masked, each gets 1/S (see `defaults.MASK_BIAS`).
    """
    logits = ops.cast(logits, "float32")  # [B, N, T, S]
    if attention_mask is not None:
        visible = ops.cast(ops.cast(expand_mask(attention_mask, logits), "bool"), "float32")  # [B, 1 or N, 1 or T, S]
        logits = logits + (1.0 - visible) * defaults.MASK_BIAS  # [B, N, T, S]
    if logits.shape[-1] == 1:  # Keras warns about a softmax over a single key
        return ops.ones_like(logits)
    return ops.softmax(logits, axis=-1)  # [B, N, T, S]


def expand_mask(attention_mask: Any, logits: Any) -> Any:
    """Expand a mask `[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]` to the four axes of the logits."""
    shape, expected = tuple(attention_mask.shape), "[B, S], [B, T, S] or [B, 1 or N, T, S]"
    if len(shape) not in (2, 3, 4):
        raise ValueError(f"attention_mask: expected shape {expected}, got {shape}. Add or remove axes.")
    while len(attention_mask.shape) < 4:
        attention_mask = attention_mask[:, None]  # [B, 1, S], then [B, 1, 1, S]; or [B, 1, T, S]
    for axis, size, length in zip("BNTS", attention_mask.shape, logits.shape, strict=True):
        if None not in (size, length) and size not in (1, length):
            shapes = f"The mask has shape {shape}, the attention weights {tuple(logits.shape)}."
            raise ValueError(f"attention_mask: expected size 1 or {length} on axis {axis}, got {size}. {shapes}")
    return attention_mask
