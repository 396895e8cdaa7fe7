"""Comprehensiveness and sufficiency: does a prediction depend on the tokens that an attribution ranks first?

    comprehensiveness   mean over k of p(label | text) - p(label | text without its top k% of tokens)
    sufficiency         mean over k of p(label | text) - p(label | only the top k% of its tokens)

DeYoung et al. 2020 (https://arxiv.org/abs/1911.03429), section 5. A faithful attribution has a high comprehensiveness
and a low sufficiency. Texts without some of their tokens are unlike those that the model was trained on, so compare
with the values of a random attribution.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from bertedu.analysis.attribution import Attribution
from bertedu.backend.gradients import without_gradients
from bertedu.bert import Bert
from bertedu.checks import check_finite, instance, number, numbers, position, to_numpy
from bertedu.text import Encoded

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""DeYoung et al., section 5: the bins of the top 1, 5, 10, 20 and 50% of the tokens."""


class Faithfulness(NamedTuple):
    """How the probability of a class changes without, and with only, the tokens with the largest attributions.

    Args:
        label: int, the class.
        probability: float, of the class for the whole text.
        without: `[K]`, its probability without the top tokens of each fraction.
        only: `[K]`, its probability with only these.
        comprehensiveness, sufficiency: float.
    """

    label: int
    probability: float
    without: np.ndarray
    only: np.ndarray
    comprehensiveness: float
    sufficiency: float


def comprehensiveness(probability: ArrayLike, without: ArrayLike) -> np.ndarray:
    """Compute the comprehensiveness: the mean loss of probability when the top tokens are removed.

    It is the mean over the fractions, as in the authors' code; the paper's formula divides by their number plus 1.

    Args:
        probability: `[...]`, of the predicted class for the whole texts, from 0 to 1.
        without: `[..., K]`, of the same class without the top tokens of K fractions.

    Returns:
        `[...]` float64, from -1 to 1.

    Raises:
        TypeError, ValueError: the arrays have other shapes, or a number is not a probability.

    Example:
        >>> comprehensiveness(0.75, [0.5, 0.25]).item()
        0.375
    """
    return _mean_loss(probability, "without", without)


def sufficiency(probability: ArrayLike, only: ArrayLike) -> np.ndarray:
    """Compute the sufficiency: the mean loss of probability when only the top tokens are kept. See `comprehensiveness`.

    Args:
        probability: `[...]`, of the predicted class for the whole texts, from 0 to 1.
        only: `[..., K]`, of the same class with only the top tokens of K fractions.

    Returns:
        `[...]` float64, from -1 to 1.

    Raises:
        TypeError, ValueError: the arrays have other shapes, or a number is not a probability.

    Example:
        >>> sufficiency(0.75, [0.5, 0.75]).item()
        0.125
    """
    return _mean_loss(probability, "only", only)


def faithfulness(
    bert: Bert,
    text: str,
    attributions: Attribution | ArrayLike,
    pair: str | None = None,
    *,
    label: int | None = None,
    fractions: Sequence[float] = FRACTIONS,
) -> Faithfulness:
    """Compute comprehensiveness and sufficiency of the attributions of one text.

    Tokens are removed from the text, as in the paper's code; [CLS] and [SEP] stay and are not counted. A fraction of
    the tokens is rounded up, so that it is at least one.

    Args:
        bert: a `Bert` with a classifier.
        text, pair: str, as in `Bert.read`.
        attributions: `attribute(bert, text, ...)`, or an array `[T]` with a number for each token of
            `bert.read(text, pair).tokens`; the largest numbers are the top tokens.
        label: int, the class. Defaults to the predicted class.
        fractions: K numbers from 0 to 1. Defaults to those of the paper, 1, 5, 10, 20 and 50%.

    Returns:
        `Faithfulness`.

    Raises:
        TypeError, ValueError: an argument is not as above, or the model has no classifier or is a regression.

    Example:
        result = attribute(bert, text, metric)
        faithfulness(bert, text, result).comprehensiveness
    """
    classifier = _classifier_of(bert)
    fractions = [number("fractions", fraction, 0, 1) for fraction in fractions]
    if not fractions:
        raise ValueError("fractions: expected at least one, got none.")
    row = bert.preprocessor.encode(text, pair, max_length=bert.max_length)
    values = attributions.attributions if isinstance(attributions, Attribution) else attributions
    values = numbers("attributions", values, "T", T=len(row.ids))
    words = [i for i, segment in enumerate(row.segments) if segment is not None]
    ranked = sorted(words, key=lambda i: -values[i])  # of equal ones the first
    tops = [set(ranked[: max(math.ceil(fraction * len(words)), 1)]) for fraction in fractions]
    rows = [row, *(_without(row, top) for top in tops), *(_without(row, set(words) - top) for top in tops)]
    with without_gradients():
        logits = ops.cast(classifier(bert.encoder_inputs(rows), training=False), "float32")  # [1 + 2 K, classes]
    activation = ops.sigmoid if classifier.multi_label else ops.softmax
    probabilities = ops.convert_to_numpy(activation(logits))
    label = int(probabilities[0].argmax()) if label is None else position("label", label, classifier.num_classes)
    whole, without, only = np.split(probabilities[:, label].astype(float), [1, 1 + len(tops)])
    scores = float(comprehensiveness(whole[0], without)), float(sufficiency(whole[0], only))
    return Faithfulness(label, float(whole[0]), without, only, *scores)


def _classifier_of(bert):
    classifier = instance("bert", bert, Bert, 'such as be.load("runs/a/model")').classifier
    if classifier is None:
        raise ValueError(f"bert: expected a model with a classifier, got {bert.name!r} without one. Fine-tune one.")
    if classifier.num_classes == 1 and not classifier.multi_label:
        raise ValueError("bert: expected a classifier with probabilities, got a regression.")
    return classifier


def _without(row, removed):
    """Return an `Encoded` without the tokens at the positions `removed`."""
    lists = ([value for i, value in enumerate(values) if i not in removed] for values in row[:-1])
    return Encoded(*lists, row.truncated)


def _mean_loss(probability, name, reduced):
    probability, reduced = _probabilities("probability", probability), _probabilities(name, reduced)
    if not reduced.ndim or not reduced.size or reduced.shape[:-1] != probability.shape:
        expected = f"shape {[*probability.shape, 'K']}, an axis more than probability"
        raise ValueError(f"{name}: expected {expected}, got {list(reduced.shape)}.")
    return (probability[..., None] - reduced).mean(axis=-1)


def _probabilities(name, values):
    array = to_numpy(name, values)
    check_finite(name, np.atleast_1d(array))
    if array.size and not 0 <= array.min() <= array.max() <= 1:
        raise ValueError(f"{name}: expected probabilities from 0 to 1, got {array.min():.3g} to {array.max():.3g}.")
    return array
