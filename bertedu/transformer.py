"""The transformer layer: look around (attention), think (feed-forward), and add both to what was there.

    post-norm (BERT):   y = LayerNorm(x + attention(x));   output = LayerNorm(y + feedforward(y))
    pre-norm (GPT-2):   y = x + attention(LayerNorm(x));   output = y + feedforward(LayerNorm(y))

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), section 3.1; pre-norm: Xiong et al. 2020
(https://arxiv.org/abs/2002.04745). Chapter: notebooks/05_transformer.ipynb.
"""

import keras
from keras import ops

from bertedu import defaults
from bertedu.attention import MultiHeadAttention
from bertedu.feedforward import Feedforward


@keras.saving.register_keras_serializable(package="bertedu")
class TransformerEncoder(keras.layers.Layer):
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
        attention_dropout: float or None, on the attention scores (None: `dropout`).
        attention_cls: class of the attention, constructed as `MultiHeadAttention` is.
        feedforward_cls: class of the feed-forward network, constructed as `Feedforward` is.

    Call arguments:
        inputs: `[B, S, D]`.
        padding_mask: `[B, S]` or None, non-zero at real tokens. Replaces an implicit Keras mask of `inputs`.
        attention_mask: `[B, T, S]` or None, non-zero where a query may see a key; both masks must agree to see.
        training: bool, whether dropout acts.
        return_attention_scores: bool, also return the scores `[B, N, T, S]`.
        head_mask: `[N]` or None, multiplies what each head contributes.
        output_range: int or None. Only positions [0, output_range) are computed as queries (T of S); None and 0 mean
            all of them, a negative number counts from the end. Keys and values are always all S.
        return_qkv: bool, also return the tuple (q, k, v), each `[B, N, S, H]` (q: T).
        mask, inputs_mask: the implicit mask of `inputs`, which Keras fills in (the second name when other tensors are
            passed as well).

    Returns:
        `[B, T, D]`; with either flag a tuple of it, the scores if asked for, and (q, k, v) if asked for.

    Raises:
        ValueError: more heads than dimensions, or masks of another rank or shape.

    Example:
        >>> layer = TransformerEncoder(intermediate_dim=12, num_heads=2)
        >>> tuple(layer(keras.ops.ones((1, 4, 6))).shape)
        (1, 4, 6)
    """

    def __init__(
        self,
        intermediate_dim,
        num_heads,
        dropout=0,
        activation="relu",
        layer_norm_epsilon=1e-05,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        normalize_first=False,
        *,
        attention_dropout=None,
        attention_cls=MultiHeadAttention,
        feedforward_cls=Feedforward,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.num_heads = num_heads
        self.activation = keras.activations.get(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        self.kernel_initializer = defaults.get_initializer(kernel_initializer)
        self.bias_initializer = defaults.get_initializer(bias_initializer)
        self.normalize_first = normalize_first
        self.attention_dropout = attention_dropout
        self.attention_cls = attention_cls
        self.feedforward_cls = feedforward_cls
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, inputs_shape):
        hidden_size = inputs_shape[-1]
        if self.num_heads < 1 or self.num_heads > hidden_size:
            raise ValueError(
                f"num_heads={self.num_heads} must be between 1 and the width of the inputs, {hidden_size}."
            )
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
        inputs,
        padding_mask=None,
        attention_mask=None,
        training=None,
        return_attention_scores=False,
        *,
        head_mask=None,
        output_range=None,
        return_qkv=False,
        mask=None,
        inputs_mask=None,
    ):
        implicit_mask = mask if inputs_mask is None else inputs_mask
        seen = combine_masks(implicit_mask if padding_mask is None else padding_mask, attention_mask, output_range)

        x = self.attention_norm(inputs) if self.normalize_first else inputs  # [B, S, D]
        attended = self.attention(
            x[:, : output_range or None],
            x,
            attention_mask=seen,
            head_mask=head_mask,
            return_attention_scores=return_attention_scores,
            return_qkv=return_qkv,
            training=training,
        )
        attended, *wanted = attended if return_attention_scores or return_qkv else (attended,)  # [B, T, D]
        y = inputs[:, : output_range or None] + self.dropout(attended, training=training)  # [B, T, D]
        y = y if self.normalize_first else self.attention_norm(y)  # [B, T, D]

        thought = self.feedforward(self.output_norm(y) if self.normalize_first else y)  # [B, T, D]
        output = y + self.dropout(thought, training=training)  # [B, T, D]
        output = output if self.normalize_first else self.output_norm(output)  # [B, T, D]
        return (output, *wanted) if wanted else output

    def get_config(self):
        return super().get_config() | {
            "intermediate_dim": self.intermediate_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout.rate,
            "activation": keras.activations.serialize(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": defaults.serialize(self.kernel_initializer),
            "bias_initializer": defaults.serialize(self.bias_initializer),
            "normalize_first": self.normalize_first,
            "attention_dropout": self.attention_dropout,
            "attention_cls": keras.saving.get_registered_name(self.attention_cls),
            "feedforward_cls": keras.saving.get_registered_name(self.feedforward_cls),
        }

    @classmethod
    def from_config(cls, config):
        return cls(**defaults.classes_from_names(config, "attention_cls", "feedforward_cls"))


def combine_masks(padding_mask, attention_mask, output_range=None):
    """Where a query may see a key, `[B, T or 1, S]`: where both given masks agree. None if neither is given."""
    if padding_mask is not None and len(padding_mask.shape) != 2:
        raise ValueError(f"padding_mask must be [B, S], got shape {tuple(padding_mask.shape)}.")
    if attention_mask is not None and len(attention_mask.shape) != 3:
        raise ValueError(f"attention_mask must be [B, T, S], got shape {tuple(attention_mask.shape)}.")
    masks = []
    if padding_mask is not None:
        masks.append(ops.cast(padding_mask, "bool")[:, None, :])  # [B, 1, S]
    if attention_mask is not None:
        masks.append(ops.cast(attention_mask, "bool")[:, : output_range or None])  # [B, T, S]
    return ops.logical_and(*masks) if len(masks) == 2 else (masks[0] if masks else None)
