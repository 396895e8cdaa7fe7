"""Attention between words, and how often a head's strongest key is the word that a dependency asks for.

    a word's row: mean over its tokens        a word's column: sum over its tokens

Clark et al. 2019 (https://arxiv.org/abs/1906.04341), section 4. Lab: notebooks/labs/1_what_does_bert_look_at.ipynb.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bertedu.data import Tree
from bertedu.reading import Reading


class RelationAccuracy(NamedTuple):
    """How often a head's strongest key is right, for one relation.

    Args:
        num_words: int, number of words with this relation.
        to_head: `[L, N]`, accuracy with the dependent word as the query and its head as the right key.
        to_dependent: `[L, N]`, accuracy the other way round. A head word with several dependents of one relation counts
            once for each.
    """

    num_words: int
    to_head: np.ndarray
    to_dependent: np.ndarray


class OffsetBaseline(NamedTuple):
    """The fixed distance at which the head of a relation is found most often.

    Args:
        num_words: int, number of words with this relation.
        offset: int, position of the head less that of the dependent, counted by word.
        accuracy: float, how often that is right.
    """

    num_words: int
    offset: int
    accuracy: float


def word_attention(attention: ArrayLike, words: Sequence[int | None]) -> np.ndarray:
    """Return attention weights between words instead of tokens.

    Attention to a word is the sum over its tokens, and attention from a word the mean, so that rows still sum to at
    most 1; what goes to tokens outside all words is left out.

    Args:
        attention: `[..., T, T]`, attention weights between tokens.
        words: list of T integers from 0, the word of each token; None for [CLS] and [SEP]. Every word has a token.

    Returns:
        `[..., W, W]`, of the dtype of `attention`.

    Raises:
        ValueError: `words` does not have T entries, or a word has no token.

    Example:
        >>> between_tokens = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> word_attention(between_tokens, [None, 0, 0]).tolist()
        [[1.0]]
    """
    weights = np.asarray(attention)
    if len(words) != weights.shape[-1] or weights.shape[-2] != weights.shape[-1]:
        raise ValueError(f"words: expected one entry per token, got {len(words)} for a shape of {weights.shape}.")
    count = 1 + max((word for word in words if word is not None), default=-1)
    tokens = np.array([[word == entry for entry in words] for word in range(count)], weights.dtype)
    tokens = tokens.reshape(count, len(words))  # [W, T]
    lengths = tokens.sum(axis=1, keepdims=True)  # [W, 1]
    if not count or not lengths.all():
        raise ValueError(f"words: expected a token for each of the words 0 to {max(count - 1, 0)}, got {list(words)}.")
    return (tokens / lengths) @ weights @ tokens.T


def words_of(reading: Reading) -> list[int | None]:
    """Return the word of each token of a text whose words are separated by single spaces; None for [CLS] and [SEP].

    Args:
        reading: `Reading` of one text, such as ``bert.read(tree.text)``.

    Example:
        >>> from bertedu import load
        >>> words_of(load("minilm").read("embeddings help ."))
        [None, 0, 0, 0, 0, 1, 2, None]
    """
    return [None if offset is None else reading.text.count(" ", 0, offset[0]) for offset in reading.offsets]


def relation_accuracy(readings: Iterable[Reading], trees: Iterable[Tree]) -> dict[str, RelationAccuracy]:
    """Compute for every head how often its strongest key is the word that a dependency asks for.

    Only words compete: attention to [CLS] and [SEP] does not count, nor does that of a word to itself.

    Args:
        readings: readings of the texts of `trees`, in their order, such as
            ``bert.readings(tree.text for tree in trees)``. They are taken one after another.
        trees: iterable of `Tree`, such as `be.data.load_dependencies()`.

    Returns:
        dict, name of a relation -> `RelationAccuracy`; without the root. Most frequent relations first.

    Raises:
        ValueError: there are more readings than trees or fewer, or a reading is not of its tree's text.

    Example:
        >>> from bertedu import load
        >>> tree = Tree(["the", "cat", "sat"], ["DET", "NOUN", "VERB"], [1, 2, -1], ["det", "nsubj", "root"])
        >>> accuracy = relation_accuracy([load("minilm").read(tree.text)], [tree])
        >>> accuracy["det"].num_words, accuracy["det"].to_head.shape
        (1, (6, 12))
    """
    hits: dict[str, np.ndarray] = {}
    counts: Counter[str] = Counter()
    for reading, tree in zip(readings, trees, strict=True):
        if reading.text != tree.text:
            raise ValueError(f"readings: expected a reading of {tree.text!r}, got one of {reading.text!r}.")
        weights = word_attention(reading.attention, words_of(reading))  # [L, N, W, W]
        weights[..., range(len(tree.words)), range(len(tree.words))] = -1.0
        strongest = weights.argmax(axis=-1)  # [L, N, W]
        for word, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True)):
            if head >= 0:
                right = np.stack([strongest[..., word] == head, strongest[..., head] == word])  # [2, L, N]
                hits[relation] = hits.get(relation, 0) + right
                counts[relation] += 1
    return {name: RelationAccuracy(count, *(hits[name] / count)) for name, count in counts.most_common()}


def offset_baselines(trees: Iterable[Tree]) -> dict[str, OffsetBaseline]:
    """Return for each relation how often the best fixed distance finds the head.

    Args:
        trees: iterable of `Tree`.

    Returns:
        dict, name of a relation -> `OffsetBaseline`; without the root. Most frequent relations first.

    Example:
        >>> tree = Tree(["the", "cat", "sat"], ["DET", "NOUN", "VERB"], [1, 2, -1], ["det", "nsubj", "root"])
        >>> offset_baselines([tree])["det"]
        OffsetBaseline(num_words=1, offset=1, accuracy=1.0)
    """
    offsets: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for tree in trees:
        for word, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True)):
            if head >= 0:
                offsets[relation][head - word] += 1
    baselines = {}
    for relation, counts in sorted(offsets.items(), key=lambda item: -item[1].total()):
        offset, hits = counts.most_common(1)[0]
        baselines[relation] = OffsetBaseline(counts.total(), offset, hits / counts.total())
    return baselines
