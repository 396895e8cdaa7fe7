"""Masking: random tokens are masked to make the training examples of a masked language model.

    of the chosen tokens, 80 % become [MASK], 10 % a random token, and 10 % stay the same

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.1, task 1. Chapter: notebooks/08_masked_lm.ipynb.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bertedu import checks
from bertedu.tokenizer import BertTokenizer

IGNORED = 0  # fills unused positions and ids, whose weight is 0


def mask_tokens(
    inputs: Mapping[str, Any],
    tokenizer: BertTokenizer,
    *,
    rate: float = 0.15,
    max_predictions: int | None = None,
    whole_words: bool = False,
    seed: int | np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """Mask random tokens for a model to predict: 80 % become [MASK], 10 % a random token, and 10 % stay the same.

    Special tokens and padding are never masked. Of the other tokens of a text at least one is, except with
    `whole_words` if every word has more tokens than are masked.

    Args:
        inputs: dict with `input_word_ids` and `input_mask`, integer NumPy arrays `[B, T]`, from a `BertPreprocessor`.
        tokenizer: `BertTokenizer` of `inputs`.
        rate: float in (0, 1], fraction of tokens to predict.
        max_predictions: int, maximum number M of predictions per text. Defaults to `rate` times T.
        whole_words: bool, whole word masking: choose all pieces of a word (`un ##want ##ed`) or none.
        seed: int or `numpy.random.Generator`. Defaults to None, different tokens in every call.

    Returns:
        A copy of `inputs` with masked `input_word_ids`, and three arrays `[B, M]`: int32 `masked_lm_positions`, int32
        `masked_lm_ids` (the original ids) and float32 `masked_lm_weights` (0 for unused predictions).

    Raises:
        ValueError: `rate` is not in (0, 1], or `max_predictions` is below 1.

    Example:
        >>> from bertedu.text import BertPreprocessor
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat on mat".split()
        >>> tokenizer = BertTokenizer(words)
        >>> masked = mask_tokens(BertPreprocessor(tokenizer, seq_length=8)("the cat sat"), tokenizer, rate=0.3, seed=0)
        >>> masked["masked_lm_positions"].shape
        (1, 2)
    """
    if not 0 < rate <= 1:
        raise ValueError(f"rate: expected a number above 0 and at most 1, got {rate}.")
    rng = np.random.default_rng(seed)
    ids = np.array(inputs["input_word_ids"])  # [B, T], a copy
    if max_predictions is None:
        max_predictions = max(1, round(rate * ids.shape[1]))
    shape = (len(ids), checks.whole_number("max_predictions", max_predictions))  # B, M
    special = (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    maskable = np.asarray(inputs["input_mask"]).astype(bool) & ~np.isin(ids, special)  # [B, T]
    ordinary = np.setdiff1d(np.arange(tokenizer.vocab_size), (*special, tokenizer.unk_id))
    continues = np.array([token.startswith("##") for token in tokenizer.vocabulary])

    positions, originals = np.full(shape, IGNORED, "int32"), np.full(shape, IGNORED, "int32")  # [B, M]
    weights = np.zeros(shape, "float32")  # [B, M]
    for row, (tokens, allowed) in enumerate(zip(ids, maskable, strict=True)):
        chosen = _choose(np.flatnonzero(allowed), continues[tokens] & whole_words, rate, shape[1], rng)
        n = len(chosen)
        positions[row, :n], originals[row, :n], weights[row, :n] = chosen, tokens[chosen], 1
        uniform = rng.random(n)
        tokens[chosen[uniform < 0.8]] = tokenizer.mask_id
        randomized = chosen[(uniform >= 0.8) & (uniform < 0.9)]
        tokens[randomized] = rng.choice(ordinary, len(randomized))
    masked = {"masked_lm_positions": positions, "masked_lm_ids": originals, "masked_lm_weights": weights}
    return dict(inputs) | {"input_word_ids": ids} | masked


def _choose(candidates, continues, rate, limit, rng):
    """Return the sorted positions to predict. Pieces that continue a word are chosen together with it."""
    count = min(limit, max(1, round(rate * len(candidates))))
    words = []
    for position in candidates:
        if words and continues[position] and words[-1][-1] == position - 1:
            words[-1].append(position)
        else:
            words.append([position])
    chosen = []
    for i in rng.permutation(len(words)):
        if len(chosen) + len(words[i]) <= count:
            chosen += words[i]
    return np.sort(np.array(chosen, "int32"))
