"""Token classification: a label for every token, from its own vector, as for tagging words.

    logits = dropout(x_L) W + b          (x_L: the encoder's sequence output)

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 5.3. Chapter: notebooks/15_tagging_words.ipynb.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from bertedu import checks, defaults
from bertedu.classifier import NamedClasses
from bertedu.serialization import ConfigFromSignature


@keras.saving.register_keras_serializable(package="bertedu")
class BertTokenClassifier(ConfigFromSignature, NamedClasses, keras.Model):
    """An encoder with a logit per token and class, with the arguments of tf-models' `BertTokenClassifier`.

    Args:
        network: `BertEncoder`, which is shared, not copied (`bert.token_classifier_for` copies it).
        num_classes: int, number of classes.
        initializer: Keras initializer of the head.
        output: "logits", or "predictions" for log-probabilities (the log-softmax of the logits).
        dropout_rate: float in [0, 1), dropout rate before the head.
        output_encoder_outputs: bool, whether to return `encoder_outputs` too.
        class_names: list of `num_classes` strings, names of the classes, as "B-PER". Defaults to None, unknown.

    Call arguments:
        inputs: dict of the encoder's inputs; see `BertEncoder`.
        training: bool, whether to apply dropout.

    Returns:
        dict of `logits` or `predictions`, `[B, T, num_classes]`, by `output`; and with `output_encoder_outputs` of
        `encoder_outputs`, the sequence output after dropout, `[B, T, D]`.

    Raises:
        ValueError: `num_classes` is below 1, `output` is unknown, or there are more or fewer `class_names`.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> classifier = BertTokenClassifier(BertEncoder(20, 6, num_layers=1, num_attention_heads=2), num_classes=3)
        >>> ids = keras.ops.array([[2, 5, 6, 3]])
        >>> tuple(classifier({"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0})["logits"].shape)
        (1, 4, 3)

    Source: tf-models' `BertTokenClassifier`, whose `get_config` lacks `dropout_rate`. It calls the head
    "predictions/transform/logits"; Keras 3 allows no slash in a name.
    """

    STORED_AS: ClassVar[dict[str, str]] = {"output": "output_kind"}
    uses_pooler: ClassVar[bool] = False

    def __init__(
        self,
        network: Any,
        num_classes: int,
        initializer: Any = "glorot_uniform",
        output: str = "logits",
        dropout_rate: float = defaults.DROPOUT,
        output_encoder_outputs: bool = False,
        *,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # With the encoder's dtype policy, Keras scales the loss for float16, so that small gradients do not become 0.
        super().__init__(**{"dtype": network.dtype_policy} | kwargs)
        self.network = network
        self.num_classes = checks.whole_number("num_classes", num_classes)
        self.initializer = keras.initializers.get(initializer)
        self.output_kind = checks.choice("output", output, ("logits", "predictions"))
        self.output_encoder_outputs = output_encoder_outputs
        self.class_names = class_names
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=network.dtype_policy)
        self.classifier = defaults.dense(num_classes, "logits", self.initializer, network.dtype_policy)
        self.build()  # the encoder's sizes are known, so the weights exist from the start

    @property
    def dropout_rate(self) -> float:
        """float, the dropout rate before the head."""
        return self.dropout.rate

    @property
    def labels(self) -> tuple[str, ...]:
        """Tuple of `class_names`, or of "LABEL_0", "LABEL_1", ... if they are unknown, as in transformers."""
        return self.class_names or tuple(f"LABEL_{i}" for i in range(self.num_classes))

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of the head if it has none yet."""
        if not self.classifier.built:
            self.classifier.build((None, None, self.network.hidden_size))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """Return a dict of `logits` or `predictions`, `[B, T, num_classes]`."""
        sequence = self.network(inputs, training=training)["sequence_output"]  # [B, T, D]
        sequence = self.dropout(sequence, training=training)  # [B, T, D]
        logits = self.classifier(sequence)  # [B, T, num_classes]
        outputs = {self.output_kind: logits if self.output_kind == "logits" else keras.ops.log_softmax(logits, axis=-1)}
        return outputs | ({"encoder_outputs": sequence} if self.output_encoder_outputs else {})

    @property
    def checkpoint_items(self) -> dict[str, keras.layers.Layer]:
        """The layers by their names in checkpoints of tf-models."""
        return {"encoder": self.network}
