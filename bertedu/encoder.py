"""BERT's encoder: embeddings, L transformer layers, and a pooler that sums a sequence up in its first token.

    x_0 = embeddings(ids, types);   x_i = transformer_i(x_{i-1}, mask);   pooled = tanh(x_L[0] W + b)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3. Chapter: notebooks/06_encoder.ipynb.
"""

import functools

import keras
from keras import ops

from bertedu import defaults
from bertedu.attention import MultiHeadAttention
from bertedu.embeddings import BertEmbeddings
from bertedu.feedforward import Feedforward
from bertedu.transformer import TransformerEncoder

DIALECTS = {
    "tf-models": ("input_word_ids", "input_mask", "input_type_ids"),
    "KerasHub": ("token_ids", "padding_mask", "segment_ids"),
    "Hugging Face": ("input_ids", "attention_mask", "token_type_ids"),
}
"""What the three inputs (ids, mask, types; integers, `[B, T]`) are called; the first row is our own."""

OPTIONAL_INPUTS = ("input_word_embeddings", "dense_inputs", "dense_mask", "dense_type_ids")


@keras.saving.register_keras_serializable(package="bertedu")
class BertEncoder(keras.layers.Layer):
    """A bi-directional transformer encoder, with the arguments of tf-models' `BertEncoder`.

    The defaults are BERT-Base's, but for `type_vocab_size`, which is tf-models' 16 (the published BERTs have 2).

    Args:
        vocab_size: int, V, the size of the token vocabulary.
        hidden_size: int, D, a multiple of `num_attention_heads`.
        num_layers: int, L >= 1.
        num_attention_heads: int, N.
        max_sequence_length: int, the longest sequence, rows of the position table.
        type_vocab_size: int, how many segments there can be.
        inner_dim: int, F, neurons of each feed-forward network.
        inner_activation: Keras activation of those neurons.
        output_dropout: float in [0, 1), after the embeddings, after attention and after the feed-forward network.
        attention_dropout: float in [0, 1), on the attention scores.
        initializer: Keras initializer of every kernel and table (None: a normal with sigma 0.02, cut at two sigma).
        output_range: int or None: the last layer answers for positions [0, output_range) only; None and 0 mean all, a
            negative number counts from the end.
        embedding_width: int or None, W, the width of the embedding tables (None: `hidden_size`); if it is not
            `hidden_size`, a projection follows (factorised embeddings).
        embedding_layer: None, or a layer to use as word table (its table in `.embeddings`), as to share one.
        norm_first: bool, pre-norm instead of post-norm.
        with_dense_inputs: bool, whether `inputs` lists the dense inputs too (a call takes them either way).
        return_attention_scores: bool, add `attention_scores` to the outputs of every call.
        layer_norm_epsilon: float, of every normalisation; the published BERTs all have 1e-12.
        attention_cls, feedforward_cls: classes of each layer's two parts; see `TransformerEncoder`.

    Call arguments:
        inputs: dict with the ids, mask and types, `[B, T]`, in any of the three `DIALECTS`; a mask is zero at padding.
            Optional: `input_word_embeddings` `[B, T, W]`, used in place of looking ids up (which may then be absent);
            `dense_inputs` `[B, T2, W]` with `dense_mask` and `dense_type_ids` `[B, T2]`, put after the words.
        head_mask: `[L, N]` or None, multiplies what each head contributes.
        return_attention_scores: bool or None (what the constructor says).
        return_embedding_output: bool, add `embedding_output`.
        return_qkv: bool, add the lists `queries`, `keys`, `values`, L of `[B, N, T, H]`.
        training: bool, whether dropout acts.

    Returns:
        dict: `sequence_output` `[B, T, D]`, `pooled_output` `[B, D]`, `encoder_outputs` (list of L, `[B, T, D]`, the
        last one being `sequence_output`); where asked for `attention_scores` (list of L, `[B, N, T, S]`: after mask and
        softmax, before dropout and `head_mask`), `embedding_output` `[B, T, D]`, and `queries`, `keys`, `values`.

    Raises:
        ValueError: sizes that do not fit, a missing or unknown input, or inputs of the wrong shape.

    Example:
        >>> encoder = BertEncoder(vocab_size=20, hidden_size=6, num_layers=2, num_attention_heads=2, inner_dim=12)
        >>> ids = keras.ops.array([[2, 5, 6, 3]])
        >>> outputs = encoder({"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0})
        >>> tuple(outputs["sequence_output"].shape), tuple(outputs["pooled_output"].shape)
        ((1, 4, 6), (1, 6))
    """

    def __init__(
        self,
        vocab_size,
        hidden_size=768,
        num_layers=12,
        num_attention_heads=12,
        max_sequence_length=512,
        type_vocab_size=16,
        inner_dim=3072,
        inner_activation=defaults.gelu_tanh,
        output_dropout=defaults.DROPOUT,
        attention_dropout=defaults.DROPOUT,
        initializer=None,
        output_range=None,
        embedding_width=None,
        embedding_layer=None,
        norm_first=False,
        with_dense_inputs=False,
        return_attention_scores=False,
        *,
        layer_norm_epsilon=defaults.LAYER_NORM_EPSILON,
        attention_cls=MultiHeadAttention,
        feedforward_cls=Feedforward,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_attention_heads = num_attention_heads
        self.max_sequence_length = max_sequence_length
        self.type_vocab_size = type_vocab_size
        self.inner_dim = inner_dim
        self.inner_activation = keras.activations.get(inner_activation)
        self.output_dropout = output_dropout
        self.attention_dropout = attention_dropout
        self.initializer = defaults.get_initializer(initializer or defaults.initializer())
        self.output_range = output_range
        self.embedding_width = embedding_width or hidden_size
        self.embedding_layer = embedding_layer
        self.norm_first = norm_first
        self.with_dense_inputs = with_dense_inputs
        self.return_attention_scores = return_attention_scores
        self.layer_norm_epsilon = layer_norm_epsilon
        self.attention_cls = attention_cls
        self.feedforward_cls = feedforward_cls
        self._check_sizes()
        self._make_layers()
        self.build()  # every size is known, so the weights can be there from the start

    def _check_sizes(self):
        if self.num_layers < 1 or self.num_attention_heads < 1:
            raise ValueError(
                "num_layers and num_attention_heads must be at least 1, got "
                f"num_layers={self.num_layers}, num_attention_heads={self.num_attention_heads}."
            )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} must be a multiple of num_attention_heads={self.num_attention_heads}: "
                "every head works in hidden_size / num_attention_heads dimensions."
            )

    def _make_layers(self):
        self.embeddings = BertEmbeddings(
            self.vocab_size,
            self.hidden_size,
            self.max_sequence_length,
            self.type_vocab_size,
            self.embedding_width,
            self.embedding_layer,
            dropout=self.output_dropout,
            layer_norm_epsilon=self.layer_norm_epsilon,
            initializer=self.initializer,
            dtype=self.dtype_policy,
            name="embeddings",
        )
        self.transformer_layers = [
            TransformerEncoder(
                self.inner_dim,
                self.num_attention_heads,
                dropout=self.output_dropout,
                activation=self.inner_activation,
                layer_norm_epsilon=self.layer_norm_epsilon,
                kernel_initializer=self.initializer,
                normalize_first=self.norm_first,
                attention_dropout=self.attention_dropout,
                attention_cls=self.attention_cls,
                feedforward_cls=self.feedforward_cls,
                dtype=self.dtype_policy,
                name=f"layer_{i}",
            )
            for i in range(self.num_layers)
        ]
        self.pooler_layer = keras.layers.Dense(
            self.hidden_size,
            activation="tanh",
            kernel_initializer=defaults.fresh(self.initializer),
            dtype=self.dtype_policy,
            name="pooler_transform",
        )

    def build(self, input_shape=None):
        self.embeddings.build()
        for layer in self.transformer_layers:
            layer.build((None, None, self.hidden_size))
        self.pooler_layer.build((None, self.hidden_size))

    def call(
        self,
        inputs,
        head_mask=None,
        return_attention_scores=None,
        return_embedding_output=False,
        return_qkv=False,
        training=None,
    ):
        inputs = native_inputs(inputs)
        if return_attention_scores is None:
            return_attention_scores = self.return_attention_scores

        x = embedding_output = self._embed(inputs, training)  # [B, T, D]
        mask = self._mask(inputs)  # [B, T]
        layer_outputs, attention_scores, qkv = [], [], []
        for i, layer in enumerate(self.transformer_layers):
            x, scores, *heads = layer(
                x,
                padding_mask=mask,
                head_mask=None if head_mask is None else head_mask[i],
                output_range=self.output_range if i == self.num_layers - 1 else None,
                return_attention_scores=True,
                return_qkv=return_qkv,
                training=training,
            )  # [B, T, D], [B, N, T, S]
            layer_outputs.append(x)
            attention_scores.append(scores)
            qkv += heads

        outputs = {
            "sequence_output": x,  # [B, T, D]
            "pooled_output": self.pooler_layer(x[:, 0]),  # [B, D]
            "encoder_outputs": layer_outputs,  # L of [B, T, D]
        }
        if return_attention_scores:
            outputs["attention_scores"] = attention_scores  # L of [B, N, T, S]
        if return_embedding_output:
            outputs["embedding_output"] = embedding_output  # [B, T, D]
        if return_qkv:
            outputs |= dict(zip(("queries", "keys", "values"), map(list, zip(*qkv, strict=True)), strict=True))
        return outputs

    def _embed(self, inputs, training):
        return self.embeddings(
            inputs.get("input_word_ids"),
            inputs["input_type_ids"],
            word_embeddings=inputs.get("input_word_embeddings"),
            dense_inputs=inputs.get("dense_inputs"),
            dense_type_ids=inputs.get("dense_type_ids"),
            training=training,
        )

    def _mask(self, inputs):
        if "dense_mask" not in inputs:
            return inputs["input_mask"]
        masks = [ops.cast(inputs[name], "bool") for name in ("input_mask", "dense_mask")]
        return ops.concatenate(masks, axis=1)  # [B, T + T2]

    @functools.cached_property
    def inputs(self):
        """Symbolic inputs by name, for a functional model: ``keras.Model(encoder.inputs, encoder(encoder.inputs))``."""
        symbols = {name: keras.Input((None,), dtype="int32", name=name) for name in DIALECTS["tf-models"]}
        if self.with_dense_inputs:
            symbols["dense_inputs"] = keras.Input((None, self.embedding_width), name="dense_inputs")
            for name in ("dense_mask", "dense_type_ids"):
                symbols[name] = keras.Input((None,), dtype="int32", name=name)
        return symbols

    def get_embedding_layer(self):
        """The layer that holds the word table."""
        return self.embeddings.word_embeddings

    def get_embedding_table(self):
        """The word table, `[V, W]`."""
        return self.get_embedding_layer().embeddings

    def get_config(self):
        return super().get_config() | {
            **{name: getattr(self, name) for name in PLAIN_ARGUMENTS},
            "inner_activation": keras.activations.serialize(self.inner_activation),
            "initializer": defaults.serialize(self.initializer),
            "embedding_layer": defaults.serialize(self.embedding_layer),
            "attention_cls": keras.saving.get_registered_name(self.attention_cls),
            "feedforward_cls": keras.saving.get_registered_name(self.feedforward_cls),
        }

    @classmethod
    def from_config(cls, config):
        config = defaults.classes_from_names(config, "attention_cls", "feedforward_cls")
        config["embedding_layer"] = defaults.deserialize(config["embedding_layer"])
        return cls(**config)


PLAIN_ARGUMENTS = (
    *("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "max_sequence_length", "type_vocab_size"),
    *("inner_dim", "output_dropout", "attention_dropout", "output_range", "embedding_width"),
    *("norm_first", "with_dense_inputs", "return_attention_scores", "layer_norm_epsilon"),
)
"""The arguments of `BertEncoder` that are numbers and flags, so that they stand in its config as they are."""


def native_inputs(inputs):
    """`inputs`, a dict in any of the `DIALECTS`, with our own names for its keys; checked for names and shapes."""
    if not isinstance(inputs, dict):
        raise ValueError(f"inputs must be a dict, got {type(inputs).__name__}. {_dialects_in_words()}")
    native = {}
    for key, value in inputs.items():
        name = NATIVE_NAMES.get(key)
        if name is None:
            raise ValueError(f"Unknown input {key!r}. {_dialects_in_words()}")
        if name in native:
            raise ValueError(f"The input {name!r} came twice, as {key!r} too. {_dialects_in_words()}")
        native[name] = value
    words = "input_word_embeddings" if "input_word_embeddings" in native else "input_word_ids"
    groups = [(words, "input_mask", "input_type_ids")]
    if "dense_inputs" in native:
        groups.append(("dense_inputs", "dense_mask", "dense_type_ids"))
    for group in groups:
        _check_group(native, group)
    return native


def _check_group(native, group):
    missing = [name for name in group if name not in native]
    if missing:
        raise ValueError(f"Missing input {missing[0]!r}; got {sorted(native)}. {_dialects_in_words()}")
    lead = group[0]
    for name in group:
        shape, expected = tuple(native[name].shape), tuple(native[lead].shape)[:2]
        rank = 3 if name in ("input_word_embeddings", "dense_inputs") else 2
        sizes = zip(shape[:2], expected, strict=False)
        if len(shape) != rank or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            wanted = "[B, T, W]" if rank == 3 else "[B, T]"
            raise ValueError(
                f"{name} must be {wanted} and fit {lead}, whose shape is {tuple(native[lead].shape)}; got {shape}."
            )


def _dialects_in_words():
    rows = "; ".join(f"{who}: {', '.join(names)}" for who, names in DIALECTS.items())
    optional = ", ".join(OPTIONAL_INPUTS)
    return f"The inputs are ids, mask and types, in one of these spellings: {rows}. Optional: {optional}."


def check_values(inputs, encoder):
    """Refuse concrete integer arrays (native names) that `encoder` has no rows for, with an error that says which.

    The layers check shapes only (looking at values would stop an accelerator at every step), so this is called where
    values are concrete anyway: by the reader, the data pipeline and the loaders.
    """
    limits = {"input_word_ids": encoder.vocab_size, "input_type_ids": encoder.type_vocab_size}
    for name, limit in limits.items():
        values = inputs[name]
        if values.size and not 0 <= values.min() <= values.max() < limit:
            wrong = values[(values < 0) | (values >= limit)][0]
            raise ValueError(f"{name} holds {wrong}, but the encoder knows ids from 0 to {limit - 1} only.")
    length = inputs["input_word_ids"].shape[1]
    if length > encoder.max_sequence_length:
        raise ValueError(
            f"{length} tokens are more than the encoder's {encoder.max_sequence_length} positions: shorten the text, "
            "or let the preprocessor cut it (seq_length)."
        )


NATIVE_NAMES = {
    **{key: native for row in DIALECTS.values() for key, native in zip(row, DIALECTS["tf-models"], strict=True)},
    **{key: key for key in OPTIONAL_INPUTS},
}
"""Every accepted key, and the name it has from the encoder's door inwards."""
