"""Batches of texts of similar length, each as long as its longest text: most of what makes fine-tuning fast.

A batch costs what its longest text costs, for every text in it. Sentences are short and the limit is long, so padding
all of them to the limit spends most of the time on nothing. Chapter: notebooks/11_fine_tuning.ipynb.
"""

import keras
import numpy as np

from bertedu.text import pack

SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Lengths to pad to where each is compiled anew (JAX, XLA): few, as compiling costs, and close, as padding does."""

POOL = 50  # batches whose texts are drawn at random before they are sorted: alike in length, and still a mixture


def padded_length(length, limit, sizes=SIZES):
    """The smallest of `sizes` that holds `length` tokens, at most `limit`; without sizes, `length`.

    Example:
        >>> padded_length(17, 128), padded_length(120, 125), padded_length(17, 128, sizes=())
        (24, 125, 17)
    """
    return min(next((size for size in sizes if size >= length), length), limit)


def plan(lengths, batch_size, draw=None):
    """Which texts go together: a list of arrays of indices, one a batch.

    Args:
        lengths: tokens of each text.
        batch_size: int.
        draw: `numpy.random.Generator`, or None for all texts sorted by length, as for an evaluation.

    Example:
        >>> [batch.tolist() for batch in plan([5, 9, 4, 8, 6], batch_size=2)]
        [[1, 3], [4, 0], [2]]
    """
    lengths = np.asarray(lengths)
    order = np.arange(len(lengths)) if draw is None else draw.permutation(len(lengths))
    pool = len(lengths) if draw is None else POOL * batch_size
    batches = []
    for start in range(0, len(order), max(pool, 1)):
        chunk = order[start : start + pool]
        chunk = chunk[np.argsort(-lengths[chunk], kind="stable")]
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    if draw is not None:
        batches = [batches[i] for i in draw.permutation(len(batches))]
    return batches


class Batches(keras.utils.PyDataset):
    """Texts, encoded once, as Keras takes them: (inputs, labels, weights) a batch.

    A batch that is too short is filled up with texts of weight 0, so that there is one shape a length.

    Args:
        texts: an `Examples`.
        batches: what `plan` gives, or a part of it.
        batch_size: int.
        pad_id: int, the tokenizer's.
        limit: int, the longest that a batch may be.
        sizes: the lengths to pad to; none, each batch is as long as its longest text.
    """

    def __init__(self, texts, batches, batch_size, pad_id, limit, sizes=()):
        super().__init__()
        self.texts, self.batch_size, self.pad_id, self.limit, self.sizes = texts, batch_size, pad_id, limit, sizes
        self.batches = _two_lengths_first(batches, [self._length(batch) for batch in batches])

    def _length(self, batch):
        return padded_length(max(len(self.texts.rows[i].ids) for i in batch), self.limit, self.sizes)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        batch = self.batches[index]
        filled = np.concatenate([batch, np.full(self.batch_size - len(batch), batch[0])])  # [B]
        inputs = pack([self.texts.rows[i] for i in filled], self.pad_id, self._length(batch))  # [B, T] each
        real = np.arange(self.batch_size) < len(batch)  # [B]
        return inputs, self.texts.labels[filled], self.texts.weights[filled] * real.astype("float32")

    @property
    def weights(self):
        """The sum of the weights of the texts in each batch: list of floats."""
        return [self.texts.weights[batch].sum() for batch in self.batches]


def _two_lengths_first(batches, lengths):
    """`batches` with two of different lengths at the front: Keras takes what the first two share for fixed."""
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if other is not None:
        batches = [batches[0], batches[other], *batches[1:other], *batches[other + 1 :]]
    return batches
