"""Evaluation of a trained classifier: predictions, mistakes, confusion matrix and calibration.

Calibration after Guo et al. 2017 (https://arxiv.org/abs/1706.04599), section 2.
Chapter: notebooks/10_fine_tuning.ipynb.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from bertedu.aliases import also_spelled
from bertedu.bert import Bert
from bertedu.checkpoints import load
from bertedu.checks import instance
from bertedu.classifier import BertClassifier
from bertedu.files import read_json
from bertedu.fine_tuning.batches import Batches, outputs_of, plan_batches
from bertedu.fine_tuning.examples import Examples, class_labels, column, strings
from bertedu.fine_tuning.model import PREDICTION_SETTINGS, PredictionSettings, limit_of, predicting
from bertedu.fine_tuning.run import HISTORY, MODEL
from bertedu.fine_tuning.tagging import checked_words, encode_words, word_tags
from bertedu.reading import Reading
from bertedu.text import BertPreprocessor
from bertedu.token_classifier import BertTokenClassifier

BATCH = 64


class Mistake(NamedTuple):
    """A misclassified text: its index, true label, predicted label, and the probability of the predicted label."""

    index: int  # type: ignore[assignment]  # hides `tuple.index`
    text: str
    label: int
    predicted: int
    confidence: float
    pair: str | None = None

    def read(self, bert: Bert) -> Reading:
        """Return the `Reading` of the text by a `Bert`, as `mistake.read(be.load("runs/a/model"))`."""
        return bert.read(self.text, self.pair)


def predict(
    classifier: BertClassifier,
    preprocessor: BertPreprocessor,
    texts: Any,
    pairs: Any = None,
    *,
    max_length: int | None = None,
) -> np.ndarray:
    """Return the predictions of a classifier, with the precision and the token limit of its training run, if known.

    Args:
        classifier: `BertClassifier`.
        preprocessor: its `BertPreprocessor`.
        texts: list, array or table column of `n` strings, or of tuples (text, second text).
        pairs: the `n` second texts. Defaults to None, single texts.
        max_length: int, maximum number of tokens; longer texts are truncated. Defaults to the limit in training, or
            else to that of `fine_tune`: the preprocessor's `seq_length`, or the encoder's number of positions.

    Returns:
        float32 array `[n, classes]` of probabilities, which for a multi-label classifier are independent of each other;
        `[n]` of numbers for a regression.

    Raises:
        ValueError: pairs for a model of single texts, or the reverse; or an argument has the wrong form.

    Example:
        predict(classifier, bert.preprocessor, ["What a film!"]).argmax(axis=-1)
    """
    instance("classifier", classifier, BertClassifier, "or use predict_tags for a BertTokenClassifier")
    settings = PREDICTION_SETTINGS.get(classifier, PredictionSettings(None))
    single = isinstance(texts, str | bytes)
    texts, pairs = strings([texts] if single else texts, [pairs] if single and pairs is not None else pairs)
    if texts and settings.pairs not in (None, pairs is not None):
        kinds = ("single texts", "pairs of texts")
        raise ValueError(f"pairs: expected {kinds[settings.pairs]}, as in training, got {kinds[pairs is not None]}.")
    limit = limit_of(classifier, preprocessor, settings.max_length if max_length is None else max_length)
    rows = preprocessor.encode_batch(texts, pairs, max_length=limit)
    logits = np.zeros((len(rows), classifier.num_classes), "float32")  # [n, classes]
    if rows:
        logits = np.stack(_outputs(classifier, settings.precision, preprocessor, rows, limit)).astype("float32")
    if classifier.num_classes == 1 and not classifier.multi_label:
        return logits[:, 0]
    activation = keras.ops.sigmoid if classifier.multi_label else keras.ops.softmax
    return keras.ops.convert_to_numpy(activation(logits))


def predict_tags(
    classifier: BertTokenClassifier, preprocessor: BertPreprocessor, words: Any, *, max_length: int | None = None
) -> list[list[str]]:
    """Return the predicted tag of every word, with the precision and the token limit of the training run, if known.

    The tag of a word is that of its first token, as in training. Words after the limit have the tag O.

    Args:
        classifier: `BertTokenClassifier`.
        preprocessor: its `BertPreprocessor`.
        words: list of `n` lists of strings, the words of each sentence.
        max_length: int, maximum number of tokens. Defaults as in `predict`.

    Returns:
        list of `n` lists of strings, from the classifier's `class_names`. `entity_scores` compares them with the truth.

    Raises:
        ValueError: `words` has the wrong form.

    Example:
        predict_tags(classifier, bert.preprocessor, [["Call", "len()", "again", "."]])
    """
    instance("classifier", classifier, BertTokenClassifier, "such as bert.token_classifier_for(3)")
    settings = PREDICTION_SETTINGS.get(classifier, PredictionSettings(None))
    limit = limit_of(classifier, preprocessor, settings.max_length if max_length is None else max_length)
    rows, positions = encode_words(checked_words("words", words), preprocessor, limit)
    if not rows:
        return []
    outputs = _outputs(classifier, settings.precision, preprocessor, rows, limit)
    return [word_tags(*pair, classifier.labels) for pair in zip(outputs, positions, strict=True)]


def _outputs(classifier, precision, preprocessor, rows, limit):
    """Return the output for each of `rows`."""
    zeros = np.zeros(len(rows), "float32")
    examples = Examples(rows, labels=zeros, weights=zeros)
    data = Batches(examples, plan_batches(examples.lengths, BATCH), BATCH, preprocessor.tokenizer.pad_id, limit)
    return outputs_of(predicting(classifier, precision), data)


def apply_thresholds(classifier: BertClassifier, probabilities: np.ndarray) -> np.ndarray:
    """Return which of several classes are predicted for each text, a bool array `[n, classes]`.

    Args:
        classifier: multi-label `BertClassifier`, whose `thresholds` are used; 0.5 if it has none.
        probabilities: array `[n, classes]`, as from `predict`.

    Raises:
        ValueError: the classifier is not multi-label, or there are more or fewer classes.

    Example:
        apply_thresholds(classifier, predict(classifier, bert.preprocessor, ["What a film!"]))
    """
    if not classifier.multi_label:
        raise ValueError("classifier: expected one with multi_label=True. Use probabilities.argmax(axis=-1).")
    probabilities = np.asarray(probabilities)
    if probabilities.shape[-1:] != (classifier.num_classes,):
        expected = f"[n, {classifier.num_classes}]"
        raise ValueError(f"probabilities: expected shape {expected}, got {list(probabilities.shape)}.")
    return probabilities >= np.array(classifier.thresholds or 0.5)


class TrainedRun(NamedTuple):
    """A finished training run, opened from its `output_dir`.

    Args:
        bert: `Bert` with the trained classifier or token classifier.
        names: list of the class names, or None.
        settings: `PredictionSettings` of the run.
    """

    bert: Bert
    names: list[str] | None
    settings: PredictionSettings


def open_run(output_dir: str | Path) -> TrainedRun:
    """Open the `output_dir` of a finished `fine_tune` and return its `TrainedRun`.

    Raises:
        ValueError: it contains no finished run, or its history.json is damaged.

    Example:
        bert, names, _ = open_run("runs/first")
        predict(bert.classifier, bert.preprocessor, texts)
    """
    folder = Path(output_dir).expanduser()
    if not (folder / HISTORY).is_file():
        raise ValueError(f"{folder}: expected a finished run, got no {HISTORY}. Call fine_tune again to finish it.")
    run = read_json(folder / HISTORY).get("run")
    bert = load(folder / MODEL)
    try:
        # Version 0.1 wrote only the arguments.
        settings = PredictionSettings(**run.get("prediction", {"max_length": run["arguments"]["max_length"]}))
        names = run["names"]
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"{folder / HISTORY}: expected the history of a run, got other fields. Train again.") from None
    classifier = bert.classifier or bert.token_classifier
    if classifier is None:
        raise ValueError(f"{folder / MODEL}: expected a classifier, got a model without one.")
    PREDICTION_SETTINGS[classifier] = settings
    return TrainedRun(bert, names or list(classifier.class_names or ()) or None, settings)


def _checked(labels, probabilities):
    """Labels as an int array `[n]`, probabilities as an array `[n, classes]`."""
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or len(probabilities) == 0:
        raise ValueError(f"probabilities: expected shape [n, classes], got {list(probabilities.shape)}.")
    labels = class_labels("labels", column("labels", labels), probabilities.shape[1])
    if len(labels) != len(probabilities):
        raise ValueError(f"labels: expected {len(probabilities)}, one per row of probabilities, got {len(labels)}.")
    return labels, probabilities


def confusion_matrix(labels: Sequence[int], probabilities: np.ndarray) -> np.ndarray:
    """Return the confusion matrix: int array `[true class, predicted class]` of numbers of texts.

    Example:
        >>> confusion_matrix([0, 0, 1], np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])).tolist()
        [[1, 1], [0, 1]]
    """
    labels, probabilities = _checked(labels, probabilities)
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(-1), minlength=classes**2).reshape(classes, classes)


@also_spelled({"most": "limit"}, deprecated=True)
def mistakes(
    texts: Any, labels: Sequence[int], probabilities: np.ndarray, limit: int = 10, pairs: Any = None
) -> list[Mistake]:
    """Return at most `limit` misclassified texts, as a list of `Mistake`, the most confident first.

    Example:
        >>> mistakes(["so good", "so bad"], [1, 0], np.array([[0.9, 0.1], [0.6, 0.4]]))
        [Mistake(index=0, text='so good', label=1, predicted=0, confidence=0.9, pair=None)]
    """
    labels, probabilities = _checked(labels, probabilities)
    texts, pairs = strings(texts, pairs)
    if len(texts) != len(labels):
        raise ValueError(f"texts: expected {len(labels)}, one per label, got {len(texts)}.")
    predicted, confidence = probabilities.argmax(-1), probabilities.max(-1)
    wrong = [i for i in np.argsort(-confidence, kind="stable") if predicted[i] != labels[i]]
    return [
        Mistake(int(i), texts[i], int(labels[i]), int(predicted[i]), float(confidence[i]), pairs and pairs[i])
        for i in wrong[:limit]
    ]


def calibration(labels: Sequence[int], probabilities: np.ndarray, bins: int = 10) -> dict[str, Any]:
    """Compare the confidence of predictions with their accuracy, bin by bin.

    Args:
        labels: list of `n` ints, the true classes.
        probabilities: array `[n, classes]`.
        bins: int, number of equal intervals of confidence, from 0 to 1.

    Returns:
        dict: arrays `confidence` and `accuracy`, the means in each bin that is not empty, `count`, its number of texts,
        and float `error`, the expected calibration error: the mean difference of the two over all texts.

    Example:
        >>> calibration([0, 0, 1, 1], np.array([[0.9, 0.1]] * 2 + [[0.8, 0.2]] * 2))["error"]
        0.45
    """
    labels, probabilities = _checked(labels, probabilities)
    confidences, correct = probabilities.max(-1), probabilities.argmax(-1) == labels
    bin_numbers = np.minimum((confidences * bins).astype(int), bins - 1)
    _, bin_of, count = np.unique(bin_numbers, return_inverse=True, return_counts=True)
    confidence, accuracy = (np.bincount(bin_of, values) / count for values in (confidences, correct))
    error = float(np.sum(count * np.abs(confidence - accuracy)) / len(labels))
    return {"confidence": confidence, "accuracy": accuracy, "count": count, "error": round(error, 12)}
