"""Attention: every token asks a question of every token, and takes home a weighted mean of their answers.

    scores = softmax(q k^T / sqrt(H) + mask)                     output = concat over heads (scores v) W_o + b_o
    talking heads: scores = softmax(q k^T / sqrt(H) P_l + mask) P_w, where P_l and P_w mix the heads

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.2. Chapter: notebooks/03_attention.ipynb.
Shazeer et al. 2020 (https://arxiv.org/abs/2003.02436). Chapter: notebooks/13_talking_heads.ipynb.
"""

import math

import keras
from keras import ops

from bertedu import defaults
from bertedu.registry import register


@register("bertedu")
class MultiHeadAttention(keras.layers.Layer):
    """N attentions side by side, each in its own small space of H dimensions.

    Equal to `keras.layers.MultiHeadAttention` with the same weights, in the same layout, but for rows in which every
    key is masked: those attend uniformly here, as in the original BERT.

    Args:
        num_heads: int, N >= 1.
        key_dim: int, H >= 1, the size of one head's queries and keys.
        value_dim: int or None, the size of one head's values (None: `key_dim`).
        dropout: float in [0, 1), the share of attention scores dropped in training.
        use_bias: bool, whether the four projections add a bias.
        kernel_initializer, bias_initializer: Keras initializers of the four projections.

    Call arguments:
        query: `[B, T, D]`, what asks.
        value: `[B, S, D]`, what is attended to (None: `query`, self-attention).
        key: `[B, S, D]` (None: `value`).
        attention_mask: None, or non-zero where a query may see a key: `[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]`.
        head_mask: None, or `[N]`: multiplies what each head contributes (0 silences it, 1 leaves it).
        return_attention_scores: bool, also return the scores `[B, N, T, S]`: after mask and softmax, before dropout
            and before `head_mask`.
        return_qkv: bool, also return the tuple (queries `[B, N, T, H]`, keys `[B, N, S, H]`, values `[B, N, S, H]`).
        training: bool, whether dropout acts.

    Returns:
        `[B, T, D]`; with either flag a tuple of it, the scores if asked for, and the q, k, v if asked for.

    Raises:
        ValueError: `num_heads` or `key_dim` below 1, or a mask of another rank or shape.

    Example:
        >>> attention = MultiHeadAttention(num_heads=2, key_dim=3)
        >>> output, scores = attention(keras.ops.ones((1, 4, 6)), return_attention_scores=True)
        >>> tuple(output.shape), tuple(scores.shape)
        ((1, 4, 6), (1, 2, 4, 4))
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_heads < 1 or key_dim < 1:
            raise ValueError(f"num_heads and key_dim must be at least 1, got num_heads={num_heads}, key_dim={key_dim}.")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim or key_dim
        self.use_bias = use_bias
        self.kernel_initializer = defaults.get_initializer(kernel_initializer)
        self.bias_initializer = defaults.get_initializer(bias_initializer)
        self.query_dense = self._projection(self.key_dim, "query")
        self.key_dense = self._projection(self.key_dim, "key")
        self.value_dense = self._projection(self.value_dim, "value")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.output_dense = None  # its width is the query's, known when built
        self.supports_masking = True

    def _projection(self, size, name):
        projection = keras.layers.EinsumDense(
            "btd,dnh->btnh",
            output_shape=(None, self.num_heads, size),
            bias_axes="nh" if self.use_bias else None,
            kernel_initializer=defaults.fresh(self.kernel_initializer),
            bias_initializer=defaults.fresh(self.bias_initializer),
            dtype=self.dtype_policy,
            name=name,
        )
        projection.supports_masking = True  # else Keras warns of an implicit mask that we have taken care of
        return projection

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape or value_shape)
        self.value_dense.build(value_shape)
        self.output_dense = keras.layers.EinsumDense(
            "btnh,nhd->btd",
            output_shape=(None, query_shape[-1]),
            bias_axes="d" if self.use_bias else None,
            kernel_initializer=defaults.fresh(self.kernel_initializer),
            bias_initializer=defaults.fresh(self.bias_initializer),
            dtype=self.dtype_policy,
            name="attention_output",
        )
        self.output_dense.build((None, None, self.num_heads, self.value_dim))

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        head_mask=None,
        return_attention_scores=False,
        return_qkv=False,
        training=None,
    ):
        value = query if value is None else value
        key = value if key is None else key

        q = self.split_heads(project(query, self.query_dense))  # [B, N, T, H]
        k = self.split_heads(project(key, self.key_dense))  # [B, N, S, H]
        v = self.split_heads(project(value, self.value_dense))  # [B, N, S, H]

        scores = self.scores(q, k, attention_mask)  # [B, N, T, S]
        weights = self.dropout(scores, training=training)  # [B, N, T, S]
        if head_mask is not None:
            weights = weights * ops.reshape(ops.cast(head_mask, weights.dtype), (-1, 1, 1))  # [B, N, T, S]
        mixed = ops.einsum("bnts,bnsh->bnth", weights, v)  # [B, N, T, H]
        output = project(self.concatenate_heads(mixed), self.output_dense)  # [B, T, D]

        wanted = (scores,) if return_attention_scores else ()
        if return_qkv:
            wanted += ((q, k, v),)  # [B, N, T or S, H] each
        return (output, *wanted) if wanted else output

    def split_heads(self, x):
        """`[B, T, N H]`, the heads end to end, as `[B, N, T, H]`."""
        return ops.stack(ops.split(x, self.num_heads, axis=-1), axis=1)  # [B, N, T, H]

    def concatenate_heads(self, x):
        """The way back, from `[B, N, T, H]` to `[B, T, N H]`."""
        return ops.concatenate(ops.unstack(x, self.num_heads, axis=1), axis=-1)  # [B, T, N H]

    def scores(self, q, k, attention_mask=None):
        """How much each query looks at each key, `[B, N, T, S]`; over the keys it sums to 1."""
        return ops.cast(masked_softmax(self.logits(q, k), attention_mask), self.compute_dtype)  # [B, N, T, S]

    def logits(self, q, k):
        """The scaled products q k^T / sqrt(H) of `[B, N, T, H]` and `[B, N, S, H]`, before mask and softmax."""
        return ops.einsum("bnth,bnsh->bnts", q * (1.0 / math.sqrt(self.key_dim)), k)  # [B, N, T, S]

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout.rate,
            "use_bias": self.use_bias,
            "kernel_initializer": defaults.serialize(self.kernel_initializer),
            "bias_initializer": defaults.serialize(self.bias_initializer),
        }


@register("bertedu")
class TalkingHeadsAttention(MultiHeadAttention):
    """Multi-head attention whose heads talk: their logits are mixed before the softmax, their scores after it.

    The numbers of heads before, between and after the two mixings are the same here (h = h_k = h_v in the paper).
    The scores that are returned are those after the second mixing, the ones that weigh the values: a row need not sum
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

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.pre_softmax_weight, self.post_softmax_weight = (
            self.add_weight(
                shape=(self.num_heads, self.num_heads),
                initializer=defaults.fresh(self.kernel_initializer),
                name=name,
            )
            for name in ("pre_softmax_weight", "post_softmax_weight")
        )  # [N, N], from the head in the row to the head in the column

    def scores(self, q, k, attention_mask=None):
        """What weighs the values, `[B, N, T, S]`; over the keys it need not sum to 1."""
        logits = ops.einsum("bnts,nm->bmts", self.logits(q, k), self.pre_softmax_weight)  # [B, N, T, S]
        shares = ops.cast(masked_softmax(logits, attention_mask), self.compute_dtype)  # [B, N, T, S]
        return ops.einsum("bnts,nm->bmts", shares, self.post_softmax_weight)  # [B, N, T, S]


def project(x, dense):
    """`x W + b`, from `[B, T, in]` to `[B, T, out]`, by a layer whose kernel keeps the heads on an axis of their own.

    The heads are laid end to end, and the tokens of all texts below one another: so it is a single matrix product with
    its bias, for which TensorFlow has one kernel. On three axes, as in `EinsumDense`, a short text takes far longer.
    """
    kernel = ops.reshape(dense.kernel, (x.shape[-1], -1))  # [in, out]
    product = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)  # [B T, out]
    if dense.bias is not None:
        product = ops.add(product, ops.reshape(dense.bias, (-1,)))  # [B T, out]
    return ops.reshape(product, (*ops.shape(x)[:-1], kernel.shape[-1]))  # [B, T, out]


def masked_softmax(logits, attention_mask=None):
    """Softmax of `[B, N, T, S]` over the keys that `attention_mask` lets through, in float32.

    Masked keys get exactly 0, unless a row has nothing else: then all of its keys get 1/S (see `defaults.MASK_BIAS`).
    """
    logits = ops.cast(logits, "float32")  # [B, N, T, S]
    if attention_mask is not None:
        seen = ops.cast(ops.cast(broadcastable(attention_mask, logits), "bool"), "float32")  # [B, 1 or N, 1 or T, S]
        logits = logits + (1.0 - seen) * defaults.MASK_BIAS  # [B, N, T, S]
    if logits.shape[-1] == 1:  # a single key gets all there is; Keras would warn that a softmax of one is always 1
        return ops.ones_like(logits)
    return ops.softmax(logits, axis=-1)  # [B, N, T, S]


def broadcastable(mask, logits):
    """`mask` (`[B, S]`, `[B, T, S]` or `[B, 1 or N, T, S]`) with axes of size 1 put in, so that it fits `logits`."""
    rank = len(mask.shape)
    if rank not in (2, 3, 4):
        raise ValueError(f"attention_mask must be [B, S], [B, T, S] or [B, N, T, S], got shape {tuple(mask.shape)}.")
    mask = {2: lambda: mask[:, None, None, :], 3: lambda: mask[:, None, :, :], 4: lambda: mask}[rank]()
    for axis, (given, needed) in enumerate(zip(mask.shape, logits.shape, strict=True)):
        if None not in (given, needed) and given not in (1, needed):
            raise ValueError(
                f"attention_mask has size {given} on axis {'BNTS'[axis]} where the attention has {needed}: "
                f"mask {tuple(mask.shape)}, attention {tuple(logits.shape)}."
            )
    return mask
