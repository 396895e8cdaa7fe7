"""Embeddings: the vector of a token is the sum of a word, a position and a type embedding.

    x = dropout(LayerNorm(word[id] + position[t] + type[segment]))      (then x W + b, if the tables are narrower)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3 and figure 2; narrower tables: Lan et al. 2019
(ALBERT, https://arxiv.org/abs/1909.11942), section 3.1. Chapter: notebooks/02_embeddings.ipynb.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.serialization import ConfigFromSignature


@keras.saving.register_keras_serializable(package="bertedu")
class BertEmbeddings(ConfigFromSignature, keras.layers.Layer):
    """Sum of word, position and type embeddings, followed by layer normalization and dropout.

    Args:
        vocab_size: int, number of word embeddings V.
        hidden_size: int, hidden size D of the output.
        max_sequence_length: int, number of position embeddings.
        type_vocab_size: int, number of type (segment) embeddings.
        embedding_width: int, width W of the three embedding tables. If it is not `hidden_size`, a projection W -> D
            follows the normalization. Defaults to `hidden_size`.
        embedding_layer: layer whose `embeddings` `[V, W]` are the word embedding table. Defaults to
            None: a new table is created.
        dropout: float in [0, 1), dropout rate of the normalized sum.
        layer_norm_epsilon: float, epsilon of the layer normalization.
        initializer: Keras initializer of embedding tables and projection. Defaults to `defaults.initializer()`.

    Call arguments:
        word_ids: integers `[B, T]` from 0 to V - 1. Not used if `word_embeddings` is passed.
        type_ids: integers `[B, T]` from 0 to `type_vocab_size` - 1.
        word_embeddings: `[B, T, W]`, replaces the lookup of `word_ids`. Defaults to None.
        dense_inputs, dense_type_ids: `[B, T2, W]` and `[B, T2]`, more embeddings and their types, appended to the word
            embeddings. Defaults to None.
        training: bool, whether to apply dropout.

    Returns:
        `[B, T + T2, D]`.

    Raises:
        ValueError: a size is below 1, or there are more positions than `max_sequence_length`.

    Example:
        >>> embeddings = BertEmbeddings(vocab_size=20, hidden_size=6, max_sequence_length=8, type_vocab_size=2)
        >>> ids = keras.ops.array([[2, 5, 6, 3]])
        >>> tuple(embeddings(ids, keras.ops.zeros_like(ids)).shape)
        (1, 4, 6)
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int = 768,
        max_sequence_length: int = 512,
        type_vocab_size: int = 16,
        embedding_width: int | None = None,
        embedding_layer: keras.layers.Layer | None = None,
        dropout: float = defaults.DROPOUT,
        layer_norm_epsilon: float = defaults.LAYER_NORM_EPSILON,
        initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = checks.whole_number("vocab_size", vocab_size)
        self.hidden_size = hidden_size
        self.max_sequence_length = checks.whole_number("max_sequence_length", max_sequence_length)
        self.type_vocab_size = checks.whole_number("type_vocab_size", type_vocab_size)
        self.embedding_width = embedding_width or hidden_size
        self.embedding_layer = embedding_layer
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer = keras.initializers.get(initializer or defaults.initializer())

        self.word_embeddings = embedding_layer or self._table(vocab_size, "word_embeddings")
        self.position_embedding = self._table(max_sequence_length, "position_embedding")
        self.type_embeddings = self._table(type_vocab_size, "type_embeddings")
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.projection = None
        if self.embedding_width != hidden_size:
            self.projection = defaults.dense(hidden_size, "embedding_projection", self.initializer, self.dtype_policy)

    def _table(self, rows, name):
        return keras.layers.Embedding(
            rows,
            self.embedding_width,
            embeddings_initializer=defaults.clone_initializer(self.initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of all layers. No input shape is needed."""
        for table in (self.word_embeddings, self.position_embedding, self.type_embeddings):
            if not table.built:
                table.build(None)
        self.layer_norm.build((None, None, self.embedding_width))
        if self.projection is not None:
            self.projection.build((None, None, self.embedding_width))

    def call(
        self,
        word_ids: Any,
        type_ids: Any,
        word_embeddings: Any = None,
        dense_inputs: Any = None,
        dense_type_ids: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Return the embeddings, `[B, T + T2, D]`."""
        words = self.word_embeddings(word_ids) if word_embeddings is None else word_embeddings  # [B, T, W]
        if dense_inputs is not None:
            words = ops.concatenate([words, ops.cast(dense_inputs, words.dtype)], axis=1)  # [B, T + T2, W]
            type_ids = ops.concatenate([type_ids, ops.cast(dense_type_ids, type_ids.dtype)], axis=1)  # [B, T + T2]
        self._check_length(words)
        positions = ops.arange(ops.shape(words)[1], dtype="int32")  # [T]

        x = words + self.position_embedding(positions) + self.type_embeddings(type_ids)  # [B, T, W]
        x = self.dropout(self.layer_norm(x), training=training)  # [B, T, W]
        return x if self.projection is None else self.projection(x)  # [B, T, D]

    def _check_length(self, words):
        length = words.shape[1]  # not an int in a graph of TensorFlow or JAX
        if not isinstance(length, int) or length <= self.max_sequence_length:
            return
        if str(getattr(words, "device", "")) == "meta":  # torch: Keras infers shapes with an arbitrary length
            return
        expected = f"at most max_sequence_length={self.max_sequence_length} positions"
        advice = "Set seq_length of BertPreprocessor to truncate texts, or create a larger encoder."
        raise ValueError(f"inputs: expected {expected}, got {length}. {advice}")
