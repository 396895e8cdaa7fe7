"""Metrics of retrieval, and of similarities that are compared with numbers.

    MRR       mean over queries of 1 / rank of the first relevant document
    recall@k  mean over queries of the fraction of its relevant documents among the first k
    nDCG@k    mean over queries of sum 1 / log2(1 + rank) over its relevant documents among the first k,
              divided by the largest possible sum
    Spearman  correlation of ranks

Järvelin and Kekäläinen 2002 (https://doi.org/10.1145/582415.582418), section 2, for nDCG. Chapters: 7, 16.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bertedu.analysis.vectors import unit_vectors
from bertedu.checks import numbers, whole_number

CHUNK = 2**22  # similarities that are computed at a time, 32 MB


class Retrieval(NamedTuple):
    """The ranks of the relevant documents of each query, and metrics of them.

    Args:
        ranks: list of int arrays, the ranks of the relevant documents of each query, from 1, in ascending order.
    """

    ranks: list[np.ndarray]

    @property
    def mrr(self) -> float:
        """float, the mean reciprocal rank of the first relevant document."""
        return float(np.mean([1 / ranks[0] for ranks in self.ranks]))

    def recall(self, k: int = 10) -> float:
        """Return the mean fraction of the relevant documents that are among the first `k`."""
        whole_number("k", k)
        return float(np.mean([np.mean(ranks <= k) for ranks in self.ranks]))

    def ndcg(self, k: int = 10) -> float:
        """Return the normalized discounted cumulative gain of the first `k` documents."""
        whole_number("k", k)
        gains = [_gain(ranks[ranks <= k]) / _gain(np.arange(1, min(len(ranks), k) + 1)) for ranks in self.ranks]
        return float(np.mean(gains))

    @property
    def metrics(self) -> dict[str, float]:
        """dict of "mrr", "ndcg_at_10", "recall_at_1" and "recall_at_10"."""
        recalls = {f"recall_at_{k}": self.recall(k) for k in (1, 10)}
        return {"mrr": self.mrr, "ndcg_at_10": self.ndcg(10), **recalls}


def retrieval(queries: ArrayLike, documents: ArrayLike, relevant: Sequence[Any] | None = None) -> Retrieval:
    """Rank documents by their cosine similarity to each query.

    A relevant document is ranked after all others of equal similarity, so that a model that gives all texts the same
    vector is not rewarded.

    Args:
        queries: `[n, D]`, a vector per query.
        documents: `[m, D]`, a vector per document.
        relevant: for each query the index of its relevant document, or a list of indices. Defaults to document i for
            query i.

    Returns:
        `Retrieval`.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> result = retrieval([[1, 0], [0, 1]], [[1, 1], [0, 3], [2, 0]], relevant=[2, 0])
        >>> [ranks.tolist() for ranks in result.ranks], result.mrr, result.recall(1)
        ([[1], [2]], 0.75, 0.5)
    """
    unit_queries = unit_vectors(numbers("queries", queries, "nD"))
    unit_documents = unit_vectors(numbers("documents", documents, "mD", D=unit_queries.shape[1]))
    indices = _relevant(relevant, len(unit_queries), len(unit_documents))
    ranks, step = [], max(1, CHUNK // len(unit_documents))
    for start in range(0, len(unit_queries), step):
        similarities = unit_queries[start : start + step] @ unit_documents.T  # [step, m]
        ranks += [_ranks(row, indices[start + i]) for i, row in enumerate(similarities)]
    return Retrieval(ranks)


def _ranks(similarities, relevant):
    """Return the ranks of the documents `relevant`, an int array, in ascending order."""
    own = np.sort(similarities[relevant])[::-1]
    others = np.sort(np.delete(similarities, relevant))
    not_below = len(others) - np.searchsorted(others, own, side="left")  # others of at least this similarity
    return not_below + np.arange(1, len(own) + 1)


def _relevant(relevant, num_queries, num_documents):
    """Return a list of int arrays, the relevant documents of each query."""
    if relevant is None:
        relevant = range(num_queries)
    rows = [np.unique(np.asarray(row)) for row in relevant]
    if len(rows) != num_queries:
        raise ValueError(f"relevant: expected one entry for each of {num_queries} queries, got {len(rows)}.")
    for number, row in enumerate(rows):
        if row.size == 0 or row.dtype.kind not in "iu" or row[0] < 0 or row[-1] >= num_documents:
            expected = f"expected indices of documents from 0 to {num_documents - 1}, at least one"
            raise ValueError(f"relevant: {expected}, got {row.tolist()} for query {number}.")
    return rows


def _gain(ranks):
    return float(np.sum(1 / np.log2(1 + ranks)))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's rank correlation of two sequences of numbers, as of similarities and people's ratings.

    Equal numbers have the mean of their ranks.

    Args:
        x, y: `[n]`, with n of at least 2.

    Returns:
        float from -1 to 1; NaN if all numbers of one sequence are equal.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> spearman([0.1, 0.5, 0.9], [1, 3, 2])
        0.5
    """
    first = numbers("x", x, "n")
    second = numbers("y", y, "n", n=len(first))
    if len(first) < 2:
        raise ValueError(f"x: expected at least 2 numbers, got {len(first)}.")
    centered = [ranks - ranks.mean() for ranks in map(_mean_ranks, (first, second))]
    lengths = np.prod([np.linalg.norm(ranks) for ranks in centered])
    return round(float(centered[0] @ centered[1] / lengths), 12) if lengths else float("nan")


def _mean_ranks(values):
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
