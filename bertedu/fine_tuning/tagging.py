"""Token classification as a task: words with tags, aligned with their tokens; precision, recall and F1 of entities.

The first token of each word has the word's label; all others have weight 0, as in Devlin et al. 2018
(https://arxiv.org/abs/1810.04805), section 5.3. Chapter: notebooks/15_tagging_words.ipynb.
"""

import dataclasses
import functools
import itertools
import reprlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from bertedu.bert import Bert
from bertedu.entities import OUTSIDE, check_sequence, entity_scores, is_prefixed, sorted_tags
from bertedu.fine_tuning.examples import Examples, column, sha256
from bertedu.fine_tuning.tasks import MEAN, Task
from bertedu.terminal import warn
from bertedu.text import BertPreprocessor, Encoded, pack
from bertedu.token_classifier import BertTokenClassifier

ABSENT = -1
"""Position of a word that has no token: it was cut off, or the tokenizer removes all its characters."""


@dataclasses.dataclass(frozen=True)
class TaggedExamples(Examples):
    """Sentences with a label for every word. `weights` are the numbers of words that have tokens, `labels` is empty.

    Args:
        word_labels: list of `n` int32 arrays `[W]`, the class of each word.
        positions: list of `n` int arrays `[W]`, the position of each word's first token, or `ABSENT`.
        output: str, the name of the model's output.
        cut_words: int, number of words that were cut off.
    """

    word_labels: list[np.ndarray] = dataclasses.field(default_factory=list)
    positions: list[np.ndarray] = dataclasses.field(default_factory=list)
    output: str = "logits"
    cut_words: int = 0

    def describe(self) -> dict[str, Any]:
        """Return sizes and digest as a dict for JSON."""
        return super().describe() | {"cut_words": self.cut_words}

    def batch(
        self, indices: np.ndarray, real: np.ndarray, pad_id: int, lengths: tuple[int, ...]
    ) -> tuple[Any, Any, Any]:
        """Return inputs, labels `[B, T]` and weights `[B, T]`, the last two by the name of the output."""
        labels = np.zeros((len(indices), *lengths), "int32")  # [B, T]
        weights = np.zeros(labels.shape, "float32")  # [B, T]
        for row, (i, is_real) in enumerate(zip(indices, real, strict=True)):
            present = self.positions[i] != ABSENT
            at = self.positions[i][present]
            labels[row, at], weights[row, at] = self.word_labels[i][present], is_real
        inputs = pack([self.rows[i] for i in indices], pad_id, *lengths)  # [B, T] each
        return inputs, {self.output: labels}, {self.output: weights}


class WordAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Accuracy over words. Keras' own takes the mean of each text first, so that padding changes the result."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch: labels and weights `[B, T]`, logits `[B, T, classes]`."""
        weights = None if sample_weight is None else keras.ops.reshape(sample_weight, (-1,))
        logits = keras.ops.reshape(y_pred, (-1, y_pred.shape[-1]))  # [B T, classes]
        super().update_state(keras.ops.reshape(y_true, (-1,)), logits, weights)


class Tagging(Task):
    """A class for every word.

    Args:
        classifier: `BertTokenClassifier`.
    """

    name = "tagging"
    scores_outputs = True

    def __init__(self, classifier: BertTokenClassifier) -> None:
        super().__init__(classifier)
        if classifier.output_encoder_outputs:
            expected = "expected output_encoder_outputs=False, because only one output is trained, got True"
            raise ValueError(f"classifier: {expected}. Set classifier.output_encoder_outputs = False.")
        self.output, self.class_names = classifier.output_kind, classifier.class_names

    def prepare(
        self, name: str, data: Any, preprocessor: BertPreprocessor, max_length: int, names: list[str] | None = None
    ) -> Examples:
        """Check and encode tagged sentences.

        Args:
            name: "train" or "validation", for messages.
            data: (words, tags), or an object with `words` and `tags`: a list of words and a list of tags for each
                sentence. Tags are names, or numbers from 0.
            preprocessor: `BertPreprocessor`.
            max_length: int, maximum number of tokens; later words are cut off.
            names: the tags in the order of the classes. Defaults to the classifier's, or else those of `data`.
        """
        words, tags = _parts(name, data)
        names = names or (list(self.class_names) if self.class_names else self._own_names(data, tags))
        if names is not None and len(names) != self.num_classes:
            got = f"got {self.num_classes}. Use bert.token_classifier_for({len(names)}), or pass class_names"
            raise ValueError(f"classifier: expected num_classes={len(names)}, one for each of {names}, {got}.")
        word_labels = _word_labels(name, words, tags, names, self.num_classes)
        if names is not None and is_prefixed(names):
            for number, row in enumerate(word_labels):
                check_sequence([names[i] for i in row], functools.partial(_where, name, words, number))
        rows, positions = encode_words(words, preprocessor, max_length)
        counts = [int((at != ABSENT).sum()) for at in positions]
        cut = [len(at) - count if row.truncated else 0 for at, count, row in zip(positions, counts, rows, strict=True)]
        if any(cut):
            problem = f"{sum(count > 0 for count in cut):,} longer ones, whose last {sum(cut):,} words are not used"
            warn(f"{name}: expected sentences of at most {max_length} tokens, got {problem}. Divide them.")
        return TaggedExamples(
            rows,
            np.zeros(0, "int32"),
            np.array(counts, "float32"),
            sum(row.truncated > 0 for row in rows),
            sha256([words, [row.tolist() for row in word_labels]]),
            names,
            word_labels=word_labels,
            positions=positions,
            output=self.output,
            cut_words=sum(cut),
        )

    def _own_names(self, data, tags):
        """Return the names of the tags in the order of the classes; None if they are numbers without names."""
        known = getattr(data, "names", None)
        if known is not None:
            return [str(name) for name in known]
        flat = list(itertools.chain.from_iterable(tags))
        return list(sorted_tags(flat)) if all(isinstance(tag, str) for tag in flat) else None

    def loss(self) -> Any:
        """Return the cross-entropy of the model's output."""
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=MEAN)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the accuracy over all words."""
        return [WordAccuracy(name="accuracy")]

    def score(self, outputs: Sequence[np.ndarray], validation: Examples) -> dict[str, float]:
        """Return precision, recall and F1 of entities, if the tags have names. A word without a token has the tag O."""
        assert isinstance(validation, TaggedExamples)
        names = validation.names
        if names is None:
            return {}
        expected = [[names[i] for i in row] for row in validation.word_labels]
        predicted = [word_tags(*pair, names) for pair in zip(outputs, validation.positions, strict=True)]
        return entity_scores(expected, predicted)

    def bert(self, classifier: keras.Model, preprocessor: BertPreprocessor) -> Bert:
        """Return the `Bert` to save after training, without the pooler, which was not trained with the encoder."""
        options = {"has_pooler": False, "token_classifier": classifier}
        return Bert(preprocessor.tokenizer, classifier.network, preprocessor, **options)


def word_tags(output: np.ndarray, positions: np.ndarray, names: Sequence[str]) -> list[str]:
    """Return the predicted tag of each word of a sentence.

    Args:
        output: array `[T, classes]`, logits or log-probabilities.
        positions: int array `[W]`, the position of each word's first token, or `ABSENT`; such a word is O.
        names: list of the tags of all classes.
    """
    best = output.argmax(-1)  # [T]
    return [OUTSIDE if at == ABSENT else names[best[at]] for at in positions]


def encode_words(
    words: Sequence[Sequence[str]], preprocessor: BertPreprocessor, max_length: int
) -> tuple[list[Encoded], list[np.ndarray]]:
    """Return sentences as `Encoded`, and the position of each word's first token.

    Args:
        words: list of `n` lists of strings.
        preprocessor: `BertPreprocessor`.
        max_length: int, maximum number of tokens.

    Returns:
        list of `n` `Encoded` of the words joined by spaces, and list of `n` int arrays `[W]`; `ABSENT` for a word
        without a token.
    """
    rows = preprocessor.encode_batch([" ".join(sentence) for sentence in words], max_length=max_length)
    positions = []
    for sentence, row in zip(words, rows, strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in sentence)])  # [W + 1] characters
        token_starts = np.array([-1 if offsets is None else offsets[0] for offsets in row.offsets])  # [T]
        word_of_token = np.searchsorted(starts, token_starts, side="right") - 1  # [T], -1 for [CLS] and [SEP]
        at = np.full(len(sentence), ABSENT)  # [W]
        for position in range(len(row.ids) - 1, -1, -1):  # backwards, so that the first token of a word remains
            if word_of_token[position] >= 0:
                at[word_of_token[position]] = position
        positions.append(at)
    return rows, positions


def checked_words(name: str, words: Any) -> list[list[str]]:
    """Return sentences as a list of lists of strings.

    Args:
        name: str, name of the argument.
        words: list of lists of words, in any form that `examples.column` accepts.

    Raises:
        ValueError: a sentence is a string or has no words, or a word is not a string.
    """
    sentences = [column(f"{name}, sentence {i}", sentence) for i, sentence in enumerate(column(name, words))]
    for i, sentence in enumerate(sentences):
        if not sentence:
            raise ValueError(f"{name}, sentence {i}: expected at least one word, got none. Remove empty sentences.")
        for word in sentence:
            if not isinstance(word, str):
                raise ValueError(f"{name}, sentence {i}: expected strings as words, got {reprlib.repr(word)}.")
    return sentences


def _parts(name, data):
    """Return the words and tags of a set as lists of lists."""
    if hasattr(data, "words") and hasattr(data, "tags"):
        words, tags = data.words, data.tags
    elif isinstance(data, tuple | list) and len(data) == 2:
        words, tags = data
    else:
        hint = " To classify texts, use bert.classifier_for(n)." if hasattr(data, "texts") else ""
        expected = "expected (words, tags), a list of words and one of tags per sentence"
        raise ValueError(f"{name}: {expected}, got {reprlib.repr(data)}.{hint}")
    words = checked_words(f"{name}: words", words)
    tags = [column(f"{name}: tags, sentence {i}", row) for i, row in enumerate(column(f"{name}: tags", tags))]
    if not words:
        raise ValueError(f"{name}: expected at least one sentence with its tags, got none.")
    if len(tags) != len(words):
        raise ValueError(f"{name}: expected tags for each of {len(words)} sentences, got {len(tags)}.")
    for i, (sentence, row) in enumerate(zip(words, tags, strict=True)):
        if len(sentence) != len(row):
            raise ValueError(f"{name}, sentence {i}: expected a tag for each of {len(sentence)} words, got {len(row)}.")
    return words, tags


def _where(name, words, number, i):
    return f"{name}, sentence {number}, word {i} ({reprlib.repr(words[number][i])})"


def _word_labels(name, words, tags, names, num_classes):
    """Return the int32 arrays `[W]` of the classes of all words."""
    numbers: dict[Any, int] = {i: i for i in range(num_classes)}
    numbers |= {tag: i for i, tag in enumerate(names or ())}
    word_labels = []
    for number, row in enumerate(tags):
        for i, tag in enumerate(row):
            if isinstance(tag, bool) or tag not in numbers:
                known = f"one of {names}" if names else f"a number from 0 to {num_classes - 1}"
                raise ValueError(f"{_where(name, words, number, i)}: expected {known} as tag, got {reprlib.repr(tag)}.")
        word_labels.append(np.array([numbers[tag] for tag in row], "int32"))  # [W]
    if name == "train" and len({int(i) for row in word_labels for i in row}) < 2:
        raise ValueError(f"train: expected at least two different tags, got only {tags[0][0]!r}.")
    return word_labels
