"""Self-similarity, intra-sentence similarity and anisotropy: how contextual the vectors of each layer are.

    self-similarity of a word    mean cosine of its vectors in two different positions of the corpus
    intra-sentence similarity    mean cosine of a text's tokens and their mean
    anisotropy                   mean cosine of two different tokens of the corpus: the baseline of both

Ethayarajh 2019 (https://arxiv.org/abs/1909.00512), section 3. With unit vectors u, the sum of the cosines of all pairs
of n vectors is |sum u|^2 - sum |u|^2, so that sums are all that has to be stored.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.analysis.heads import SPECIAL
from bertedu.analysis.vectors import layer_vectors, pair_means, unit_vectors
from bertedu.checks import numbers, strings, whole_number
from bertedu.reading import Reading


class ContextSimilarity:
    """Collects similarities of tokens of a corpus in every layer, one text after another.

    Memory grows with the vocabulary of the corpus, L + 1 vectors per different token, not with its length. Tokens
    [CLS], [SEP] and [PAD] are left out. Results may be read at any time. "Layers" are those of `layer_vectors`:
    embeddings first.

    Attributes:
        num_tokens: int, tokens so far.

    Raises:
        ValueError: a result needs more tokens than there are.

    Example:
        >>> similarity = ContextSimilarity()
        >>> similarity.add([[[1, 0], [0, 2], [3, 0]]], ["bank", "river", "bank"])  # one layer, three tokens
        >>> similarity.add([[[0, 1]]], ["bank"])
        >>> similarity.self_similarity(min_count=2)["bank"].round(3).tolist()  # one of its three pairs is parallel
        [0.333]
        >>> similarity.anisotropy.round(3).tolist()
        [0.333]
    """

    def __init__(self) -> None:
        self.num_tokens = 0
        self._words: dict[str, list[Any]] = {}  # token -> [count, sum, sum of squares] of its unit vectors
        self._texts: list[Any] = [0, 0.0]  # number of texts, sum of their intra-sentence similarities
        self._all: list[Any] = [0.0, 0.0]  # sum, sum of squares of all unit vectors, [L + 1, D]

    def add(self, vectors: Reading | ArrayLike, tokens: Sequence[str] | None = None) -> None:
        """Add a text.

        Args:
            vectors: a `Reading`, or an array `[L + 1, T, D]`: the vectors of T tokens in each layer.
            tokens: list of T strings. Defaults to those of the reading.

        Raises:
            TypeError, ValueError: an argument is not as above, or the shape is not that of the first text.
        """
        if isinstance(vectors, Reading):
            tokens = vectors.tokens if tokens is None else tokens
            vectors = layer_vectors(vectors)
        sizes = {"L": self._all[0].shape[0], "D": self._all[0].shape[1]} if self.num_tokens else {}
        array = numbers("vectors", vectors, "LTD", **sizes)
        names = strings("tokens", tokens, array.shape[1], "vector of a layer")
        words = [i for i, name in enumerate(names) if name not in SPECIAL]
        if not words:
            return
        array = array[:, words]  # [L + 1, T, D]
        units = unit_vectors(array)
        means = unit_vectors(array.mean(axis=1))  # [L + 1, D]
        self.num_tokens += len(words)
        self._texts = [self._texts[0] + 1, self._texts[1] + np.einsum("ltd,ld->l", units, means) / len(words)]
        self._all = [self._all[0] + units.sum(axis=1), self._all[1] + (units**2).sum(axis=1)]
        squares = (units**2).sum(axis=-1)  # [L + 1, T]: 1, or 0 of a zero vector
        for i, word in enumerate(words):
            entry = self._words.setdefault(names[word], [0, 0.0, 0.0])
            entry[0] += 1
            entry[1] = entry[1] + units[:, i]
            entry[2] = entry[2] + squares[:, i]

    def self_similarity(self, min_count: int = 5) -> dict[str, np.ndarray]:
        """Return the self-similarity in each layer, `[L + 1]`, of each token that occurs `min_count` times or more.

        Args:
            min_count: int, at least 2. Defaults to 5, as in the paper, whose occurrences are in different sentences;
                here they may be in the same one.
        """
        whole_number("min_count", min_count, 2)
        return {
            word: ((sums**2).sum(axis=-1) - squares) / (count * (count - 1))
            for word, (count, sums, squares) in self._words.items()
            if count >= min_count
        }

    @property
    def intra_sentence_similarity(self) -> np.ndarray:
        """The intra-sentence similarity in each layer, mean over the texts, `[L + 1]`."""
        if not self.num_tokens:
            raise ValueError("texts: expected at least one, got none. Add one before.")
        return self._texts[1] / self._texts[0]

    @property
    def contributions(self) -> np.ndarray:
        """The contributions of each dimension to the anisotropy, `[L + 1, D]`; see `cosine_contributions`."""
        return pair_means(self._all[0], self._all[1], self.num_tokens)

    @property
    def anisotropy(self) -> np.ndarray:
        """The mean cosine of all pairs of tokens in each layer, `[L + 1]`; the paper samples pairs."""
        return self.contributions.sum(axis=-1)
