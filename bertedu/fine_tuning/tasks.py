"""Tasks: what a training run learns from its examples: how labels are checked, the loss, the metrics.

    classes          softmax,  loss = -log p(label)                                        `Classification`
    several labels   sigmoids, loss = mean over classes of binary cross-entropy            `MultiLabel`
    a number         loss = (y - label)^2                                                  `Regression`
    tags of words    a softmax per word                                                    `tagging.Tagging`

Chapter: notebooks/10_fine_tuning.ipynb.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from bertedu.bert import Bert
from bertedu.checkpoints import save_checkpoint
from bertedu.classifier import BertClassifier
from bertedu.fine_tuning import examples
from bertedu.fine_tuning.examples import Examples
from bertedu.text import BertPreprocessor

MEAN = "mean_with_sample_weight"
"""Reduction of losses over the sum of the weights, which does not depend on how a batch was filled up."""


class Task:
    """What a classifier learns. A subclass per kind of labels.

    Args:
        classifier: `BertClassifier`, or for `tagging.Tagging` a `BertTokenClassifier`.
    """

    name: ClassVar[str]
    num_classes: Any  # int, or None without classes
    scores_outputs: ClassVar[bool] = False
    """Whether `score` needs the outputs of the whole validation set."""
    finishes: ClassVar[bool] = False
    """Whether `finish` does."""

    def __init__(self, classifier: keras.Model) -> None:
        self.num_classes = classifier.num_classes

    def prepare(
        self, name: str, data: Any, preprocessor: BertPreprocessor, max_length: int, names: list[str] | None = None
    ) -> Examples:
        """Return checked and encoded examples; for the arguments see `examples.prepare`."""

        def convert(name, labels, own_names):
            return self.labels(name, labels, own_names, names)

        return examples.prepare(name, data, preprocessor, max_length, convert, names)

    def labels(self, name: str, labels: list[Any], own_names: list[str] | None, names: list[str] | None) -> np.ndarray:
        """Return the labels of a set as an array with the classes in the order of `names`."""
        raise NotImplementedError

    def loss(self) -> Any:
        """Return the `loss` of `model.compile`."""
        raise NotImplementedError

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the `weighted_metrics` of `model.compile`."""
        raise NotImplementedError

    def score(self, outputs: Sequence[np.ndarray], validation: Examples) -> dict[str, float]:
        """Return metrics of the validation set that need all its outputs, one array per example."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """More settings that the result depends on, as a dict for JSON."""
        return {}

    def finish(self, classifier: keras.Model, outputs: Sequence[np.ndarray], validation: Examples) -> None:
        """Set what the trained classifier learns from the outputs of the validation set, beside its weights."""

    def bert(self, classifier: keras.Model, preprocessor: BertPreprocessor) -> Bert:
        """Return the `Bert` to save after training."""
        return Bert(preprocessor.tokenizer, classifier.network, preprocessor, classifier=classifier)

    def save(self, classifier: BertClassifier, preprocessor: BertPreprocessor, path: Path) -> None:
        """Save the trained model in a folder, which is replaced if it exists."""
        save_checkpoint(self.bert(classifier, preprocessor), path, overwrite=True)


class Classification(Task):
    """Exactly one class per text."""

    name = "classification"

    def labels(self, name: str, labels: list[Any], own_names: list[str] | None, names: list[str] | None) -> np.ndarray:
        """Return int32 `[n]`, each from 0 to `num_classes` - 1."""
        numbers = examples.class_labels(name, labels, self.num_classes if own_names is None else len(own_names))  # [n]
        if own_names is not None:
            numbers = examples.positions(name, own_names, names, self.num_classes, np.unique(numbers))[numbers]
            numbers = examples.class_labels(name, numbers, self.num_classes)
        if name == "train" and len(np.unique(numbers)) < 2:
            raise ValueError(f"train: expected texts of at least two classes, got only class {numbers[0]}.")
        return numbers

    def loss(self) -> Any:
        """Return the cross-entropy."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=MEAN)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


class Regression(Task):
    """A number per text."""

    name = "regression"

    def labels(self, name: str, labels: list[Any], own_names: list[str] | None, names: list[str] | None) -> np.ndarray:
        """Return float32 `[n, 1]`."""
        return examples.finite_numbers(name, labels).astype("float32")[:, None]

    def loss(self) -> Any:
        """Return the mean squared error."""
        return keras.losses.MeanSquaredError(reduction=MEAN)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the mean absolute error."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]


class MultiLabel(Task):
    """Any number of classes per text: labels are rows of 0 and 1.

    After training, `finish` sets the classifier's `thresholds`: for each class the probability from which it is
    predicted, with the highest F1 on the validation set. Without a validation set, 0.5.
    """

    name = "multi_label"
    scores_outputs = finishes = True

    def labels(self, name: str, labels: list[Any], own_names: list[str] | None, names: list[str] | None) -> np.ndarray:
        """Return float32 `[n, classes]` of 0 and 1."""
        if name == "train" and names is None and own_names is not None and len(own_names) != self.num_classes:
            got = f"got {self.num_classes}. Use bert.classifier_for({len(own_names)}, multi_label=True)"
            raise ValueError(f"classifier: expected num_classes={len(own_names)}, one for each of {own_names}, {got}.")
        columns = self.num_classes if own_names is None else len(own_names)
        rows = examples.label_rows(name, labels, columns)  # [n, columns]
        if own_names is not None:
            at = examples.positions(name, own_names, names, self.num_classes, np.flatnonzero(rows.any(0)))
            sorted_rows = np.zeros((len(rows), max(self.num_classes, *at + 1)), "float32")
            sorted_rows[:, at[at >= 0]] = rows[:, at >= 0]
            rows = examples.label_rows(name, sorted_rows, self.num_classes)
        if name == "train" and not rows.any():
            raise ValueError("train: expected a text with at least one label, got none.")
        return rows

    def loss(self) -> Any:
        """Return the mean of the classes' binary cross-entropies."""
        return keras.losses.BinaryCrossentropy(from_logits=True, reduction=MEAN)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the accuracy over all texts and classes."""
        return [keras.metrics.BinaryAccuracy(name="binary_accuracy", threshold=0.0)]  # of logits

    def score(self, outputs: Sequence[np.ndarray], validation: Examples) -> dict[str, float]:
        """Return micro and macro F1 with thresholds of 0.5."""
        return f1_scores(validation.labels, np.stack(outputs) >= 0)  # logits

    def finish(self, classifier: keras.Model, outputs: Sequence[np.ndarray], validation: Examples) -> None:
        """Set the classifier's thresholds."""
        probabilities = keras.ops.convert_to_numpy(keras.ops.sigmoid(np.stack(outputs)))  # [n, classes]
        classifier.thresholds = [
            best_threshold(*column) for column in zip(validation.labels.T, probabilities.T, strict=True)
        ]


def f1_scores(labels: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Return the F1 of several labels: "micro_f1" of all decisions, "macro_f1", the mean over the classes.

    The F1 of a class without a label and without a prediction is 0, as in scikit-learn.

    Args:
        labels, predicted: arrays `[n, classes]` of 0 and 1.

    Example:
        >>> f1_scores(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
        {'micro_f1': 0.8, 'macro_f1': 0.8333333333333333}
    """
    labels, predicted = np.asarray(labels, bool), np.asarray(predicted, bool)
    hits, total = (labels & predicted).sum(0), labels.sum(0) + predicted.sum(0)  # [classes]
    per_class = 2 * hits / np.maximum(total, 1)
    return {"micro_f1": float(2 * hits.sum() / max(total.sum(), 1)), "macro_f1": float(per_class.mean())}


def best_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the threshold with the highest F1: a class is predicted if its probability is at least the threshold.

    It lies half-way between the probabilities of two texts. 0.5 if the class has no text.

    Args:
        labels: array `[n]` of 0 and 1.
        probabilities: array `[n]`.

    Example:
        >>> best_threshold(np.array([0, 1, 1]), np.array([0.1, 0.3, 0.9]))
        0.2
    """
    if not labels.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    values = probabilities[order].astype("float64")
    f1 = 2 * labels[order].cumsum() / (np.arange(1, len(order) + 1) + labels.sum())  # of the first 1, 2, ... texts
    following = np.append(values[1:], 0.0)
    f1[values == following] = -1  # texts of equal probability are predicted together
    last = int(f1.argmax())
    return float((values[last] + following[last]) / 2)


def task_of(classifier: BertClassifier) -> Task:
    """Return the task of a classifier."""
    if classifier.multi_label:
        return MultiLabel(classifier)
    return Regression(classifier) if classifier.num_classes == 1 else Classification(classifier)
