"""Classification: a head on top of the encoder, from the vector of a text to one logit per class.

    logits = dropout(pooled) W + b          (pooled: the encoder's pooled output, or a new tanh(x_L[0] W_p + b_p))

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 4.1. Chapter: notebooks/09_classification.ipynb.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import keras

from bertedu import checks, defaults
from bertedu.serialization import ConfigFromSignature


@keras.saving.register_keras_serializable(package="bertedu")
class ClassificationHead(ConfigFromSignature, keras.layers.Layer):
    """Classification head: an optional dense layer on the vector of one token, dropout, and a logit per class.

    Args:
        inner_dim: int, units of the inner dense layer. With 0 there is none, and the head is called with one vector.
        num_classes: int, number of classes.
        cls_token_idx: int, position of the token that the inner layer takes.
        activation: Keras activation of the inner layer.
        dropout_rate: float in [0, 1), dropout rate before the last layer.
        initializer: Keras initializer of both layers.

    Call arguments:
        features: `[B, T, D]`, or `[B, D]` if `inner_dim` is 0.
        training: bool, whether to apply dropout.

    Returns:
        Logits, `[B, num_classes]`.

    Raises:
        ValueError: `num_classes` is below 1.

    Example:
        >>> tuple(ClassificationHead(4, num_classes=3)(keras.ops.ones((2, 5, 4))).shape)
        (2, 3)

    Source: tf-models' `ClassificationHead`.
    """

    STORED_AS: ClassVar[dict[str, str]] = {"dropout_rate": "dropout"}

    def __init__(
        self,
        inner_dim: int,
        num_classes: int,
        cls_token_idx: int = 0,
        activation: Any = "tanh",
        dropout_rate: float = 0.0,
        initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.inner_dim = inner_dim
        self.num_classes = checks.whole_number("num_classes", num_classes)
        self.cls_token_idx = cls_token_idx
        self.activation = keras.activations.get(activation)
        self.initializer = keras.initializers.get(initializer)
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=self.dtype_policy)
        self.pooler_dense = self._dense(inner_dim, "pooler_dense", self.activation) if inner_dim else None
        self.logits_dense = self._dense(num_classes, "logits")

    def _dense(self, units, name, activation=None):
        return defaults.dense(units, name, self.initializer, self.dtype_policy, activation=activation)

    def build(self, features_shape: Sequence[int | None]) -> None:
        """Create the weights for features of shape `[B, T, D]`, or `[B, D]` if `inner_dim` is 0."""
        width = features_shape[-1]
        if self.pooler_dense is not None:
            self.pooler_dense.build((None, width))
            width = self.inner_dim
        self.logits_dense.build((None, width))

    def call(self, features: Any, training: bool | None = None) -> Any:
        """Return logits, `[B, num_classes]`."""
        if self.pooler_dense is not None:
            features = self.pooler_dense(features[:, self.cls_token_idx])  # [B, inner_dim]
        return self.logits_dense(self.dropout(features, training=training))  # [B, num_classes]

    @property
    def checkpoint_items(self) -> dict[str, keras.layers.Layer]:
        """The inner layer, if any, by its name in checkpoints of tf-models."""
        return {} if self.pooler_dense is None else {"pooler_dense": self.pooler_dense}


class NamedClasses:
    """Mixin of a model with `num_classes` classes, which may have names."""

    num_classes: int

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Tuple of the names of the classes, or None if they are unknown."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        if names is not None and len(names) != self.num_classes:
            raise ValueError(f"class_names: expected {self.num_classes} names, one per class, got {len(names)}.")
        self._class_names = None if names is None else tuple(str(name) for name in names)


@keras.saving.register_keras_serializable(package="bertedu")
class BertClassifier(ConfigFromSignature, NamedClasses, keras.Model):
    """An encoder with a classification head, with the arguments of tf-models' `BertClassifier`.

    Args:
        network: `BertEncoder`, which is shared, not copied (`bert.classifier_for` copies it).
        num_classes: int, number of classes; 1 for regression, whose logit is the predicted value.
        initializer: Keras initializer of the head.
        dropout_rate: float in [0, 1), dropout rate before the last layer.
        use_encoder_pooler: bool, classify the encoder's `pooled_output`. If False, the head has a pooler of its own.
        head_name: str, name of the head.
        cls_head: layer to use as the head, called with `pooled_output` `[B, D]`, or with `sequence_output` `[B, T, D]`
            if `use_encoder_pooler` is False. Defaults to a new `ClassificationHead`.
        class_names: list of `num_classes` strings, names of the classes. Defaults to None, unknown.
        multi_label: bool, whether any number of classes may apply to a text (a sigmoid for each). Defaults to False,
            exactly one class applies (a softmax over the classes).
        thresholds: list of `num_classes` floats from 0 to 1, for `multi_label`: the probability from which a class is
            predicted. Defaults to None, 0.5 for all.

    Call arguments:
        inputs: dict of the encoder's inputs; see `BertEncoder`.
        training: bool, whether to apply dropout.

    Returns:
        Logits, `[B, num_classes]`.

    Raises:
        ValueError: `num_classes` is below 1, there are more or fewer `class_names` or `thresholds`, a threshold is not
            from 0 to 1, or there are thresholds without `multi_label`.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> classifier = BertClassifier(BertEncoder(20, 6, num_layers=1, num_attention_heads=2), num_classes=2)
        >>> ids = keras.ops.array([[2, 5, 6, 3]])
        >>> tuple(classifier({"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0}).shape)
        (1, 2)
    """

    def __init__(
        self,
        network: Any,
        num_classes: int,
        initializer: Any = "glorot_uniform",
        dropout_rate: float = defaults.DROPOUT,
        use_encoder_pooler: bool = True,
        head_name: str = "sentence_prediction",
        cls_head: keras.layers.Layer | None = None,
        *,
        class_names: Sequence[str] | None = None,
        multi_label: bool = False,
        thresholds: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        # With the encoder's dtype policy, Keras scales the loss for float16, so that small gradients do not become 0.
        super().__init__(**{"dtype": network.dtype_policy} | kwargs)
        self.network = network
        self.num_classes = num_classes
        self.initializer = keras.initializers.get(initializer)
        self.dropout_rate = dropout_rate
        self.use_encoder_pooler = use_encoder_pooler
        self.head_name = head_name
        self.cls_head = cls_head
        self.multi_label = multi_label
        self.class_names = class_names
        self.thresholds = thresholds
        self.classifier = cls_head or ClassificationHead(
            0 if use_encoder_pooler else network.hidden_size,
            num_classes,
            dropout_rate=dropout_rate,
            initializer=self.initializer,
            dtype=network.dtype_policy,
            name=head_name,
        )
        self.build()  # the encoder's sizes are known, so the weights exist from the start

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Tuple of the probabilities from which each class of several is predicted, or None: 0.5 for all."""
        return self._thresholds

    @thresholds.setter
    def thresholds(self, values: Sequence[float] | None) -> None:
        if values is not None:
            if not self.multi_label:
                raise ValueError(f"thresholds: expected None without multi_label=True, got {values!r}.")
            if len(values) != self.num_classes:
                raise ValueError(f"thresholds: expected {self.num_classes} numbers, one per class, got {len(values)}.")
            values = tuple(float(checks.number("thresholds", value, 0, 1)) for value in values)
        self._thresholds = values

    def build(self, input_shape: Any = None) -> None:
        """Create the weights of the head if it has none yet."""
        if not self.classifier.built:
            width = self.network.hidden_size
            self.classifier.build((None, width) if self.use_encoder_pooler else (None, None, width))

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """Return logits, `[B, num_classes]`."""
        outputs = self.network(inputs, training=training)
        features = outputs["pooled_output" if self.use_encoder_pooler else "sequence_output"]  # [B, D] or [B, T, D]
        return self.classifier(features, training=training)  # [B, num_classes]

    @property
    def checkpoint_items(self) -> dict[str, keras.layers.Layer]:
        """The layers by their names in checkpoints of tf-models."""
        items = getattr(self.classifier, "checkpoint_items", {})
        return {"encoder": self.network} | {f"{self.head_name}.{key}": item for key, item in items.items()}


def copy_encoder(encoder: Any, dtype: str | None = None) -> Any:
    """Return a copy of an encoder with the same weights, frozen layers and dropout rates.

    Args:
        encoder: `BertEncoder`.
        dtype: str, dtype policy of the copy. Defaults to that of `encoder`.
    """
    config = encoder.get_config() | ({"dtype": dtype} if dtype else {})
    copy = type(encoder).from_config(config)
    copy.set_weights(encoder.get_weights())
    copy_settings(encoder, copy)
    return copy


def on_encoder(model: Any, argument: str, encoder: Any) -> Any:
    """Return a copy of a model with an encoder, such as a `BertClassifier`, on another encoder.

    Args:
        model: the model.
        argument: str, name of its argument for the encoder.
        encoder: `BertEncoder` of the copy.
    """
    copy = type(model).from_config(model.get_config() | {argument: encoder})
    for source, target in zip(_own_weights(model, argument), _own_weights(copy, argument), strict=True):
        target.assign(keras.ops.convert_to_numpy(source))
    copy_settings(model, copy)
    return copy


def _own_weights(model, argument):
    of_encoder = {id(weight) for weight in getattr(model, argument).weights}
    return [weight for weight in model.weights if id(weight) not in of_encoder]


def copy_settings(source: keras.layers.Layer, target: keras.layers.Layer) -> None:
    """Copy `trainable` and dropout rates from a layer to another with the same configuration."""
    for original, copy in matching_layers(source, target):
        copy.trainable = original.trainable
        if isinstance(original, keras.layers.Dropout):
            copy.rate = original.rate
    for original, copy in zip(source.weights, target.weights, strict=True):
        copy.trainable = original.trainable  # weights frozen one by one, or in private attributes


def matching_layers(
    source: keras.layers.Layer, target: keras.layers.Layer
) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer]]:
    """Yield (layer of `source`, the same layer of `target`), outer layers first, because they set `trainable`."""
    yield source, target
    # On torch, layers are not in `vars` but in `_modules`. Of a Sequential, only `layers` is public.
    for name in (*vars(source), *getattr(source, "_modules", ()), "layers"):
        if name.startswith("_") or not (hasattr(source, name) and hasattr(target, name)):
            continue
        for original, copy in zip(_layers_in(getattr(source, name)), _layers_in(getattr(target, name)), strict=False):
            yield from matching_layers(original, copy)


def _layers_in(value):
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return [item for item in values if isinstance(item, keras.layers.Layer)]
