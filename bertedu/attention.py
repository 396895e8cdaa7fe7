"""Attention: every token computes a weighted mean of the values of all tokens, weighted by query and key.

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
from bertedu.registry import register
from bertedu.serialization import ConfigFromSignature

Shape = Sequence[int | None]


@register("bertedu")
class HeadProjection(ConfigFromSignature, keras.layers.Layer):
    """`x W + b` for all heads at once; the kernel keeps the heads on an axis of their own.

    The heads lie end to end, and the tokens of all texts below one another: so it is a single matrix product with its
    bias, for which TensorFlow has one kernel. On three axes, as in `EinsumDense`, a short text takes far longer.

    Args:
        output_dims: tuple, the kernel's output axes: `(N, H)` into the heads, `(D,)` out of them.
        input_dims: tuple, the kernel's input axes: `(N, H)` out of the heads. Defaults to None, the inputs' width.
        use_bias: bool, whether a bias is added.
        kernel_initializer, bias_initializer: Keras initializers. The kernel's sees one matrix, `[in, out]`.

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
        """Make kernel and bias for inputs of the shape `[B, T, in]`."""

        def of_one_matrix(shape, dtype=None):
            matrix = self.kernel_initializer((math.prod(input_dims), math.prod(self.output_dims)), dtype=dtype)
            return ops.reshape(matrix, shape)

        input_dims = self.input_dims or (input_shape[-1],)
        self.kernel = self.add_weight(
            shape=(*input_dims, *self.output_dims), initializer=of_one_matrix, name="kernel"
        )  # [D, N, H] or [N, H, D]
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=self.output_dims, initializer=self.bias_initializer, name="bias")

    @property
    def matrix(self) -> Any:
        """The kernel as one matrix, `[in, out]`."""
        return ops.reshape(self.kernel, (-1, math.prod(self.output_dims)))

    def call(self, x: Any) -> Any:
        """Return `x W + b`."""
        matrix = self.matrix  # [in, out]
        product = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), matrix)  # [B T, out]
        if self.bias is not None:
            product = ops.add(product, ops.reshape(self.bias, (-1,)))  # [B T, out]
        return ops.reshape(product, (*ops.shape(x)[:-1], matrix.shape[-1]))  # [B, T, out]


@register("bertedu")
class MultiHeadAttention(ConfigFromSignature, keras.layers.Layer):
    """N attention heads side by side, each in its own small space of H dimensions.

    Equal to `keras.layers.MultiHeadAttention` with the same weights, in the same layout, but for rows in which every
    key is masked: those attend uniformly here, as in the original BERT.

    Args:
        num_heads: int, N >= 1.
        key_dim: int, H >= 1, the size of one head's queries and keys.
        value_dim: int, the size of one head's values. Defaults to None, `key_dim`.
        dropout: float in [0, 1), the fraction of attention weights dropped in training.
        use_bias: bool, whether the four projections add a bias.
        kernel_initializer, bias_initializer: Keras initializers of the four projections.

    Call arguments:
        query: `[B, T, D]`, the tokens that attend.
        value: `[B, S, D]`, what they attend to. Defaults to None, `query`: self-attention.
        key: `[B, S, D]`. Defaults to None, `value`.
        attention_mask: non-zero where a query may attend to a key: `[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]`.
            Defaults to None, everywhere.
        head_mask: `[N]`, multiplies what each head contributes (0 silences it). Defaults to None, 1 for all.
        return_attention_scores: bool, also return the attention weights `[B, N, T, S]`: after mask and softmax, before
            dropout and before `head_mask`.
        return_qkv: bool, also return the tuple (queries `[B, N, T, H]`, keys `[B, N, S, H]`, values `[B, N, S, H]`).
        training: bool, whether dropout acts.

    Returns:
        `[B, T, D]`. With `return_attention_scores` or `return_qkv`, a tuple: the output, the weights, (q, k, v), in this
        order, each of the last two only if asked for.

    Raises:
        ValueError: `num_heads` or `key_dim` below 1, or a mask of another rank or shape.

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
        self.output_dense: Any = None  # its width is the query's, known when built
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
        """Build the four projections for inputs of these shapes."""
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
        """Return the attention output; see the class."""
        value = query if value is None else value
        key = value if key is None else key

        q = self.split_heads(self.query_dense(query))  # [B, N, T, H]
        k = self.split_heads(self.key_dense(key))  # [B, N, S, H]
        v = self.split_heads(self.value_dense(value))  # [B, N, S, H]

        scores = self.scores(q, k, attention_mask)  # [B, N, T, S]
        weights = self.dropout(scores, training=training)  # [B, N, T, S]
        if head_mask is not None:
            weights = weights * ops.reshape(ops.cast(head_mask, weights.dtype), (-1, 1, 1))  # [B, N, T, S]
        context = ops.einsum("bnts,bnsh->bnth", weights, v)  # [B, N, T, H]
        output = self.output_dense(self.concatenate_heads(context))  # [B, T, D]

        extras: tuple = (scores,) if return_attention_scores else ()
        if return_qkv:
            extras += ((q, k, v),)  # [B, N, T or S, H] each
        return (output, *extras) if extras else output

    def split_heads(self, x: Any) -> Any:
        """Return `[B, T, N H]`, the heads end to end, as `[B, N, T, H]`."""
        return ops.stack(ops.split(x, self.num_heads, axis=-1), axis=1)  # [B, N, T, H]

    def concatenate_heads(self, x: Any) -> Any:
        """Return `[B, N, T, H]` as `[B, T, N H]`: the reverse of `split_heads`."""
        return ops.concatenate(ops.unstack(x, self.num_heads, axis=1), axis=-1)  # [B, T, N H]

    def scores(self, q: Any, k: Any, attention_mask: Any = None) -> Any:
        """Return the attention weights, `[B, N, T, S]`; over the keys they sum to 1."""
        return ops.cast(masked_softmax(self.logits(q, k), attention_mask), self.compute_dtype)  # [B, N, T, S]

    def logits(self, q: Any, k: Any) -> Any:
        """Return the attention logits q k^T / sqrt(H) of `[B, N, T, H]` and `[B, N, S, H]`, before the mask."""
        return ops.einsum("bnth,bnsh->bnts", q * (1.0 / math.sqrt(self.key_dim)), k)  # [B, N, T, S]


@register("bertedu")
class TalkingHeadsAttention(MultiHeadAttention):
    """Multi-head attention whose heads talk: their logits are mixed before the softmax, their weights after it.

    The numbers of heads before, between and after the two mixings are the same here (h = h_k = h_v in the paper).
    The weights that are returned are those after the second mixing, the ones that weigh the values: a row need not sum
    to 1 and may be negative; a masked key still gets exactly 0. With both mixings the identity this is
    `MultiHeadAttention`.

    Args:
        As `MultiHeadAttention`; `kernel_initializer` also fills the two mixings, as in tf-models.

    Call arguments, Returns, Raises:
        As `MultiHeadAttention`.

    Example:
        >>> attention = TalkingHeadsAttention(num_heads=2, key_dim=3)
        >>> tuple(attention(keras.ops.ones((1, 4, 6))).shape)
        (1, 4, 6)

    Source: Shazeer et al. 2020, section 3; tf-models' `TalkingHeadsAttention`.
    """

    def build(self, query_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None) -> None:
        """Build the projections and the two mixings."""
        super().build(query_shape, value_shape, key_shape)
        self.pre_softmax_weight, self.post_softmax_weight = (
            self.add_weight(
                shape=(self.num_heads, self.num_heads),
                initializer=defaults.clone_initializer(self.kernel_initializer),
                name=name,
            )
            for name in ("pre_softmax_weight", "post_softmax_weight")
        )  # [N, N], from the head in the row to the head in the column

    def scores(self, q: Any, k: Any, attention_mask: Any = None) -> Any:
        """Return the weights of the values, `[B, N, T, S]`; over the keys they need not sum to 1."""
        logits = ops.einsum("bnts,nm->bmts", self.logits(q, k), self.pre_softmax_weight)  # [B, N, T, S]
        weights = ops.cast(masked_softmax(logits, attention_mask), self.compute_dtype)  # [B, N, T, S]
        return ops.einsum("bnts,nm->bmts", weights, self.post_softmax_weight)  # [B, N, T, S]


def masked_softmax(logits: Any, attention_mask: Any = None) -> Any:
    """Return the softmax of `[B, N, T, S]` over the keys that `attention_mask` lets through, in float32.

    Masked keys get exactly 0, unless a row has nothing else: then all of its keys get 1/S (see `defaults.MASK_BIAS`).
    """
    logits = ops.cast(logits, "float32")  # [B, N, T, S]
    if attention_mask is not None:
        visible = ops.cast(ops.cast(broadcastable(attention_mask, logits), "bool"), "float32")  # [B, 1 or N, 1 or T, S]
        logits = logits + (1.0 - visible) * defaults.MASK_BIAS  # [B, N, T, S]
    if logits.shape[-1] == 1:  # a single key; Keras would warn that a softmax of one is always 1
        return ops.ones_like(logits)
    return ops.softmax(logits, axis=-1)  # [B, N, T, S]


def broadcastable(attention_mask: Any, logits: Any) -> Any:
    """Return a mask `[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]` with four axes, which fit those of `logits`."""
    shape = tuple(attention_mask.shape)
    if len(shape) not in (2, 3, 4):
        raise ValueError(f"attention_mask must be [B, S], [B, T, S] or [B, N, T, S], got shape {shape}.")
    while len(attention_mask.shape) < 4:
        attention_mask = attention_mask[:, None]  # [B, 1, S], then [B, 1, 1, S]; or [B, 1, T, S]
    for axis, size, expected in zip("BNTS", attention_mask.shape, logits.shape, strict=True):
        if None not in (size, expected) and size not in (1, expected):
            raise ValueError(
                f"attention_mask has size {size} on axis {axis} where the attention has {expected}: "
                f"mask {shape}, attention {tuple(logits.shape)}."
            )
    return attention_mask
