"""A linear probe with a control task: whether vectors encode a property, or the probe memorizes the words.

    selectivity = accuracy on the task - accuracy on the control task, where each word has a random label

Hewitt and Liang 2019 (https://arxiv.org/abs/1909.03368), section 2.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bertedu.checks import imported, numbers, strings, whole_number
from bertedu.fields import shown

Examples = tuple[ArrayLike, Sequence[Any] | np.ndarray, Sequence[str]]
MAX_STEPS = 1000  # of the optimizer; scikit-learn's 100 are few for hundreds of dimensions


class Probe(NamedTuple):
    """The accuracies of a linear probe, from 0 to 1.

    Args:
        accuracy: on the task.
        control_accuracy: of another probe, trained and tested on the control task.
    """

    accuracy: float
    control_accuracy: float

    @property
    def selectivity(self) -> float:
        """The difference: large if the vectors, not the probe, account for the accuracy."""
        return self.accuracy - self.control_accuracy


def linear_probe(train: Examples, test: Examples, seed: int = 0) -> Probe:
    """Train a linear classifier of vectors, and the same on a control task; test both.

    The classifier is scikit-learn's `LogisticRegression` of vectors that are standardized by the training set.

    Args:
        train, test: tuples (vectors, labels, words) of R examples each: array `[R, D]`; list of R labels, strings or
            integers; list of R strings, the word (type) of each vector.
        seed: int, for the labels of the control task; see `control_labels`.

    Returns:
        `Probe`: `accuracy`, `control_accuracy`, `selectivity`.

    Raises:
        TypeError, ValueError: an argument is not as above, or all training examples have the same label.
        ImportError: scikit-learn is not installed.

    Example:
        >>> vectors, words = [[0, 1], [1, 2], [0, 3], [1, 4]], ["the", "cat", "a", "dog"]
        >>> probe = linear_probe((vectors, ["D", "N", "D", "N"], words), (vectors[:2], ["D", "N"], words[:2]))
        >>> probe.accuracy
        1.0
    """
    vectors, labels, words = _examples("train", train)
    test_vectors, test_labels, test_words = _examples("test", test)
    if vectors.shape[1] != test_vectors.shape[1]:
        expected = f"vectors of {vectors.shape[1]} dimensions as in train"
        raise ValueError(f"test: expected {expected}, got {test_vectors.shape[1]}.")
    if (labels.dtype.kind == "U") != (test_labels.dtype.kind == "U"):
        expected = f"labels such as {labels[0].item()!r} in train"
        raise ValueError(f"test: expected {expected}, got {test_labels[0].item()!r}, of another type.")
    control = control_labels([*words, *test_words], labels, seed)
    accuracy = _accuracy("train", (vectors, labels), (test_vectors, test_labels))
    split = len(words)
    return Probe(accuracy, _accuracy("seed", (vectors, control[:split]), (test_vectors, control[split:])))


def control_labels(words: Sequence[str], labels: Sequence[Any] | np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a random label for each word, always the same for the same word: the control task.

    Args:
        words: list of strings.
        labels: list of labels of the task, of any length, which are sampled with their frequencies.
        seed: int, of the random numbers.

    Returns:
        array of labels, as long as `words`.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> labels = control_labels(["the", "cat", "the", "mat"], ["D", "N", "N"])
        >>> bool(labels[0] == labels[2]), set(labels.tolist()) <= {"D", "N"}
        (True, True)
    """
    types, index = np.unique(strings("words", words), return_inverse=True)
    rng = np.random.default_rng(whole_number("seed", seed, 0))
    return rng.choice(_labels("labels", labels), size=len(types))[index]


def _accuracy(name: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the accuracy on `test` of a classifier that is trained on `train`."""
    if len(np.unique(train[1])) < 2:
        raise ValueError(f"{name}: expected at least two different training labels, got only {train[1][0].item()!r}.")
    model = imported("sklearn.pipeline").make_pipeline(
        imported("sklearn.preprocessing").StandardScaler(),
        imported("sklearn.linear_model").LogisticRegression(max_iter=MAX_STEPS),
    )
    return float(model.fit(*train).score(*test))


def _examples(name: str, examples: Any) -> tuple[np.ndarray, np.ndarray, list[str]]:
    if not isinstance(examples, tuple | list) or len(examples) != 3:
        raise TypeError(f"{name}: expected a tuple (vectors, labels, words), got {type(examples).__name__}.")
    vectors = numbers(f"{name}, vectors", examples[0], "RD")
    labels = _labels(f"{name}, labels", examples[1])
    if len(labels) != len(vectors):
        raise ValueError(f"{name}, labels: expected {len(vectors)}, one for each vector, got {len(labels)}.")
    return vectors, labels, strings(f"{name}, words", examples[2], len(vectors), "vector")


def _labels(name: str, labels: Any) -> np.ndarray:
    array = np.asarray(labels)
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iuUb":
        raise ValueError(f"{name}: expected a list of strings or integers, got {shown(labels)}.")
    return array
