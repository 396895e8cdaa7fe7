"""Batches of texts of similar length, padded to their longest text, which makes fine-tuning several times faster.

The time of a batch depends on its padded length. Sentences are short and the limit is long, so padding all of them to
the limit would waste most of the time. Chapter: notebooks/10_fine_tuning.ipynb.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from bertedu.fine_tuning.examples import Examples

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Padded lengths where each length is compiled (JAX, XLA): few, to compile rarely, and close, to pad little."""

POOL = 50  # batches whose texts are sampled at random, then sorted by length


def padded_length(length: int, limit: int, sizes: Sequence[int] = SIZES) -> int:
    """Return the smallest of `sizes` that is at least `length`, or `length` itself without sizes; at most `limit`.

    Example:
        >>> padded_length(17, 128), padded_length(120, 125), padded_length(17, 128, sizes=())
        (24, 125, 17)
    """
    return min(next((size for size in sizes if size >= length), length), limit)


def plan_batches(lengths: Sequence[int], batch_size: int, rng: np.random.Generator | None = None) -> list[np.ndarray]:
    """Assign texts to batches of similar length.

    Args:
        lengths: list of ints, the number of tokens of each text.
        batch_size: int, texts per batch.
        rng: `numpy.random.Generator` that shuffles texts and batches. Defaults to None: all texts are sorted by
            length, as for an evaluation.

    Returns:
        list of int arrays, the indices of the texts in each batch.

    Example:
        >>> [batch.tolist() for batch in plan_batches([5, 9, 4, 8, 6], batch_size=2)]
        [[1, 3], [4, 0], [2]]
    """
    sizes = np.asarray(lengths)
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    pool = len(lengths) if rng is None else POOL * batch_size
    batches = []
    for start in range(0, len(order), max(pool, 1)):
        chunk = order[start : start + pool]
        chunk = chunk[np.argsort(-sizes[chunk], kind="stable")]
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


class Batches(keras.utils.PyDataset):
    """Data set for `fit`, `evaluate` and `predict`: (inputs, labels, weights) per batch.

    Short batches are filled up with texts of weight 0, so that there is one shape per padded length.

    Args:
        examples: `Examples`.
        batches: list of int arrays, as `plan_batches` returns it, or a part of that list.
        batch_size: int, texts per batch.
        pad_id: int, id of the padding token.
        limit: int, the maximum padded length.
        sizes: padded lengths. Defaults to the length of each batch's longest text.
    """

    def __init__(
        self,
        examples: Examples,
        batches: list[np.ndarray],
        batch_size: int,
        pad_id: int,
        limit: int,
        sizes: Sequence[int] = (),
    ):
        super().__init__()
        self.examples, self.batch_size, self.pad_id, self.limit, self.sizes = examples, batch_size, pad_id, limit, sizes
        self.batches = _two_lengths_first(batches, [self._lengths(batch) for batch in batches])

    def _lengths(self, batch):
        return tuple(padded_length(longest, self.limit, self.sizes) for longest in self.examples.longest(batch))

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, Any, np.ndarray]:
        batch = self.batches[index]
        filled = np.concatenate([batch, np.full(self.batch_size - len(batch), batch[0])])  # [B]
        real = np.arange(self.batch_size) < len(batch)  # [B]
        return self.examples.batch(filled, real, self.pad_id, self._lengths(batch))

    @property
    def weights(self) -> list[float]:
        """List of floats, the sum of the weights of the texts in each batch."""
        return [self.examples.weights[batch].sum() for batch in self.batches]


def outputs_of(model: keras.Model, data: Batches) -> list[np.ndarray]:
    """Return the model's output for each example, in their order."""
    outputs = [np.zeros(0)] * len(data.examples.rows)
    for number, batch in enumerate(data.batches):
        rows = model.predict_on_batch(data[number][0])
        if isinstance(rows, dict):  # of a token classifier, whose first output are logits or log-probabilities
            rows = next(iter(rows.values()))
        for i, row in zip(batch, rows, strict=False):  # without those that fill up the batch
            outputs[i] = row
    return outputs


def _two_lengths_first(batches, lengths):
    """`batches` with two of different lengths first, because Keras takes sizes that are equal in both for fixed.

    If there are two lengths per batch, and both vary, there are always two batches in which both differ.
    """
    varying = [i for i, values in enumerate(zip(*lengths, strict=True)) if len(set(values)) > 1]
    for one, other in itertools.combinations(range(len(batches)), 2):
        if all(lengths[one][i] != lengths[other][i] for i in varying):
            first = [batches[one], batches[other]]
            return first + [batch for i, batch in enumerate(batches) if i not in (one, other)]
    return batches
