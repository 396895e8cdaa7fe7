"""The layer lens: what the masked-LM head predicts from the output of every layer.

    logits[l] = head(x_l),   l = 0 (embeddings) to L

The head was trained on x_L only; that earlier layers give sensible predictions at all says that they share its space.
nostalgebraist 2020, "interpreting GPT: the logit lens" (https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru). A masked LM
has a dense layer and a normalization before the word embedding table; they are part of the head.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from bertedu.analysis.vectors import layer_vectors
from bertedu.bert import Bert
from bertedu.checks import instance, position, strings, to_numpy, whole_number


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LayerLens:
    """The predictions of every layer at M positions of a text. The first row is that of the embeddings.

    Attributes:
        positions: list of M integers.
        top_tokens: `[L + 1, M, K]` strings, the most probable tokens, most probable first.
        top_probabilities: `[L + 1, M, K]`, their probabilities.
        targets: list of M strings, the token at each position that `ranks` and `probabilities` are about.
        ranks: `[L + 1, M]` integers, the rank of the target among all tokens, 1 for the most probable.
        probabilities: `[L + 1, M]`, the probability of the target.
    """

    positions: list[int]
    top_tokens: np.ndarray
    top_probabilities: np.ndarray
    targets: list[str]
    ranks: np.ndarray
    probabilities: np.ndarray

    def __repr__(self) -> str:
        lines = []
        for m, (index, target) in enumerate(zip(self.positions, self.targets, strict=True)):
            lines.append(f"position {index}, rank of {target!r}")
            for layer, (tokens, rank) in enumerate(zip(self.top_tokens[:, m], self.ranks[:, m], strict=True)):
                name = f"layer {layer - 1}" if layer else "embeddings"
                lines.append(f"  {name:<10}{rank:>8,}   {' '.join(tokens)}")
        return "\n".join(lines)


def ranks(logits: ArrayLike, ids: ArrayLike) -> np.ndarray:
    """Compute the ranks of tokens: 1 for the largest logit. Equal logits have the same rank.

    Args:
        logits: `[..., V]`, or other numbers in the same order, such as probabilities.
        ids: integers that are broadcast to `[...]`, one token for each row of logits.

    Returns:
        `[...]` int64.

    Raises:
        TypeError, ValueError: an argument is not as above.

    Example:
        >>> ranks([[0.5, 2.0, 1.0], [3.0, 0.0, 0.0]], 2).tolist()
        [2, 2]
    """
    logits, indices = to_numpy("logits", logits), to_numpy("ids", ids, np.int64)
    if logits.ndim < 1 or not logits.size or np.isnan(logits).any():
        raise ValueError(f"logits: expected shape [..., V] without NaN, got {list(logits.shape)}.")
    if indices.size and not 0 <= indices.min() <= indices.max() < logits.shape[-1]:
        limits = f"from 0 to {logits.shape[-1] - 1}"
        raise ValueError(f"ids: expected ids {limits}, got {indices.min()} to {indices.max()}.")
    try:
        indices = np.broadcast_to(indices, logits.shape[:-1])
    except ValueError:
        expected = f"one id for each row of logits, {list(logits.shape[:-1])}"
        raise ValueError(f"ids: expected {expected}, got {list(indices.shape)}.") from None
    own = np.take_along_axis(logits, indices[..., None], axis=-1)  # [..., 1]
    return (logits > own).sum(axis=-1) + 1


def layer_lens(
    bert: Bert,
    text: str,
    pair: str | None = None,
    *,
    positions: Sequence[int] | None = None,
    targets: str | Sequence[str] | None = None,
    top_k: int = 5,
) -> LayerLens:
    """Apply the masked-LM head to the output of every layer.

    Args:
        bert: a `Bert` for which `fill_mask` is available; its `masked_lm_bert` is used.
        text, pair: str, as in `Bert.fill_mask`. A text that is too long is an error.
        positions: list of M indices of tokens. Defaults to those of [MASK], or if there are none, to all tokens.
        targets: the tokens whose ranks are computed: one string, or a list of M strings. Defaults to the most probable
            token of the last layer.
        top_k: int, number of predictions per layer and position.

    Returns:
        `LayerLens`. The probabilities of all tokens are held for one layer at a time.

    Raises:
        TypeError, ValueError: an argument is not as above, or the model has no masked-LM head.

    Example:
        >>> from bertedu import load
        >>> lens = layer_lens(load("minilm"), "A [MASK] is raised when the key is not found.", targets="exception")
        >>> lens.top_tokens.shape, lens.ranks.shape
        ((7, 1, 5), (7, 1))
    """
    model = instance("bert", bert, Bert, 'such as be.load("minilm")').masked_lm_bert
    if model is None:
        advice = 'Load "bert_en_uncased", or "minilm" with the head that this package includes.'
        raise ValueError(f"bert: expected a model with a masked-LM head, got {bert.name!r} without one. {advice}")
    reading = model.read(text, pair, overflow="error")
    top_k = whole_number("top_k", top_k, 1, model.tokenizer.vocab_size)
    chosen = _positions(reading, positions, model.tokenizer.mask_id)
    ids = None if targets is None else _ids(model.tokenizer, targets, len(chosen))
    layers = []
    for vectors in layer_vectors(reading)[::-1]:  # the last one first, because it has the default targets
        probabilities = _probabilities(model, vectors, chosen)  # [M, V]
        ids = probabilities.argmax(axis=-1) if ids is None else ids
        best = np.argsort(-probabilities, axis=-1)[:, :top_k]  # [M, K]
        own, top = (np.take_along_axis(probabilities, columns, axis=-1) for columns in (ids[:, None], best))
        layers.append((best, top, ranks(probabilities, ids), own[:, 0]))
    best, top, rank, own = (np.stack(arrays[::-1]) for arrays in zip(*layers, strict=True))
    vocabulary = np.array(model.tokenizer.vocabulary, object)
    return LayerLens(chosen, vocabulary[best], top, list(vocabulary[ids]), rank, own)


def _positions(reading, positions, mask_id):
    count = len(reading.ids)
    if positions is None:
        masked = [i for i, token_id in enumerate(reading.ids) if token_id == mask_id]
        return masked or list(range(count))
    chosen = [position("positions", index, count) for index in positions]
    if not chosen:
        raise ValueError(f"positions: expected at least one whole number from 0 to {count - 1}, got none.")
    return chosen


def _ids(tokenizer, targets, count):
    """Return the ids of the target tokens, `[M]`."""
    tokens = [targets] * count if isinstance(targets, str) else strings("targets", targets, count, "position")
    ids = np.array(tokenizer.tokens_to_ids(tokens))
    for token, token_id in zip(tokens, ids, strict=True):
        if token_id == tokenizer.unk_id and token != tokenizer.unk_token:
            raise ValueError(f"targets: expected tokens of the vocabulary, got {token!r}.")
    return ids


def _probabilities(model, vectors, positions):
    """Return the probabilities of all tokens at M positions, `[M, V]`, from the vectors of one layer, `[T, D]`."""
    logits = model.masked_lm.masked_lm(ops.convert_to_tensor(vectors[None]), np.array([positions], "int32"))
    probabilities = ops.convert_to_numpy(ops.softmax(ops.cast(logits, "float32"), axis=-1))[0]  # [M, V]
    return probabilities[:, : model.tokenizer.vocab_size]  # a padded word embedding table has more rows
