"""The model and the losses of embedding models.

    v = pool(encoder(text)), scaled to length 1
    multiple negatives ranking   loss_i = -log(exp(s v_i.p_i) / sum_j exp(s v_i.p_j))      p_i: the positive of query i
    cosine similarity            loss_i = (u_i.v_i - label_i)^2

In-batch negatives: Henderson et al. 2017 (https://arxiv.org/abs/1705.00652), section 4.4. Two texts through the same
encoder: Reimers and Gurevych 2019 (https://arxiv.org/abs/1908.10084), section 3.
Chapter: notebooks/16_embedding_models.ipynb.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bertedu.fine_tuning.tasks import MEAN
from bertedu.pooling import check_pooling, pool
from bertedu.serialization import ConfigFromSignature

SCALE = 20.0
"""The default scale of cosine similarities, 1 / 0.05, as in sentence-transformers."""

EXCLUDED = -1e9
"""Logit of a text that is no negative, as in the attention mask."""


@keras.saving.register_keras_serializable(package="bertedu")
class EmbeddingModel(ConfigFromSignature, keras.Model):
    """An encoder with a pooling: vectors of length 1 for several texts per example.

    Args:
        network: `BertEncoder`, which is shared, not copied.
        pooling: "mean", "cls", "max", "pooled", or the name of a registered function; see `pooling.pool`.

    Call arguments:
        inputs: tuple of dicts of the encoder's inputs, `[B, C, T]`, each for C of the texts of an example.
        training: bool, whether to apply dropout.

    Returns:
        Vectors of length 1, float32 `[B, C, D]`, where C counts all texts of an example.

    Raises:
        ValueError: `pooling` is unknown.

    Example:
        >>> from bertedu.encoder import BertEncoder
        >>> model = EmbeddingModel(BertEncoder(20, 6, num_layers=1, num_attention_heads=2))
        >>> ids = ops.array([[[2, 5, 3], [2, 6, 3]]])
        >>> tuple(model(({"input_word_ids": ids, "input_mask": ids > 0, "input_type_ids": ids * 0},)).shape)
        (1, 2, 6)
    """

    num_classes = classifier = cls_head = None  # of `BertClassifier`

    def __init__(self, network: Any, pooling: str = "mean", **kwargs: Any) -> None:
        super().__init__(**{"dtype": network.dtype_policy} | kwargs)
        check_pooling(pooling)
        self.network = network
        self.pooling = pooling
        self.build()  # the encoder has its weights

    @property
    def uses_pooler(self) -> bool:
        """bool, whether the vectors depend on the encoder's pooler."""
        return self.pooling == "pooled"

    def build(self, input_shape: Any = None) -> None:
        """There are no weights besides the encoder's."""

    def call(self, inputs: Sequence[dict[str, Any]], training: bool | None = None) -> Any:
        """Return vectors of length 1, `[B, C, D]`."""
        return ops.concatenate([self._vectors(texts, training) for texts in inputs], axis=1)

    def _vectors(self, inputs, training):
        _, texts, length = ops.shape(inputs["input_word_ids"])
        rows = {name: ops.reshape(array, (-1, length)) for name, array in inputs.items()}  # [B * C, T]
        vectors = pool(self.network(rows, training=training), rows["input_mask"], self.pooling)  # [B * C, D]
        vectors = ops.cast(vectors, "float32")
        squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)  # [B * C, 1]
        vectors = vectors * ops.rsqrt(ops.maximum(squares, 1e-24))
        return ops.reshape(vectors, (-1, texts, self.network.hidden_size))  # [B, C, D]


@keras.saving.register_keras_serializable(package="bertedu")
class MultipleNegativesRanking(keras.losses.Loss):
    """Cross-entropy of the similarities of a query to its positive and to the other texts of the batch.

    Each example is a query, its positive and any number of hard negatives. The negatives of a query are the positives
    of all other examples and the hard negatives of all. A text is no negative of a query if it equals the query or its
    positive, if it is the positive of an equal query, or if it only fills up the batch.

    Args:
        scale: float, factor of the cosine similarities, the inverse of the temperature. Defaults to 20.

    Call arguments:
        y_true: int `[B, C]`, numbers that are equal where texts are, and negative where an example fills up the batch.
        y_pred: `[B, C, D]`, the vectors of the texts, of length 1.

    Example:
        >>> vectors = ops.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
        >>> loss = MultipleNegativesRanking(scale=1.0)
        >>> round(float(loss(ops.array([[0, 1], [2, 3]]), vectors)), 4)  # log(e + 1) - 1
        0.3133

    Source: Henderson et al. 2017 (https://arxiv.org/abs/1705.00652), section 4.4, with the scale of
    sentence-transformers' `MultipleNegativesRankingLoss`.
    """

    def __init__(self, scale: float = SCALE, reduction: str = MEAN, name: str = "multiple_negatives_ranking") -> None:
        super().__init__(name=name, reduction=reduction)
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each query, `[B]`."""
        queries, query_ids = y_pred[:, 0], y_true[:, :1]  # [B, D], [B, 1]
        documents = ops.reshape(ops.swapaxes(y_pred[:, 1:], 0, 1), (-1, y_pred.shape[-1]))  # [M, D]: positives first
        ids = ops.reshape(ops.transpose(y_true[:, 1:]), (1, -1))  # [1, M]
        logits = self.scale * ops.matmul(queries, ops.transpose(documents))  # [B, M]
        positions = ops.arange(ops.shape(ids)[1])  # [M]
        examples = positions[: ops.shape(query_ids)[0]]  # [B], and the positions of their positives
        own = positions[None, :] == examples[:, None]  # [B, M]
        same_query = query_ids == ops.tile(ops.transpose(query_ids), (1, y_true.shape[1] - 1))  # [B, M]
        known = same_query & (positions < ops.shape(query_ids)[0])  # positives of an equal query
        excluded = known | (ids == query_ids) | (ids == y_true[:, 1:2]) | (ids < 0)  # [B, M]
        logits = ops.where(excluded & ~own, EXCLUDED, logits)
        positives = self.scale * ops.sum(queries * y_pred[:, 1], axis=-1)  # [B]
        return ops.logsumexp(logits, axis=1) - positives

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale}


@keras.saving.register_keras_serializable(package="bertedu")
class CosineSimilarityRegression(keras.losses.Loss):
    """Squared difference of the cosine similarity of two texts and a number.

    Call arguments:
        y_true: `[B, 1]`, the numbers.
        y_pred: `[B, 2, D]`, the vectors of the texts, of length 1.

    Example:
        >>> vectors = ops.array([[[1.0, 0.0], [0.6, 0.8]]])
        >>> round(float(CosineSimilarityRegression()(ops.array([[1.0]]), vectors)), 4)  # (0.6 - 1)^2
        0.16

    Source: Reimers and Gurevych 2019 (https://arxiv.org/abs/1908.10084), section 3, the regression objective.
    """

    def __init__(self, reduction: str = MEAN, name: str = "cosine_similarity_regression") -> None:
        super().__init__(name=name, reduction=reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each pair, `[B]`."""
        return ops.square(ops.sum(y_pred[:, 0] * y_pred[:, 1], axis=-1) - y_true[:, 0])
