"""The masked language model: predictions of the tokens that were masked.

    h = LayerNorm(activation(x_L[masked positions] W + b))
    logits = h E^T + c                                          (E: the word embedding table)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.1, task 1. Chapter: notebooks/08_masked_lm.ipynb.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.serialization import ConfigFromSignature, from_config


@dataclasses.dataclass(frozen=True)
class SharedTable:
    """A word embedding table `[V, W]` without its layer, under the attribute name of an embedding layer."""

    embeddings: Any
    built: ClassVar[bool] = True


@keras.saving.register_keras_serializable(package="bertedu")
class MaskedLM(ConfigFromSignature, keras.layers.Layer):
    """The masked-LM head: a logit for every token of the vocabulary at each masked position.

    The output matrix is the encoder's word embedding table (tied weights), so the head itself has few weights.

    Args:
        embedding_table: layer whose `embeddings` `[V, W]` are the word embedding table
            (`encoder.get_embedding_layer()`), or, as in tf-models, the table itself as a variable, tensor or array,
            which is not saved with this layer.
        activation: Keras activation of the hidden layer. Defaults to None, linear, as in tf-models. The published BERTs
            use their encoder's GELU.
        initializer: Keras initializer of the hidden layer.
        output: "logits", or "predictions" for log-probabilities (the log-softmax of the logits).
        layer_norm_epsilon: float, epsilon of the layer normalization.

    Call arguments:
        sequence_data: `[B, T, D]`, the encoder's `sequence_output`.
        masked_positions: integers `[B, M]` from 0 to T - 1.

    Returns:
        `[B, M, V]`.

    Raises:
        ValueError: `output` is unknown, or `embedding_table` is neither a layer nor a matrix.

    Example:
        >>> table = keras.layers.Embedding(20, 6)
        >>> table.build()
        >>> tuple(MaskedLM(table)(keras.ops.ones((2, 5, 6)), keras.ops.array([[1], [3]])).shape)
        (2, 1, 20)
    """

    STORED_AS: ClassVar[dict[str, str]] = {"embedding_table": "_table_layer", "output": "output_kind"}

    def __init__(
        self,
        embedding_table: Any,
        activation: Any = None,
        initializer: Any = "glorot_uniform",
        output: str = "logits",
        layer_norm_epsilon: float = defaults.LAYER_NORM_EPSILON,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(embedding_table, keras.layers.Layer):
            if len(getattr(embedding_table, "shape", ())) != 2:
                got = f"got {type(embedding_table).__name__}. Pass encoder.get_embedding_layer()."
                raise ValueError(f"embedding_table: expected an embedding layer or an array of shape [V, W], {got}")
            embedding_table = SharedTable(embedding_table)
        self.embedding_table = embedding_table
        self.activation = keras.activations.get(activation)
        self.initializer = keras.initializers.get(initializer)
        self.output_kind = checks.choice("output", output, ("logits", "predictions"))
        self.layer_norm_epsilon = layer_norm_epsilon
        self.layer_norm = keras.layers.LayerNormalization(
            epsilon=layer_norm_epsilon, dtype=self.dtype_policy, name="layer_norm"
        )

    @property
    def table(self) -> Any:
        """The word embedding table, `[V, W]`."""
        return self.embedding_table.embeddings

    @property
    def _table_layer(self) -> keras.layers.Layer | None:
        """The layer that holds the word embedding table, or None if the table itself was passed."""
        return None if isinstance(self.embedding_table, SharedTable) else self.embedding_table

    def build(self, sequence_data_shape: Sequence[int | None], masked_positions_shape: Any = None) -> None:
        """Create the weights of the head for a `sequence_output` of shape `[B, T, D]`."""
        if not self.embedding_table.built:
            self.embedding_table.build()
        vocab_size, width = self.table.shape
        self.dense = defaults.dense(width, "transform", self.initializer, self.dtype_policy)
        self.dense.build(sequence_data_shape)
        self.layer_norm.build((None, None, width))
        self.bias = self.add_weight(shape=(vocab_size,), initializer="zeros", name="output_bias")

    def call(self, sequence_data: Any, masked_positions: Any) -> Any:
        """Return logits, or log-probabilities, `[B, M, V]`."""
        positions = ops.cast(masked_positions, "int32")[:, :, None]  # [B, M, 1]
        masked = ops.take_along_axis(sequence_data, positions, axis=1)  # [B, M, D]
        hidden = self.layer_norm(self.activation(self.dense(masked)))  # [B, M, W]
        table = ops.cast(self.table, hidden.dtype)  # [V, W]
        logits = ops.matmul(hidden, ops.transpose(table)) + self.bias  # [B, M, V]
        return logits if self.output_kind == "logits" else ops.log_softmax(logits, axis=-1)


@keras.saving.register_keras_serializable(package="bertedu")
class BertPretrainer(ConfigFromSignature, keras.Model):
    """An encoder with its pretraining heads: a masked-LM head and any number of classification heads.

    Args:
        encoder_network: `BertEncoder`, which is shared, not copied.
        mlm_activation: Keras activation of the masked-LM head's hidden layer. Defaults to None, linear.
        mlm_initializer: Keras initializer of that layer.
        classification_heads: list of layers, called with `sequence_output`. Each adds an output under its name.
        customized_masked_lm: masked-LM head, a layer with the call signature of `MaskedLM`. Defaults to a new one.

    Call arguments:
        inputs: dict of the encoder's inputs and, for predictions, `masked_lm_positions` `[B, M]`.
        training: bool, whether to apply dropout.

    Returns:
        dict of the encoder's outputs, `mlm_logits` `[B, M, V]` if positions are passed, and an output per
        classification head.

    Raises:
        ValueError: two heads have the same name.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> pretrainer = BertPretrainer(BertEncoder(20, 6, num_layers=1, num_attention_heads=2, inner_dim=8))
        >>> ids = keras.ops.array([[2, 5, 4, 3]])
        >>> inputs = {"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0}
        >>> outputs = pretrainer(inputs | {"masked_lm_positions": keras.ops.array([[2]])})
        >>> tuple(outputs["mlm_logits"].shape)
        (1, 1, 20)

    Source: tf-models' `BertPretrainerV2`; the `.mlm` object of TensorFlow Hub's BERTs.
    """

    def __init__(
        self,
        encoder_network: Any,
        mlm_activation: Any = None,
        mlm_initializer: Any = "glorot_uniform",
        classification_heads: Sequence[keras.layers.Layer] | None = None,
        customized_masked_lm: keras.layers.Layer | None = None,
        name: str = "bert",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.encoder_network = encoder_network
        self.mlm_activation = keras.activations.get(mlm_activation)
        self.mlm_initializer = keras.initializers.get(mlm_initializer)
        self.classification_heads = list(classification_heads or [])
        self.customized_masked_lm = customized_masked_lm
        names = [head.name for head in self.classification_heads]
        if len(set(names)) != len(names):
            raise ValueError(f"classification_heads: expected heads with unique names, got {names}. Rename one.")
        self.masked_lm = customized_masked_lm or MaskedLM(
            encoder_network.get_embedding_layer(),
            self.mlm_activation,
            self.mlm_initializer,
            layer_norm_epsilon=encoder_network.layer_norm_epsilon,
            dtype=encoder_network.dtype_policy,
            name="cls_predictions",
        )
        self.build()  # the encoder's sizes are known, so the weights exist from the start

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of the heads that have none yet."""
        sequence_shape = (None, None, self.encoder_network.hidden_size)
        for head in (self.masked_lm, *self.classification_heads):
            if not head.built:
                head.build(sequence_shape)

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """Return the dict of outputs that the class describes."""
        inputs = dict(inputs)
        positions = inputs.pop("masked_lm_positions", None)
        outputs = dict(self.encoder_network(inputs, training=training))
        if positions is not None:
            outputs["mlm_logits"] = self.masked_lm(outputs["sequence_output"], positions)  # [B, M, V]
        for head in self.classification_heads:
            outputs[head.name] = head(outputs["sequence_output"], training=training)
        return outputs

    @property
    def checkpoint_items(self) -> dict[str, keras.layers.Layer]:
        """The layers by their names in checkpoints of tf-models."""
        items = {"encoder": self.encoder_network, "masked_lm": self.masked_lm}
        for head in self.classification_heads:
            for key, item in getattr(head, "checkpoint_items", {}).items():
                items[f"{head.name}.{key}"] = item
        return items

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor. The table of a tied `customized_masked_lm` is None."""
        config, head = super().get_config(), self.customized_masked_lm
        if isinstance(head, MaskedLM):
            tied = head.table is self.encoder_network.get_embedding_table()
            if not tied and head._table_layer is None:
                got = "got an array, which cannot be saved. Pass encoder.get_embedding_layer()."
                raise ValueError(f"customized_masked_lm: expected an embedding layer as embedding_table, {got}")
            if tied:  # `from_config` ties it again
                config["customized_masked_lm"]["config"]["embedding_table"] = None
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BertPretrainer:
        """Return the model that a `get_config` dict describes, with new weights."""
        encoder, head = from_config("encoder_network", config["encoder_network"]), config["customized_masked_lm"]
        if head and head["config"].get("embedding_table", ...) is None:
            head = MaskedLM.from_config(head["config"] | {"embedding_table": encoder.get_embedding_layer()})
        return super().from_config(config | {"encoder_network": encoder, "customized_masked_lm": head})
