"""The model and the settings of a training run, and the settings that predictions must repeat.

Chapter: notebooks/10_fine_tuning.ipynb.
"""

import dataclasses
import math
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from bertedu.backend import devices
from bertedu.checks import whole_number
from bertedu.classifier import copy_encoder, copy_settings, matching_layers
from bertedu.fine_tuning.config import TrainingConfig
from bertedu.fine_tuning.examples import Examples, sha256
from bertedu.fine_tuning.history import environment
from bertedu.fine_tuning.low_rank import LowRankModel, adaptable_layers
from bertedu.fine_tuning.schedule import optimizer
from bertedu.fine_tuning.state import named
from bertedu.fine_tuning.tasks import Task
from bertedu.terminal import warn
from bertedu.text import BertPreprocessor


class PredictionSettings(NamedTuple):
    """Settings of a training run that predictions must repeat.

    Args:
        max_length: int, maximum number of tokens; None if unknown.
        pairs: bool, whether the examples are pairs of texts; None if unknown.
        precision: str, name of the dtype policy. Defaults to None, that of the classifier.
    """

    max_length: int | None
    pairs: bool | None = None
    precision: str | None = None


PREDICTION_SETTINGS: weakref.WeakKeyDictionary[keras.Model, PredictionSettings] = weakref.WeakKeyDictionary()
"""`PredictionSettings` of the classifiers that were trained, or opened by `open_run`, in this process."""

_COPIES: weakref.WeakKeyDictionary[keras.Model, keras.Model] = weakref.WeakKeyDictionary()
# classifier -> its copy in another precision, for predictions


@dataclasses.dataclass(frozen=True)
class Training:
    """Model, data and settings of a training run.

    Args:
        classifier: `BertClassifier` or `BertTokenClassifier` that gets the trained weights.
        preprocessor: its `BertPreprocessor`.
        train: `Examples` of the training set.
        validation: `Examples` of the validation set, or None.
        max_length: int, maximum number of tokens.
        config: `TrainingConfig`.
        task: `Task`.
    """

    classifier: keras.Model
    preprocessor: BertPreprocessor
    train: Examples
    validation: Examples | None
    max_length: int
    config: TrainingConfig
    task: Task

    def describe(self, model: Any) -> dict[str, Any]:
        """Return everything that the result of training `model` depends on, as a dict for JSON."""
        layers = {id(layer): layer for layer, _ in matching_layers(self.classifier, self.classifier)}.values()
        settings = PredictionSettings(self.max_length, self.train.pairs, model.network.dtype_policy.name)
        return {
            "arguments": self.config.to_json(),
            "task": self.task.name,
            "num_classes": self.task.num_classes,
            "names": self.train.names,
            "prediction": settings._asdict(),
            "parameters": self.classifier.count_params(),
            "trainable_parameters": sum(math.prod(weight.shape) for weight in model.trainable_weights),
            "train": self.train.describe(),
            "validation": self.validation and self.validation.describe(),
            "tokenizer": sha256(self.preprocessor.tokenizer.get_config()),
            "frozen": [path for path, weight in named(self.classifier).items() if not weight.trainable],
            "dropout": [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)],
            "surroundings": environment(),
            **self.task.settings,
        }


def compiled(training: Training, policy: str, targets: Sequence[str] = ()) -> Any:
    """Return the classifier of a training, or a copy with the dtype policy `policy`, with loss and optimizer.

    With `targets`, paths of layers, it is a `LowRankModel`.

    Runs with several seeds use the same model, so that it is traced (which takes seconds) only once.

    Raises:
        ValueError: all weights are frozen, or the rank of LoRA is greater than the sides of the matrices.
    """
    model, config = with_policy(training.classifier, policy), training.config
    if targets:
        layers = adaptable_layers(model.network)
        smallest = min(min(layers[path].matrix_shape) for path in targets)
        whole_number("lora_rank", config.lora_rank, 1, smallest, "No matrix has a higher rank; 4 to 16 are usual.")
        model = LowRankModel(model, config.lora_rank, targets, config.lora_alpha)
    if not model.trainable_variables:
        raise ValueError("classifier: expected trainable weights, got frozen ones. Set classifier.trainable = True.")
    steps = config.epochs * config.steps_per_epoch(len(training.train.rows))
    adam = optimizer(
        config.learning_rate, steps, config.warmup_ratio, config.weight_decay, config.global_clipnorm, config.schedule
    )
    task = training.task
    model.compile(adam, task.loss(), weighted_metrics=task.metrics(), jit_compile=config.jit_compile)
    adam.build(model.trainable_variables)
    return model


def policy_of(precision: str, classifier: keras.Model, saved: str | None = None) -> str:
    """Return the dtype policy of the argument `precision`. A warning names what overrides "auto" on this device.

    Args:
        precision: str, as in `fine_tune`.
        classifier: the classifier, whose own policy is kept if it has a `cls_head`.
        saved: str, policy of the run that is resumed. Defaults to None, a new run.
    """
    if precision != "auto":
        return precision
    policy, own = "mixed_bfloat16" if devices.has_bfloat16() else "float32", classifier.network.dtype_policy.name
    expected = f"precision: expected {policy!r}, which 'auto' is on this device, got"
    if saved is not None:
        if saved != policy and not has_own_head(classifier):
            warn(f"{expected} a run in {saved!r}. It keeps this precision.")
        return saved
    if own != policy and has_own_head(classifier):
        warn(f"{expected} a classifier with a cls_head of its own. It keeps {own!r}.")
        return own
    return policy


def has_own_head(classifier: keras.Model) -> bool:
    """Return whether a classifier has a `cls_head`, whose precision cannot be changed."""
    return getattr(classifier, "cls_head", None) is not None


def with_policy(classifier: keras.Model, policy: str) -> keras.Model:
    """Return the classifier if its dtype policy is `policy`, otherwise a copy with that policy."""
    if classifier.network.dtype_policy.name == policy:
        return classifier
    if has_own_head(classifier):
        own = classifier.network.dtype_policy.name
        expected = f"expected {own!r}, which a classifier with a cls_head of its own keeps"
        raise ValueError(f"precision: {expected}, got {policy!r}. Pass precision={own!r}.")
    config = {name: value for name, value in classifier.get_config().items() if name not in ("network", "cls_head")}
    copy = type(classifier)(copy_encoder(classifier.network, policy), **config)
    copy.set_weights(classifier.get_weights())
    copy_settings(classifier, copy)
    return copy


def predicting(classifier: keras.Model, policy: str | None) -> keras.Model:
    """Return the classifier, or a copy with its current weights, with the dtype policy `policy`."""
    if policy is None or classifier.network.dtype_policy.name == policy:
        return classifier
    copy = _COPIES.get(classifier)
    if copy is None or copy.network.dtype_policy.name != policy:
        copy = _COPIES[classifier] = with_policy(classifier, policy)
    copy.set_weights(classifier.get_weights())
    return copy


def limit_of(classifier: keras.Model, preprocessor: BertPreprocessor, max_length: int | None) -> int:
    """Return the maximum number of tokens: `max_length`, by default the limit of preprocessor and encoder.

    Raises:
        ValueError: `max_length` is greater than the encoder's number of positions.
    """
    positions = classifier.network.max_sequence_length
    if max_length is None:
        return min(preprocessor.seq_length or positions, positions)
    return whole_number("max_length", max_length, 3, positions, "The encoder has no more positions.")
