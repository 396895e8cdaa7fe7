"""The masked language model: predict tokens that were hidden from the encoder.

    h = LayerNorm(activation(x_L[masked positions] W + b));   logits = h E^T + c      (E is the word table, once more)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.1, task 1. Chapter: notebooks/08_masked_lm.ipynb.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from bertedu import checks, defaults
from bertedu.serialization import ConfigFromSignature, deserialize


@dataclasses.dataclass(frozen=True)
class SharedTable:
    """A word table `[V, W]` that belongs to another layer, in the attribute in which that layer has it."""

    embeddings: Any
    built: ClassVar[bool] = True


@keras.saving.register_keras_serializable(package="bertedu")
class MaskedLM(ConfigFromSignature, keras.layers.Layer):
    """The masked-LM head: for each masked position a logit for every token of the vocabulary.

    The last step multiplies with the encoder's own word table ("tied"), so that the head adds few weights.

    Args:
        embedding_table: the layer that holds the word table `[V, W]` in `.embeddings`: `encoder.get_embedding_layer()`.
            Or, as in tf-models, the table itself: a variable, tensor or array `[V, W]`. It is then neither among the
            weights of this layer nor in its configuration.
        activation: Keras activation of the hidden layer. Defaults to None, linear, as in tf-models; the published BERTs
            use their encoder's GELU.
        initializer: Keras initializer of the hidden layer.
        output: "logits", or "predictions" for their log-softmax.
        layer_norm_epsilon: float.

    Call arguments:
        sequence_data: `[B, T, D]`, the encoder's sequence output.
        masked_positions: integers `[B, M]`, each below T.

    Returns:
        `[B, M, V]`.

    Raises:
        ValueError: another `output`, or a table that is not one.

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
                kind = type(embedding_table).__name__
                raise ValueError(f"embedding_table: expected encoder.get_embedding_layer() or [V, W], got {kind}.")
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
        """The word table, `[V, W]`."""
        return self.embedding_table.embeddings

    @property
    def _table_layer(self) -> keras.layers.Layer | None:
        """The layer that holds the table; None where the table itself was passed."""
        return None if isinstance(self.embedding_table, SharedTable) else self.embedding_table

    def build(self, sequence_data_shape: Sequence[int | None], masked_positions_shape: Any = None) -> None:
        """Build the head for a sequence output of the shape `[B, T, D]`."""
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
    """An encoder with the heads it is pretrained with: the masked language model, and any number of classifiers.

    Args:
        encoder_network: a `BertEncoder`; shared, not copied.
        mlm_activation: Keras activation of the masked-LM head's hidden layer. Defaults to None, linear.
        mlm_initializer: Keras initializer of that layer.
        classification_heads: list of layers, each called with `sequence_output`; their names become output keys.
        customized_masked_lm: a layer to use in place of a new `MaskedLM`, called in the same way. Defaults to None.

    Call arguments:
        inputs: the encoder's inputs, and `masked_lm_positions` `[B, M]` where predictions are asked for.

    Returns:
        dict: all of the encoder's outputs, `mlm_logits` `[B, M, V]` where positions were given, and an entry per head.

    Raises:
        ValueError: two heads of one name.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> pretrainer = BertPretrainer(BertEncoder(20, 6, num_layers=1, num_attention_heads=2, inner_dim=8))
        >>> ids = keras.ops.array([[2, 5, 4, 3]])
        >>> inputs = {"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0}
        >>> outputs = pretrainer(inputs | {"masked_lm_positions": keras.ops.array([[2]])})
        >>> tuple(outputs["mlm_logits"].shape)
        (1, 1, 20)

    Source: tf-models' `BertPretrainerV2`; the `.mlm` object of the Hub's BERTs.
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
            raise ValueError(f"classification_heads must have names of their own, got {names}.")
        self.masked_lm = customized_masked_lm or MaskedLM(
            encoder_network.get_embedding_layer(),
            self.mlm_activation,
            self.mlm_initializer,
            layer_norm_epsilon=encoder_network.layer_norm_epsilon,
            dtype=encoder_network.dtype_policy,
            name="cls_predictions",
        )
        self.build()  # the encoder has its weights, so that the heads can have theirs

    def build(self, input_shape: Any = None) -> None:
        """Build the heads that are not built yet."""
        sequence_shape = (None, None, self.encoder_network.hidden_size)
        for head in (self.masked_lm, *self.classification_heads):
            if not head.built:
                head.build(sequence_shape)

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """Return the dict of outputs; see the class."""
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
        """The parts that tf-models' checkpoints name: encoder, masked_lm, and each head's own."""
        items = {"encoder": self.encoder_network, "masked_lm": self.masked_lm}
        for head in self.classification_heads:
            for key, item in getattr(head, "checkpoint_items", {}).items():
                items[f"{head.name}.{key}"] = item
        return items

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor. A head's table is null there if it is the encoder's own."""
        config, head = super().get_config(), self.customized_masked_lm
        if isinstance(head, MaskedLM):
            tied = head.table is self.encoder_network.get_embedding_table()
            if not tied and head._table_layer is None:
                raise ValueError("customized_masked_lm: expected the encoder's table or one in a layer, got another.")
            if tied:  # it must not come back as a copy
                config["customized_masked_lm"]["config"]["embedding_table"] = None
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BertPretrainer:
        """Return the model that a `get_config` dict describes, with new weights."""
        encoder, head = deserialize(config["encoder_network"]), config["customized_masked_lm"]
        if head and head["config"].get("embedding_table", ...) is None:
            head = MaskedLM.from_config(head["config"] | {"embedding_table": encoder.get_embedding_layer()})
        return super().from_config(config | {"encoder_network": encoder, "customized_masked_lm": head})
