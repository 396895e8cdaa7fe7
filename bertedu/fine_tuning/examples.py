"""Examples: texts with labels, encoded and checked before any training begins.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np


class Examples(NamedTuple):
    """Texts as a classifier takes them.

    Args:
        rows: list of n `text.Encoded`.
        labels: int32 array `[n]`, or float32 `[n, 1]` for a regression.
        weights: float32 array `[n]`.
        truncated: how many of the texts were cut.
        digest: sha256 of texts and labels, by which a run knows its data again.
        names: list of the classes' names, or None.
    """

    rows: list
    labels: np.ndarray
    weights: np.ndarray
    truncated: int
    digest: str
    names: list | None = None


def prepare(name, data, preprocessor, num_classes, max_length, class_weights=None):
    """The `Examples` of what a user handed in.

    Args:
        name: "train" or "validation", for messages.
        data: (texts, labels), (texts, pairs, labels), or an object with `texts`, `pairs` and `labels`. A text may be a
            tuple of two.
        preprocessor: a `BertPreprocessor`.
        num_classes: int, of the classifier; 1 for a regression.
        max_length: int, tokens to which a text is cut.
        class_weights: None, "balanced", or a weight for each class.

    Raises:
        TypeError, ValueError: data of another form, of different lengths, none at all, or labels that do not fit.
    """
    texts, pairs, labels = _parts(name, data)
    if len(texts) == 0:
        raise ValueError(f"{name} is empty: at least one text with its label is needed.")
    if len(labels) != len(texts):
        raise ValueError(f"{name} has {len(texts)} texts, but {len(labels)} labels: each text needs one.")
    labels = _labels(name, labels, num_classes)
    if name == "train" and num_classes > 1 and len(np.unique(labels)) < 2:
        raise ValueError(f"train holds texts of one class only, {labels[0]}: there is nothing to tell apart.")
    rows = preprocessor.encode_batch(list(texts), None if pairs is None else list(pairs), max_length=max_length)
    weights = np.ones(len(rows), "float32") if class_weights is None else _weights(class_weights, labels, num_classes)
    content = json.dumps([list(texts), None if pairs is None else list(pairs), labels.tolist()], default=str)
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    names = getattr(data, "names", None)
    return Examples(rows, labels, weights, sum(row.truncated > 0 for row in rows), digest, names and list(names))


def _parts(name, data):
    if hasattr(data, "texts") and hasattr(data, "labels"):
        return data.texts, getattr(data, "pairs", None), data.labels
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise TypeError(f"{name} must be (texts, labels) or (texts, pairs, labels), got {type(data).__name__}.")
    texts, pairs, labels = (data[0], None, data[1]) if len(data) == 2 else data
    if isinstance(texts, str) or isinstance(labels, str):
        raise TypeError(f"{name} must hold a list of texts and a list of labels, got one string.")
    if pairs is None and len(texts) and all(isinstance(text, tuple | list) for text in texts):
        if any(len(text) != 2 for text in texts):
            raise ValueError(f"{name}: a text may be a tuple of two, the pair; there is one of another length.")
        texts, pairs = zip(*texts, strict=True)
    return texts, pairs, labels


def _labels(name, labels, num_classes):
    labels = np.asarray(labels)
    if labels.dtype.kind not in "biuf" or labels.ndim != 1:
        kind = f"{labels.ndim} axes" if labels.ndim != 1 else f"{labels.dtype} ({labels[0]!r})"
        raise ValueError(f"{name}: labels must be a list of numbers, one a text; got {kind}.")
    if not np.isfinite(labels).all():
        raise ValueError(
            f"{name}: label {np.flatnonzero(~np.isfinite(labels))[0]} is {labels[~np.isfinite(labels)][0]}."
        )
    if num_classes == 1:
        return labels.astype("float32")[:, None]
    whole = labels.astype("int32")
    wrong = np.flatnonzero((whole != labels) | (whole < 0) | (whole >= num_classes))
    if len(wrong):
        raise ValueError(
            f"{name}: label {wrong[0]} is {labels[wrong[0]]}, but a classifier of {num_classes} classes has labels "
            f"from 0 to {num_classes - 1}. For a regression make it with num_classes=1."
        )
    return whole


def _weights(class_weights, labels, num_classes):
    if num_classes == 1:
        raise ValueError("class_weights are for classes, and a regression has none.")
    if isinstance(class_weights, str) and class_weights == "balanced":
        counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
        class_weights = len(labels) / num_classes / counts
    elif isinstance(class_weights, dict):
        class_weights = [class_weights.get(i, 1.0) for i in range(num_classes)]
    weights = np.asarray(class_weights, "float32") if not isinstance(class_weights, str) else np.empty(0)
    if weights.shape != (num_classes,) or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(
            f'class_weights must be "balanced" or {num_classes} numbers, none below 0; got {class_weights!r}.'
        )
    return weights[labels]
