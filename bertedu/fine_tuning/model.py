"""What is trained: the classifier itself, or a copy in another precision, with loss and optimizer; on which examples.

And what prediction must know of a training to repeat it. Chapter: notebooks/11_fine_tuning.ipynb.
"""

import dataclasses
import weakref
from typing import Any, NamedTuple

import keras

from bertedu.backend import devices
from bertedu.checks import whole_number
from bertedu.classifier import BertClassifier, copy_encoder, copy_settings
from bertedu.fine_tuning.config import TrainingConfig
from bertedu.fine_tuning.examples import Examples, sha256
from bertedu.fine_tuning.history import environment
from bertedu.fine_tuning.schedule import optimizer
from bertedu.fine_tuning.state import named
from bertedu.text import BertPreprocessor


class PredictionSettings(NamedTuple):
    """What a prediction must repeat of a training.

    Args:
        max_length: int, tokens to which texts are cut.
        pairs: bool, whether the examples are pairs of texts; None if unknown.
        precision: name of the dtype policy; None for the classifier's own.
    """

    max_length: int | None
    pairs: bool | None = None
    precision: str | None = None


PREDICTION_SETTINGS: weakref.WeakKeyDictionary[BertClassifier, PredictionSettings] = weakref.WeakKeyDictionary()
"""`PredictionSettings` by classifier, of those that were trained or opened by `open_run` in this process."""

_COPIES: weakref.WeakKeyDictionary[BertClassifier, BertClassifier] = weakref.WeakKeyDictionary()
# Of classifiers that predict in another precision than their own.


@dataclasses.dataclass(frozen=True)
class Training:
    """What is trained, on which examples, and how.

    Args:
        classifier: `BertClassifier`; gets the trained weights at the end.
        preprocessor: its `BertPreprocessor`.
        train: `Examples`.
        validation: `Examples`, or None.
        max_length: int, tokens to which texts are cut.
        config: `TrainingConfig`.
    """

    classifier: BertClassifier
    preprocessor: BertPreprocessor
    train: Examples
    validation: Examples | None
    max_length: int
    config: TrainingConfig

    def describe(self) -> dict[str, Any]:
        """Return everything that the result depends on, as a dict that JSON can hold."""
        layers = self.classifier._flatten_layers()
        settings = PredictionSettings(self.max_length, self.train.pairs, policy_of(self.config.precision))
        return {
            "arguments": self.config.to_json(),
            "num_classes": self.classifier.num_classes,
            "names": self.train.names,
            "prediction": settings._asdict(),
            "parameters": self.classifier.count_params(),
            "train": self.train.describe(),
            "validation": self.validation and self.validation.describe(),
            "tokenizer": sha256(self.preprocessor.tokenizer.get_config()),
            "frozen": [path for path, weight in named(self.classifier).items() if not weight.trainable],
            "dropout": [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)],
            "surroundings": environment(),
        }


def compiled(classifier: BertClassifier, config: TrainingConfig, num_examples: int) -> BertClassifier:
    """Return the classifier itself, or a copy that computes in the configured precision, with loss and optimizer.

    It serves any number of runs with other seeds, so that the step is traced (which takes seconds) only once.

    Raises:
        ValueError: every weight is frozen.
    """
    model = with_policy(classifier, policy_of(config.precision))
    if not model.trainable_variables:
        raise ValueError("classifier: every weight is frozen (trainable=False), so there is nothing to train.")
    # Dividing by the sum of the weights keeps a batch that was filled up from counting less.
    reduction = "mean_with_sample_weight"
    if classifier.num_classes == 1:
        loss = keras.losses.MeanSquaredError(reduction=reduction)
        metric = keras.metrics.MeanAbsoluteError(name="mean_absolute_error")
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
        metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    adam = optimizer(
        config.learning_rate,
        config.epochs * config.steps_per_epoch(num_examples),
        config.warm_up,
        config.weight_decay,
        config.clip_norm,
        config.schedule,
    )
    model.compile(adam, loss, weighted_metrics=[metric], jit_compile=config.jit_compile)
    adam.build(model.trainable_variables)
    return model


def policy_of(precision: str) -> str:
    """Return the name of the dtype policy that `precision` stands for on this machine."""
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if devices.has_accelerator() else "float32"


def with_policy(classifier: BertClassifier, policy: str) -> BertClassifier:
    """Return the classifier itself if it computes as `policy` says, or else a copy that does."""
    if classifier.network.dtype_policy.name == policy:
        return classifier
    if classifier.cls_head is not None:
        raise ValueError(f"precision={policy!r} cannot be given to a classifier with a cls_head of its own.")
    config = {name: value for name, value in classifier.get_config().items() if name not in ("network", "cls_head")}
    copy = BertClassifier(copy_encoder(classifier.network, policy), **config)
    copy.set_weights(classifier.get_weights())
    copy_settings(classifier, copy)
    return copy


def predicting(classifier: BertClassifier, policy: str | None) -> BertClassifier:
    """Return the classifier, or a copy with the same weights that computes in the precision `policy`."""
    if policy is None or classifier.network.dtype_policy.name == policy:
        return classifier
    copy = _COPIES.get(classifier)
    if copy is None or copy.network.dtype_policy.name != policy:
        copy = _COPIES[classifier] = with_policy(classifier, policy)
    copy.set_weights(classifier.get_weights())
    return copy


def limit_of(classifier: BertClassifier, preprocessor: BertPreprocessor, max_length: int | None) -> int:
    """Return the tokens to which texts are cut, in training and prediction: `max_length`, or the preprocessor's limit.

    Raises:
        ValueError: `max_length` is beyond the encoder's positions.
    """
    most = classifier.network.max_sequence_length
    if max_length is None:
        return min(preprocessor.seq_length or most, most)
    return whole_number("max_length", max_length, 3, most, "The encoder has no more positions.")
