"""Tasks of embedding models: pairs of texts, with hard negatives or numbers, and the metrics of their vectors.

Chapter: notebooks/16_embedding_models.ipynb.
"""

import dataclasses
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu.bert import Bert
from bertedu.checkpoints import save_checkpoint
from bertedu.checkpoints.huggingface import writer
from bertedu.fine_tuning.embedding_model import CosineSimilarityRegression, MultipleNegativesRanking
from bertedu.fine_tuning.examples import Examples, column, finite_numbers, sha256
from bertedu.fine_tuning.tasks import Task
from bertedu.pooling import pooling_name
from bertedu.text import BertPreprocessor, Encoded, pack


@dataclasses.dataclass(frozen=True)
class TextColumns(Examples):
    """Examples of C texts each: a pair, or a query, its positive and hard negatives.

    `rows` are those of the first column.

    Args:
        columns: list of C lists of `n` `text.Encoded`.
        ids: int array `[n, C]`, equal where texts are.
    """

    columns: Sequence[list[Encoded]] = ()
    ids: Any = None

    @property
    def lengths(self) -> list[int]:
        """The number of tokens of the longest text of each example."""
        return [max(len(row.ids) for row in rows) for rows in zip(*self.columns, strict=True)]

    @property
    def _inputs(self):
        """The columns of each input: queries are shorter than what they are compared with, so they are padded less."""
        return self.columns[:1], self.columns[1:]

    def longest(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Return the greatest number of tokens in the first column, and in all others."""
        return tuple(max(len(column[i].ids) for column in columns for i in indices) for columns in self._inputs)

    def batch(
        self, indices: np.ndarray, real: np.ndarray, pad_id: int, lengths: tuple[int, ...]
    ) -> tuple[Any, Any, Any]:
        """Return (inputs, labels, weights), with the inputs of `EmbeddingModel`; see `Examples.batch`."""
        inputs = []
        for columns, length in zip(self._inputs, lengths, strict=True):
            arrays = pack([column[i] for i in indices for column in columns], pad_id, length)  # [B C, T] each
            shape = len(indices), len(columns), length
            inputs.append({name: array.reshape(shape) for name, array in arrays.items()})
        return tuple(inputs), self.batch_labels(indices, real), self.weights[indices] * real.astype("float32")

    def batch_labels(self, indices: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return the labels of a batch, or the numbers of its texts, `[B, C]`, if the examples have no labels."""
        if self.labels.size:
            return self.labels[indices]
        _, ids = np.unique(self.ids[indices], return_inverse=True)  # from 0, because losses take float32
        return np.where(real[:, None], ids.reshape(len(indices), -1), -1).astype("int32")


class EmbeddingTask(Task):
    """What an embedding model learns.

    Args:
        bert: `Bert`, whose tokenizer and `embed_settings` are used.
    """

    scores_outputs = True

    def __init__(self, bert: Bert) -> None:
        self.num_classes = None
        self.source = bert

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the task that the result depends on, as a dict for JSON."""
        settings = self.source.embed_settings
        return {"pooling": pooling_name(settings.pooling), "prompt": settings.prompt}

    def prepare(
        self, name: str, data: Any, preprocessor: BertPreprocessor, max_length: int, names: list[str] | None = None
    ) -> TextColumns:
        """Return checked and encoded examples; for the arguments see `train_embeddings`."""
        columns, labels = self.columns(name, data)
        prompt = self.source.embed_settings.prompt
        texts = {text: i for i, text in enumerate(dict.fromkeys(text for column in columns for text in column))}
        encoded = preprocessor.encode_batch([prompt + text for text in texts], max_length=max_length)
        ids = np.array([[texts[text] for text in column] for column in columns]).T  # [n, C]
        rows = [[encoded[i] for i in column] for column in ids.T]
        return TextColumns(
            rows=rows[0],
            labels=labels,
            weights=np.ones(len(ids), "float32"),
            truncated=sum(row.truncated > 0 for row in encoded),
            digest=sha256([columns, labels.tolist()]),
            pairs=True,
            columns=rows,
            ids=ids,
        )

    def columns(self, name: str, data: Any) -> tuple[list[list[str]], np.ndarray]:
        """Return the C columns of texts, and the labels, an empty array if there are none."""
        raise NotImplementedError

    def bert(self, classifier: Any, preprocessor: BertPreprocessor) -> Bert:
        """Return the `Bert` to save: with the settings of the one that was trained."""
        source = self.source
        options: dict[str, Any] = {
            "name": source.name,
            "has_pooler": source.has_pooler,
            "embed_settings": source.embed_settings,
        }
        return Bert(source.tokenizer, classifier.network, source.preprocessor, **options)

    def save(self, classifier: Any, preprocessor: BertPreprocessor, path: Path) -> None:
        """Save the model for sentence-transformers, or in bertedu's own format if that cannot store it."""
        bert, format = self.bert(classifier, preprocessor), "huggingface"
        try:
            writer.check(bert)
        except ValueError:
            format = "bertedu"
        save_checkpoint(bert, path, format, overwrite=True)


class Ranking(EmbeddingTask):
    """The positive of each query among all other texts of the batch.

    Args:
        bert: `Bert`.
        scale: float, factor of the cosine similarities.
    """

    name = "multiple_negatives_ranking"

    def __init__(self, bert: Bert, scale: float) -> None:
        super().__init__(bert)
        self.scale = scale

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the task, as a dict for JSON."""
        return super().settings | {"scale": self.scale}

    def columns(self, name: str, data: Any) -> tuple[list[list[str]], np.ndarray]:
        """Return queries, positives and hard negatives, and no labels."""
        expected = f"{name}: expected (texts, pairs), or (texts, pairs, negatives)"
        if hasattr(data, "texts"):
            if data.labels is not None:
                advice = 'Use load_texts(..., label=None), or loss="cosine_similarity" for numbers'
                raise ValueError(f"{name}: expected pairs without labels, got labels. {advice}.")
            data = data.texts, data.pairs
        return _text_columns(name, data, expected), np.zeros(0, "float32")

    def loss(self) -> keras.losses.Loss:
        """Return the multiple negatives ranking loss."""
        return MultipleNegativesRanking(self.scale)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return no metrics: those of a batch depend on its size."""
        return []

    def score(self, outputs: Sequence[np.ndarray], validation: Any) -> dict[str, float]:
        """Return metrics of the retrieval of each query's positives among all positives and hard negatives."""
        from bertedu.analysis import retrieval  # imports what training does not need

        vectors = np.stack(outputs)  # [n, C, D]
        queries, first = np.unique(validation.ids[:, 0], return_index=True)
        documents, indices = np.unique(validation.ids[:, 1:], return_index=True)
        relevant = [np.searchsorted(documents, validation.ids[validation.ids[:, 0] == i, 1]) for i in queries]
        document_vectors = vectors[:, 1:].reshape(-1, vectors.shape[-1])[indices]
        return retrieval(vectors[first, 0], document_vectors, relevant).metrics


class Similarity(EmbeddingTask):
    """The cosine similarity of two texts is a number."""

    name = "cosine_similarity"

    def columns(self, name: str, data: Any) -> tuple[list[list[str]], np.ndarray]:
        """Return the first and second texts, and the numbers `[n, 1]`."""
        expected = f"{name}: expected (texts, pairs, numbers)"
        if hasattr(data, "texts"):
            if data.names is not None:
                raise ValueError(f"{expected}, got classes {data.names}. Use load_texts(..., regression=True).")
            data = data.texts, data.pairs, data.labels
        if not isinstance(data, tuple) or len(data) != 3 or data[2] is None:
            raise ValueError(f"{expected}, got {reprlib.repr(data)}.")
        columns = _text_columns(name, data[:2], expected)
        labels = column(f"{name}: numbers", data[2])
        if len(labels) != len(columns[0]):
            raise ValueError(f"{name}: expected a number for each of {len(columns[0])} pairs, got {len(labels)}.")
        numbers = finite_numbers(name, labels).astype("float32")[:, None]  # [n, 1]
        for number in numbers[np.abs(numbers) > 1]:
            advice = "Divide all by the largest possible one"
            raise ValueError(f"{name}: expected cosine similarities from -1 to 1, got {number:g}. {advice}.")
        if name == "validation" and len(np.unique(numbers)) < 2:
            raise ValueError(f"validation: expected at least two different numbers, got only {numbers[0, 0]:g}.")
        return columns, numbers

    def loss(self) -> keras.losses.Loss:
        """Return the squared difference."""
        return CosineSimilarityRegression()

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return no metrics."""
        return []

    def score(self, outputs: Sequence[np.ndarray], validation: Any) -> dict[str, float]:
        """Return Spearman's correlation of cosine similarities and numbers."""
        from bertedu.analysis import spearman

        vectors = np.stack(outputs)  # [n, 2, D]
        return {"spearman": spearman(np.sum(vectors[:, 0] * vectors[:, 1], axis=-1), validation.labels[:, 0])}


def _text_columns(name, data, expected):
    """Return two or more columns of texts as lists of strings."""
    if isinstance(data, list):  # of pairs? Two pairs would look like two columns
        raise ValueError(f"{expected}, a tuple of columns, got a list. Turn a list of pairs into tuple(zip(*pairs)).")
    if not isinstance(data, tuple) or len(data) < 2 or any(part is None for part in data):
        raise ValueError(f"{expected}, got {reprlib.repr(data)}.")
    columns = [column(f"{name}: column {number}", part) for number, part in enumerate(data)]
    sizes = [len(values) for values in columns]
    if len(set(sizes)) > 1 or not sizes[0]:
        raise ValueError(f"{name}: expected columns of the same length, at least one example, got lengths {sizes}.")
    for number, values in enumerate(columns):
        for i, value in enumerate(values):
            if not isinstance(value, str):
                got = f"got {reprlib.repr(value)} at index {i} of column {number}"
                hint = ' Numbers need loss="cosine_similarity".' if isinstance(value, int | float) else ""
                raise ValueError(f"{expected}, which are columns of strings, {got}.{hint}")
    return columns
