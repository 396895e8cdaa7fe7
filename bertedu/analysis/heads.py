"""Head statistics and head atlas: what each head attends to, in numbers, and a label for it.

    entropy of a row p     -sum_s p[s] log2 p[s]     bits: 0 for one token, log2 S for equal weights

Clark et al. 2019 (https://arxiv.org/abs/1906.04341), section 3. What a head attends to need not be what the model uses
(Jain and Wallace 2019, https://arxiv.org/abs/1902.10186): these numbers describe, they do not explain. Chapter: 12.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled, renamed_attribute
from bertedu.checks import instance, numbers, strings
from bertedu.reading import Reading

SPECIAL = ("[CLS]", "[SEP]", "[PAD]")
KEY_KINDS = {  # kind of key, an attribute of HeadStatistics -> label of a head that gives it more than MIN_WEIGHT
    "previous": "previous token",
    "next": "next token",
    "itself": "itself",
    "same_word": "same word",
    "cls": "[CLS] sink",
    "sep": "[SEP] sink",
    "punctuation": "punctuation",
}
REST = ("broad", "mixed", "pruned")  # labels of other heads
MIN_WEIGHT = 0.5
"""Clark et al., 3.1: four heads of BERT-Base put more than 50% of their attention on the previous token on average, and
five on the next; 3.2: over half of the attention of layers 6 to 10 goes to [SEP]. We use 50% for every kind."""
MIN_ENTROPY = 0.9
"""Of broad heads, our choice. Those of Clark et al., 3.3, give no word more than 10%, in texts of up to 128 tokens. In
a sentence of nine tokens no row can do that, so the limit is 90% of the entropy that its length allows."""


Readings = Reading | Iterable[Reading | tuple[ArrayLike, Sequence[str]]]
SUM_TOLERANCE = 1e-2  # of a row's sum; half precision is off by less


@dataclasses.dataclass(frozen=True, repr=False)
class HeadStatistics:
    """Statistics of what each head attends to, averaged over the tokens of one or several texts.

    Queries [CLS], [SEP] and [PAD] are excluded. Each mean is over the queries that have a key of that kind; it is 0 if
    there is no such query. The previous token of the first word is [CLS].

    Attributes, each `[L, N]`:
        entropy: in bits.
        normalized_entropy: entropy divided by its maximum, log2 of the number of tokens without padding.
        distance: mean distance between query and key, in tokens.
        previous, next, itself: weight on the previous token, on the next token, and on the query's own token.
        same_word: weight on other positions with the same token.
        cls, sep: weight on [CLS], and on all [SEP].
        punctuation: weight on tokens that consist of punctuation marks.
    And:
        num_tokens: int, the number of rows averaged: tokens that are not special tokens.
    """

    num_tokens: int
    entropy: np.ndarray
    normalized_entropy: np.ndarray
    distance: np.ndarray
    previous: np.ndarray
    next: np.ndarray
    itself: np.ndarray
    same_word: np.ndarray
    cls: np.ndarray
    sep: np.ndarray
    punctuation: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """A label for each head, `[L, N]` strings.

        The kind of key with the largest weight, if that is more than 0.5 ("previous token", "next token", "itself",
        "same word", "[CLS] sink", "[SEP] sink", "punctuation"); else "broad", if `normalized_entropy` is at least 0.9;
        else "pruned", if all its weights are 0; else "mixed".
        """
        weights = np.stack([getattr(self, name) for name in KEY_KINDS])  # [kinds, L, N]
        names = np.array(list(KEY_KINDS.values()))[weights.argmax(axis=0)]
        rest = np.where((self.distance == 0) & (self.itself == 0), "pruned", "mixed")  # no head attends to no token
        rest = np.where(self.normalized_entropy >= MIN_ENTROPY, "broad", rest)
        return np.where(weights.max(axis=0) > MIN_WEIGHT, names, rest)

    words = renamed_attribute("words", "num_tokens")
    evenness = renamed_attribute("evenness", "normalized_entropy")

    @also_spelled({"most": "limit"}, deprecated=True)
    def summary(self, limit: int = 6) -> str:
        """Return the head atlas as text: one line per label, its heads as layer.head (value), largest value first.

        Args:
            limit: int, the number of heads shown per label.
        """
        labels, lines = self.labels, []
        for name, label in [*KEY_KINDS.items(), *(("normalized_entropy", rest) for rest in REST)]:
            values = np.where(labels == label, getattr(self, name), -1.0)
            heads = sorted(zip(*np.nonzero(labels == label), strict=True), key=lambda head: -values[head])
            entries = [f"{head[0]}.{head[1]} ({values[head]:.2f})" for head in heads[:limit]]
            more = [f"and {len(heads) - limit} more"] if len(heads) > limit else []
            lines += [f"{label:<15}{len(heads):>4}   {', '.join(entries + more)}"] if heads else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        layers, heads = self.entropy.shape
        return f"HeadStatistics({layers} layers of {heads} heads, over {self.num_tokens} tokens)\n{self.summary()}"


def head_statistics(attention: ArrayLike, tokens: Sequence[str]) -> HeadStatistics:
    """Compute statistics of what each head attends to in one text.

    Args:
        attention: `[L, N, T, T]`, attention weights: not negative, rows sum to 1. Not those of talking heads.
        tokens: list of T strings; [CLS], [SEP] and [PAD] are recognized by name.

    Returns:
        `HeadStatistics`.

    Raises:
        TypeError, ValueError: an argument does not match its description; the message names it.

    Example:
        >>> to_previous = np.eye(4, k=-1) + np.eye(4)[:1].T * np.eye(4)[0]  # the first token attends to itself
        >>> head_statistics([[to_previous]], ["the", "cat", "sat", "on"]).labels.tolist()
        [['previous token']]
    """
    return _averaged([_sums(attention_weights(attention, "LNTT"), tokens)])


def head_atlas(readings: Readings) -> HeadStatistics:
    """Compute head statistics over several texts; each token has the same weight. One text says little about a head.

    Args:
        readings: a `Reading`, or an iterable of readings by one model, such as ``bert.readings(texts)``; or tuples
            (attention `[L, N, T, T]`, T tokens). They are taken one after another, so that memory does
            not grow with their number.

    Returns:
        `HeadStatistics`.

    Raises:
        TypeError: not readings. ValueError: no readings, readings of several models, or talking heads.

    Example:
        >>> from bertedu import load
        >>> atlas = head_atlas(load("minilm").read("The cat sat on the mat, and the dog slept by the fire."))
        >>> print(atlas.labels[0, 2], atlas.labels[1, 8])
        previous token next token
    """
    return _averaged(_sums(weights, tokens) for weights, tokens in weights_and_tokens(readings))


def weights_and_tokens(readings: Readings) -> Iterator[tuple[np.ndarray, Sequence[str]]]:
    """Yield attention weights `[L, N, T, T]` and tokens of one text or several, all of one model."""
    first = None
    items: Any = [readings] if isinstance(readings, Reading) else instance("readings", readings, Iterable)
    for item in items:
        pair: Any = item
        if not isinstance(item, tuple) or len(item) != 2:
            reading = instance("readings", item, Reading, "such as bert.read(text), or a tuple (attention, tokens)")
            pair = reading.attention, reading.tokens
        weights = attention_weights(pair[0], "LNTT")
        model = getattr(item, "model", None), *weights.shape[:2]
        first = first or model
        if model != first:
            raise ValueError(f"readings: expected all of one model (name, layers, heads), got {first} and {model}.")
        yield weights, pair[1]
    if first is None:
        raise ValueError("readings: expected at least one, got none.")


def attention_weights(attention: ArrayLike, letters: str) -> np.ndarray:
    """Return `attention` with shape `letters`, not negative, in rows that sum to 1; pruned heads are 0.

    The dtype is float64, or float32 if that of `attention` is.
    """
    dtype = np.float32 if getattr(attention, "dtype", None) == np.float32 else np.float64
    array = numbers("attention", attention, letters, dtype)
    sums = array.sum(axis=-1)  # [L, N, T] or [L, T]
    if array.ndim == 4:
        pruned = ~array.any(axis=(-2, -1))  # [L, N]
        sums[pruned & ~pruned.all(axis=-1, keepdims=True)] = 1.0  # a layer has at least one head
    error = np.abs(sums - 1).max()
    if array.min() < 0 or error > SUM_TOLERANCE:
        raise ValueError(
            f"attention: expected weights of at least 0 in rows that sum to 1, got a minimum of {array.min():.3g} and "
            f"a sum that is off by {error:.3g}. This analysis is not defined for talking heads, which mix the weights "
            "after the softmax; use bertedu.plots or the views."
        )
    return array


Sums = dict[str, tuple[np.ndarray, int]]


def _sums(attention: np.ndarray, tokens: Sequence[str]) -> Sums:
    """Return for each statistic its sum over the rows that it applies to, `[L, N]`, and the number of these rows."""
    names = np.array(strings("tokens", tokens, attention.shape[-1], "row of attention"), object)
    special = np.isin(names, SPECIAL)
    words = ~special | special.all()  # [T]
    real = names != "[PAD]"
    bits = row_entropies(attention)[..., words].sum(axis=-1, dtype=float)  # [L, N]
    values = {"entropy": bits, "normalized_entropy": bits / max(np.log2(real.sum()), 1.0)}
    rows = dict.fromkeys(values, words)
    positions = np.arange(len(names))
    tables = {"distance": np.abs(positions[:, None] - positions)} | {
        kind: table * real for kind, table in _keys_of(names).items()
    }
    rows |= {name: words & (table.any(axis=1) | (name == "distance")) for name, table in tables.items()}
    weights = np.stack([table * rows[name][:, None] for name, table in tables.items()])  # [tables, T, T]
    sums = attention.reshape(-1, words.size**2) @ weights.reshape(len(tables), -1).T.astype(attention.dtype)
    values |= zip(tables, np.moveaxis(sums.reshape(*bits.shape, -1), -1, 0).astype(float), strict=True)
    return {name: (value, int(rows[name].sum())) for name, value in values.items()}


def row_entropies(weights: np.ndarray) -> np.ndarray:
    """Return the entropy in bits of each row, `[..., S]` to `[...]`."""
    tiny = np.finfo(weights.dtype).tiny  # so that 0 log 0 is 0
    return np.einsum("...s,...s->...", weights, np.log(np.maximum(weights, tiny))) / -np.log(2)


def _keys_of(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each kind of key a table `[T, T]`: 1 where the key is of that kind for the query of the row."""
    count = len(tokens)
    marks = [bool(token) and all(unicodedata.category(character)[0] == "P" for character in token) for token in tokens]
    every_row = np.ones((count, 1))
    return {
        "previous": np.eye(count, k=-1),
        "next": np.eye(count, k=1),
        "itself": np.eye(count),
        "same_word": (tokens[:, None] == tokens) * (1 - np.eye(count)),
        "cls": every_row * (tokens == "[CLS]"),
        "sep": every_row * (tokens == "[SEP]"),
        "punctuation": every_row * np.array(marks),
    }


def _averaged(texts: Iterable[Sums]) -> HeadStatistics:
    """Return the `HeadStatistics` of the `_sums` of one or more texts."""
    totals: dict[str, tuple[Any, int]] = {}
    for text in texts:
        for name, (value, rows) in text.items():
            total, count = totals.get(name, (0.0, 0))
            totals[name] = total + value, count + rows
    means: dict[str, Any] = {name: total / max(rows, 1) for name, (total, rows) in totals.items()}
    return HeadStatistics(num_tokens=totals["entropy"][1], **means)
