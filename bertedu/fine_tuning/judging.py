"""Judging: what a trained classifier says of texts, where it errs, and whether it knows when it does.

Calibration after Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2.
Chapter: notebooks/11_fine_tuning.ipynb.
"""

from typing import NamedTuple

import keras
import numpy as np

from bertedu.fine_tuning.batches import Batches, plan
from bertedu.fine_tuning.examples import Examples

BATCH = 64
BINS = 10


class Mistake(NamedTuple):
    """A text that a classifier is wrong about: its place, both labels, and how sure the classifier is of its own."""

    index: int
    text: str
    label: int
    predicted: int
    confidence: float
    pair: str | None = None

    def read(self, bert):
        """The `Reading` of it by a `Bert`, attention and all, as `mistake.read(be.load("runs/a/model"))`."""
        return bert.read(self.text, self.pair)


def predict(classifier, preprocessor, texts, pairs=None, *, max_length=None):
    """What a classifier says of texts.

    Args:
        classifier: a `BertClassifier`.
        preprocessor: its `BertPreprocessor`.
        texts: list of n strings.
        pairs: None, or list of the n second texts.
        max_length: int or None, tokens to which texts are cut (None: what the encoder reads).

    Returns:
        float32 array `[n, classes]` of probabilities, which for a multi-label classifier are independent of each other;
        `[n]` of numbers for a regression.

    Example:
        predict(classifier, bert.preprocessor, ["What a film!"]).argmax(axis=-1)
    """
    limit = max_length or classifier.network.max_sequence_length
    rows = preprocessor.encode_batch(texts, pairs, max_length=limit)
    outputs = np.zeros((len(rows), classifier.num_classes), "float32")  # [n, classes]
    if rows:
        nothing = np.zeros(len(rows), "float32")
        given = Examples(rows, nothing, nothing, 0, "")
        data = Batches(given, plan([len(row.ids) for row in rows], BATCH), BATCH, preprocessor.tokenizer.pad_id, limit)
        found = classifier.predict(data, verbose=0).reshape(-1, BATCH, classifier.num_classes)
        for batch, answers in zip(data.batches, found, strict=True):
            outputs[batch] = answers[: len(batch)]
    if classifier.multi_label:
        return keras.ops.convert_to_numpy(keras.ops.sigmoid(outputs))
    if classifier.num_classes == 1:
        return outputs[:, 0]
    return keras.ops.convert_to_numpy(keras.ops.softmax(outputs, axis=-1))


def confusion(labels, probabilities):
    """How many texts of each class (rows) were taken for which (columns): int array `[classes, classes]`.

    Example:
        >>> confusion([0, 0, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])).tolist()
        [[1, 1], [0, 1]]
    """
    probabilities = np.asarray(probabilities)
    counts = np.zeros((probabilities.shape[1],) * 2, int)
    np.add.at(counts, (np.asarray(labels), probabilities.argmax(-1)), 1)
    return counts


def mistakes(texts, labels, probabilities, most=10, pairs=None):
    """The texts that a classifier is wrong about, the most confident first: list of `Mistake`, at most `most`.

    Example:
        >>> mistakes(["so good", "so bad"], [1, 0], np.array([[0.9, 0.1], [0.6, 0.4]]))
        [Mistake(index=0, text='so good', label=1, predicted=0, confidence=0.9, pair=None)]
    """
    probabilities = np.asarray(probabilities)
    predicted, sure = probabilities.argmax(-1), probabilities.max(-1)
    wrong = [i for i in np.argsort(-sure, kind="stable") if predicted[i] != labels[i]]
    return [
        Mistake(int(i), texts[i], int(labels[i]), int(predicted[i]), float(sure[i]), pairs and pairs[i])
        for i in wrong[:most]
    ]


def calibration(labels, probabilities, bins=BINS):
    """Whether a classifier that is 80 % sure is right 8 times of 10.

    Args:
        labels: n ints.
        probabilities: `[n, classes]`.
        bins: int, into how many equal parts confidence from 0 to 1 is cut.

    Returns:
        dict: `confidence` and `accuracy`, their means in each bin that holds texts, `count` of texts there, and
        `error`, the mean distance of the two over all texts (the expected calibration error).

    Example:
        >>> calibration([0, 0, 1, 1], np.array([[0.9, 0.1]] * 2 + [[0.8, 0.2]] * 2))["error"]
        0.45
    """
    probabilities = np.asarray(probabilities)
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == np.asarray(labels)
    places = np.minimum((sure * bins).astype(int), bins - 1)
    used = np.unique(places)
    confidence, accuracy = (np.array([values[places == b].mean() for b in used]) for values in (sure, right))
    count = np.array([np.sum(places == b) for b in used])
    error = float(np.sum(count * np.abs(confidence - accuracy)) / len(sure))
    return {"confidence": confidence, "accuracy": accuracy, "count": count, "error": round(error, 12)}
