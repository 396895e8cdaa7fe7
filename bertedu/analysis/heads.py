"""What each head looks at, in numbers, and what it may be called: the atlas of heads.

    entropy of a row p     -sum_s p[s] log2 p[s]     bits: 0 for one token, log2 S for all alike

Clark et al. 2019 (https://arxiv.org/abs/1906.04341), section 3. What a head looks at need not be what the model uses
(Jain and Wallace 2019, https://arxiv.org/abs/1902.10186): these numbers describe, they do not explain. Chapter: 12.
"""

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.aliases import also_spelled, renamed_attribute
from bertedu.checks import instance, numbers, strings
from bertedu.reading import Reading

SPECIAL = ("[CLS]", "[SEP]", "[PAD]")
SHARES = {  # the statistics that are shares of a row, and what a head is called where one of them is above MOST
    "previous": "previous token",
    "next": "next token",
    "itself": "itself",
    "same_word": "same word",
    "cls": "[CLS] sink",
    "sep": "[SEP] sink",
    "punctuation": "punctuation",
}
MOST = 0.5
"""Clark et al., 3.1: four heads of BERT-Base put more than 50% of their attention on the previous token on average, and
five on the next; 3.2: over half of the attention of layers 6 to 10 goes to [SEP]. We take the half for every kind."""
BROAD = 0.9
"""Ours. The broad heads of Clark et al., 3.3, give no word more than 10%, in texts of up to 128 tokens. In a sentence
of nine tokens no row can do that, so we ask for 90% of the entropy that its length allows."""


UNSUMMED = 1e-2  # a row may miss 1 by that much; half precision misses it by less


@dataclasses.dataclass(frozen=True, repr=False)
class HeadStatistics:
    """What each head of a model looks at, averaged over the words of one text or of several.

    Rows of [CLS], [SEP] and [PAD] are left out: what they do says little about words. Each mean is over the words that
    have such a token to look at; where none has, it is 0. The word after [CLS] has [CLS] for its previous token.

    Attributes, each `[L, N]`:
        entropy: bits.
        normalized_entropy: entropy divided by log2 T, its maximum: 1 where all weights of a row are equal.
        distance: how many tokens away, on average.
        previous, next, itself: shares of attention on these neighbours.
        same_word: share on other places where the same token stands.
        cls, sep: shares on [CLS] and on every [SEP].
        punctuation: share on tokens of nothing but punctuation marks.
    And:
        num_tokens: int, how many rows were averaged: one for each token that is no special token.
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

        The kind with the largest share, where that is more than half ("previous token", "next token", "itself", "same
        word", "[CLS] sink", "[SEP] sink", "punctuation"); else "broad", where `normalized_entropy` is at least 0.9;
        else "mixed".
        """
        shares = np.stack([getattr(self, name) for name in SHARES])  # [kinds, L, N]
        names = np.array(list(SHARES.values()))[shares.argmax(axis=0)]
        rest = np.where(self.normalized_entropy >= BROAD, "broad", "mixed")
        return np.where(shares.max(axis=0) > MOST, names, rest)

    words = renamed_attribute("words", "num_tokens")
    evenness = renamed_attribute("evenness", "normalized_entropy")

    @also_spelled({"most": "limit"}, deprecated=True)
    def summary(self, limit: int = 6) -> str:
        """Return the atlas of heads as text: a line a label, with its `limit` clearest heads as layer.head (share)."""
        labels, lines = self.labels, []
        for name, label in [*SHARES.items(), ("normalized_entropy", "broad"), ("normalized_entropy", "mixed")]:
            values = np.where(labels == label, getattr(self, name), -1.0)
            places = sorted(zip(*np.nonzero(labels == label), strict=True), key=lambda place: -values[place])
            heads = [f"{place[0]}.{place[1]} ({values[place]:.2f})" for place in places[:limit]]
            more = [f"and {len(places) - limit} more"] if len(places) > limit else []
            lines += [f"{label:<15}{len(places):>4}   {', '.join(heads + more)}"] if places else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        layers, heads = self.entropy.shape
        return f"HeadStatistics({layers} layers of {heads} heads, over {self.num_tokens} words)\n{self.summary()}"


def head_statistics(attention: ArrayLike, tokens: Sequence[str]) -> HeadStatistics:
    """Return statistics of what each head attends to in one text.

    Args:
        attention: `[L, N, T, T]`, shares: not negative, rows that sum to 1. The scores of talking heads are none.
        tokens: T strings; [CLS], [SEP] and [PAD] are told by name.

    Returns:
        `HeadStatistics`.

    Raises:
        TypeError, ValueError: an argument is not as above; the message names it.

    Example:
        >>> look_back = np.eye(4, k=-1) + np.eye(4)[:1].T * np.eye(4)[0]  # the first token looks at itself
        >>> head_statistics([[look_back]], ["the", "cat", "sat", "on"]).labels.tolist()
        [['previous token']]
    """
    return _averaged([_sums(attention_weights(attention, "LNTT"), tokens)])


def head_atlas(readings: Reading | Iterable[Reading]) -> HeadStatistics:
    """Return head statistics over several texts, each word with the same weight: one text says little about a head.

    Args:
        readings: a `Reading`, or a list of them, of one model.

    Returns:
        `HeadStatistics`.

    Raises:
        TypeError: not readings. ValueError: none, of different models, or with scores that are no shares.

    Example:
        >>> from bertedu import load
        >>> atlas = head_atlas(load("minilm").read("The cat sat on the mat, and the dog slept by the fire."))
        >>> print(atlas.labels[0, 2], atlas.labels[1, 8])
        previous token next token
    """
    readings = [readings] if isinstance(readings, Reading) else readings
    readings = [instance("readings", reading, Reading, "as bert.read returns one") for reading in readings]
    if len({(reading.model, reading.attention.shape[:2]) for reading in readings}) != 1:
        raise ValueError(f"readings: expected at least one, all of one model, got {[r.model for r in readings]}.")
    return _averaged([_sums(attention_weights(reading.attention, "LNTT"), reading.tokens) for reading in readings])


def attention_weights(attention: ArrayLike, letters: str) -> np.ndarray:
    """Return `attention` as a float64 array of the shape `letters`, not negative, in rows that sum to 1."""
    array = numbers("attention", attention, letters)
    off = np.abs(array.sum(axis=-1) - 1).max()
    if array.min() < 0 or off > UNSUMMED:
        raise ValueError(
            f"attention: expected numbers that are not negative, in rows that sum to 1, got a least of "
            f"{array.min():.3g} and a row that misses 1 by {off:.3g}. For talking heads, "
            "which mix their weights after the softmax, they are not defined: see bertedu.plots and the views."
        )
    return array


Sums = dict[str, tuple[np.ndarray, int]]


def _sums(attention: np.ndarray, tokens: Sequence[str]) -> Sums:
    """Return for each statistic its sum over the rows that count, `[L, N]`, and how many those are."""
    names = np.array(strings("tokens", tokens, attention.shape[-1], "row of attention"), object)
    special = np.isin(names, SPECIAL)
    words = ~special | special.all()
    real = names != "[PAD]"
    rows = np.arange(len(names))
    logarithms = np.log2(attention, out=np.zeros_like(attention), where=attention > 0)
    bits = -(attention * logarithms).sum(axis=-1)  # [L, N, T]
    distances = np.abs(rows[:, None] - rows).astype(float)  # [T, T]
    values = {
        "entropy": (bits, words),
        "normalized_entropy": (bits / max(np.log2(real.sum()), 1.0), words),
        "distance": (np.einsum("lnts,ts->lnt", attention, distances), words),
    }
    for kind, table in _keys_of(names).items():
        table = table * real
        values[kind] = np.einsum("lnts,ts->lnt", attention, table), words & table.any(axis=1)
    return {name: (value[:, :, rows].sum(axis=-1), int(rows.sum())) for name, (value, rows) in values.items()}


def _keys_of(tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each kind of share a table `[T, T]`: 1 where a key is of that kind for the query of the row."""
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


def _averaged(texts: Sequence[Sums]) -> HeadStatistics:
    """Return the `HeadStatistics` of the `_sums` of one or more texts."""
    totals = {name: (sum(text[name][0] for text in texts), sum(text[name][1] for text in texts)) for name in texts[0]}
    means: dict[str, Any] = {name: total / max(rows, 1) for name, (total, rows) in totals.items()}
    return HeadStatistics(num_tokens=totals["entropy"][1], **means)
