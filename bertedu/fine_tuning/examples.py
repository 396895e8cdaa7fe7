"""Examples: labeled texts, encoded and checked before training starts.

Chapter: notebooks/10_fine_tuning.ipynb.
"""

import dataclasses
import hashlib
import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bertedu.data.texts import canonical
from bertedu.text import BertPreprocessor, Encoded, pack

AS_LIST = ("tolist", "to_list", "to_pylist", "numpy")  # of NumPy, pandas and torch; polars; pyarrow; TensorFlow


@dataclasses.dataclass(frozen=True)
class Examples:
    """Encoded texts with labels and weights.

    Args:
        rows: list of `n` `text.Encoded`.
        labels: int32 array `[n]`, or float32 `[n, 1]` for a regression, `[n, classes]` of 0 and 1 for several labels.
        weights: float32 array `[n]`.
        truncated: int, number of truncated texts.
        digest: str, sha256 of texts and labels; a run resumes only with the same data.
        names: list of the class names, or None.
        pairs: bool, whether each example is a pair of texts.
    """

    rows: list[Encoded]
    labels: np.ndarray
    weights: np.ndarray
    truncated: int = 0
    digest: str = ""
    names: list[str] | None = None
    pairs: bool = False

    def describe(self) -> dict[str, Any]:
        """Return sizes and digest as a dict for JSON."""
        return {"texts": len(self.rows), "cut": self.truncated, "sha256": self.digest}

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of each example."""
        return [len(row.ids) for row in self.rows]

    def longest(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Return the greatest number of tokens among some examples, for each input that is padded by itself."""
        return (max(len(self.rows[i].ids) for i in indices),)

    def batch(
        self, indices: np.ndarray, real: np.ndarray, pad_id: int, lengths: tuple[int, ...]
    ) -> tuple[Any, Any, Any]:
        """Return what `fit` gets for a batch: (inputs, labels, weights).

        Args:
            indices: int array `[B]`, which examples.
            real: bool array `[B]`, False where an example only fills up the batch and has weight 0.
            pad_id: int, id of the padding token.
            lengths: tuple of ints, the padded length T of each input of `longest`.
        """
        inputs = pack([self.rows[i] for i in indices], pad_id, *lengths)  # [B, T] each
        return inputs, self.labels[indices], self.weights[indices] * real.astype("float32")


def prepare(
    name: str,
    data: Any,
    preprocessor: BertPreprocessor,
    max_length: int,
    convert: Callable[[str, list[Any], list[str] | None], np.ndarray],
    names: Iterable[str] | None = None,
) -> Examples:
    """Check and encode labeled texts.

    Args:
        name: "train" or "validation", for messages.
        data: (texts, labels), (texts, pairs, labels), or an object with `texts`, `pairs` and `labels`. A text may be a
            tuple (text, second text). Lists, arrays and table columns are read by position.
        preprocessor: `BertPreprocessor`.
        max_length: int, maximum number of tokens; longer texts are truncated.
        convert: function of `name`, the labels and the class names of `data` or None, that checks the labels and
            returns them as an array.
        names: class names in the order of the classifier's outputs. The classes of `data`, if they have names, are
            matched with these by name.

    Raises:
        ValueError: `data` is empty or has the wrong form, different lengths, or invalid labels.
    """
    texts, pairs, labels = _parts(name, data)
    if len(texts) == 0:
        raise ValueError(f"{name}: expected at least one text with its label, got none.")
    if len(labels) != len(texts):
        raise ValueError(f"{name}: expected a label for each of {len(texts)} texts, got {len(labels)} labels.")
    own_names = getattr(data, "names", None)
    own_names = None if own_names is None else [str(own) for own in own_names]
    labels = convert(name, labels, own_names)
    rows = preprocessor.encode_batch(texts, pairs, max_length=max_length)
    names = own_names if names is None else list(names)
    weights = np.ones(len(rows), "float32")  # [n]
    digest = sha256([texts, pairs, labels.tolist()])
    return Examples(rows, labels, weights, sum(row.truncated > 0 for row in rows), digest, names, pairs is not None)


def sha256(content: Any) -> str:
    """Return the SHA-256 of `content`, written as JSON."""
    return hashlib.sha256(json.dumps(content, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def column(name: str, values: Any) -> list[Any]:
    """Return the values of a list, an array or a table column as a list, by position.

    Raises:
        ValueError: `values` has the wrong type.
    """
    for method in AS_LIST:
        if hasattr(values, method):
            values = getattr(values, method)()
    # The iterator of a table, which has `columns`, returns their names.
    if hasattr(values, "columns") or isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"{name}: expected a list, an array or one column of a table, got {reprlib.repr(values)}.")
    return list(values)


def strings(texts: Any, pairs: Any = None, prefix: str = "") -> tuple[list[str], list[str] | None]:
    """Return texts and second texts as lists of strings; the latter is None for single texts.

    Args:
        texts: strings, or tuples (text, second text), in any form that `column` accepts.
        pairs: the second texts, or None.
        prefix: str, start of the messages, such as "train: ". Defaults to "".

    Raises:
        ValueError: a value is not a string, or the numbers of texts and pairs differ.
    """
    texts = column(f"{prefix}texts", texts)
    if pairs is None and texts and all(isinstance(text, tuple | list) for text in texts):
        wrong = [len(text) for text in texts if len(text) != 2]
        if wrong:
            raise ValueError(f"{prefix}texts: expected tuples (text, pair), got one of length {wrong[0]}.")
        texts, pairs = map(list, zip(*texts, strict=True))
    if pairs is not None:
        pairs = column(f"{prefix}pairs", pairs)
        if len(pairs) != len(texts):
            raise ValueError(f"{prefix}pairs: expected a second text for each of {len(texts)} texts, got {len(pairs)}.")
    for name, values in (("texts", texts), ("pairs", pairs or ())):
        for i, value in enumerate(values):
            if not isinstance(value, str | bytes):
                raise ValueError(f"{prefix}{name}: expected strings, got {reprlib.repr(value)} at index {i}.")
    return texts, pairs


def _parts(name, data):
    if hasattr(data, "texts") and hasattr(data, "labels"):
        texts, pairs, labels = data.texts, getattr(data, "pairs", None), data.labels
    elif isinstance(data, tuple | list) and len(data) in (2, 3):
        texts, pairs, labels = data if len(data) == 3 else (data[0], None, data[1])
    else:
        hint = " To tag words, use bert.token_classifier_for(n)." if hasattr(data, "tags") else ""
        raise ValueError(f"{name}: expected (texts, labels) or (texts, pairs, labels), got {reprlib.repr(data)}.{hint}")
    if isinstance(texts, str) or isinstance(labels, str):
        raise ValueError(f"{name}: expected a list of texts and a list of labels, got one string.")
    if labels is None:
        raise ValueError(f"{name}: expected a label for each text, got no labels.")
    return *strings(texts, pairs, f"{name}: "), column(f"{name}: labels", labels)


def finite_numbers(name: str, labels: Any, hint: str = "") -> np.ndarray:
    """Return labels as a float64 array `[n]`, each within the range of float32. `hint` ends the error."""
    values = np.array([_number(label) for label in labels])
    for i in np.flatnonzero(~(np.abs(values) <= np.finfo("float32").max)):
        raise ValueError(f"{name}: expected numbers as labels, got {_shown(labels[i])} as label {i}.{hint}")
    return values


def class_labels(name: str, labels: Any, num_classes: int) -> np.ndarray:
    """Return labels as an int32 array `[n]`, each from 0 to `num_classes` - 1."""
    several = "For several labels per text, use classifier_for(n, multi_label=True)."
    values = finite_numbers(name, labels, f" Convert one-hot rows with argmax(-1). {several}")
    for i in np.flatnonzero((values % 1 != 0) | (values < 0) | (values >= num_classes)):
        expected = f"expected labels from 0 to {num_classes - 1} (or use num_classes=1 for regression)"
        raise ValueError(f"{name}: {expected}, got {_shown(labels[i])} as label {i}.")
    return values.astype("int32")


def label_rows(name: str, labels: Any, num_classes: int) -> np.ndarray:
    """Return rows of 0 and 1 as a float32 array `[n, num_classes]`."""
    rows = np.zeros((len(labels), num_classes), "float32")
    for i, row in enumerate(labels):
        values = [_number(value) for value in row] if isinstance(row, list | tuple | np.ndarray) else []
        if len(values) != num_classes or not {0.0, 1.0}.issuperset(values):
            expected = f"expected {num_classes} numbers, 1 for each class that applies and 0 for the others"
            raise ValueError(f"{name}: {expected}, got {_shown(row)} as label {i}.")
        rows[i] = values
    return rows


def _number(label):
    """Return a label as a float, NaN if it is not a number."""
    if isinstance(label, str | bytes | list | tuple | np.ndarray):
        return np.nan
    try:
        return float(label)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: torch
        return np.nan


def _shown(label):
    return reprlib.repr(label.item() if isinstance(label, np.generic) else label)


def positions(name: str, own_names: list[str], names: list[str] | None, num_classes: int, used: Any) -> np.ndarray:
    """Return the position of each of `own_names` in `names`, an int array; -1 for those that are not in it.

    Args:
        name: "train" or "validation", for the message.
        own_names: class names of this set.
        names: class names in the order of the classifier's outputs. Defaults to their order here, or to numbers.
        num_classes: int, number of classes.
        used: indices into `own_names` of the classes that occur.

    Raises:
        ValueError: a class that occurs is not in `names`.
    """
    if names is None:
        if name == "train" or len(own_names) == num_classes:
            return np.arange(len(own_names))
        names = list(map(str, range(num_classes)))
    numbers = {canonical(other): number for number, other in enumerate(names)}
    unknown = [own_names[i] for i in used if canonical(own_names[i]) not in numbers]
    if unknown:
        raise ValueError(f"{name}: expected the classes of the training set, {list(names)}, got {unknown[0]!r}.")
    return np.array([numbers.get(canonical(own), -1) for own in own_names])


def weights_of_classes(class_weight: Any, train: Examples, num_classes: int) -> list[float]:
    """Return the weights of all classes, a list of floats.

    Args:
        class_weight: "balanced"; a list of weights; or a dict, class name or number -> weight, where missing classes
            have weight 1.
        train: `Examples` of the training set.
        num_classes: int, number of classes.

    Raises:
        ValueError: a wrong form, an unknown class, or a negative weight.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.maximum(np.bincount(train.labels, minlength=num_classes), 1)
        return (len(train.labels) / num_classes / counts).tolist()
    expected = f'class_weight: expected "balanced", {num_classes} numbers from 0, not all 0, or a dict of such numbers'
    if hasattr(class_weight, "to_dict"):  # a table column, indexed by class
        class_weight = class_weight.to_dict()
    if isinstance(class_weight, Mapping):
        values = _weights_by_name(class_weight, num_classes, train.names)
    else:
        values = [_number(weight) for weight in class_weight] if np.ndim(class_weight) == 1 else []
    weights = np.array(values, "float64")
    if weights.shape != (num_classes,) or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"{expected}, got {class_weight!r}.")
    return weights.tolist()


def _weights_by_name(class_weight, num_classes, names):
    numbers: dict[Any, int] = {number: number for number in range(num_classes)}
    numbers |= {canonical(name): number for number, name in zip(range(num_classes), names or (), strict=False)}
    weights = {}
    for key, weight in class_weight.items():
        is_class = isinstance(key, str | int | np.integer) and not isinstance(key, bool)
        number = numbers.get(canonical(key) if isinstance(key, str) else key) if is_class else None
        if number is None:
            known = f"0 to {num_classes - 1}" + (f", or by name {', '.join(map(repr, names))}" if names else "")
            raise ValueError(f"class_weight: expected classes {known}, got {key!r}.")
        if number in weights:
            raise ValueError(f"class_weight: expected each class once, got {key!r} twice, by name and by number.")
        weights[number] = _number(weight)
    if not weights:
        raise ValueError("class_weight: expected at least one class, got an empty dict.")
    return [weights.get(number, 1.0) for number in range(num_classes)]
