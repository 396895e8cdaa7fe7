"""The inputs of BERT: checks of texts, and of the three arrays under their names in different libraries.

    ids      input_word_ids    [B, T]   indices into the vocabulary
    mask     input_mask        [B, T]   1 for real tokens, 0 for padding
    types    input_type_ids    [B, T]   index of the segment

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3 and figure 2. Chapter: notebooks/06_encoder.ipynb.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertedu.terminal import warn
from bertedu.vocabulary import LONE_SURROGATES

DIALECTS = {
    "tf-models": ("input_word_ids", "input_mask", "input_type_ids"),
    "KerasHub": ("token_ids", "padding_mask", "segment_ids"),
    "Hugging Face": ("input_ids", "attention_mask", "token_type_ids"),
}
"""Names of the three inputs (ids, mask, types) in each library. The package uses those of tf-models."""

INPUTS = DIALECTS["tf-models"]
DENSE_INPUTS = ("dense_inputs", "dense_mask", "dense_type_ids")
OPTIONAL_INPUTS = ("input_word_embeddings", *DENSE_INPUTS)
NATIVE_NAMES = {
    **{name: native for row in DIALECTS.values() for name, native in zip(row, INPUTS, strict=True)},
    **{name: name for name in OPTIONAL_INPUTS},
}
"""Accepted name -> name in this package."""


def native_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Check the inputs of an encoder and return them under the names of this package.

    Args:
        inputs: dict of arrays or tensors, under the names of any of the `DIALECTS`.

    Raises:
        ValueError: `inputs` is not a dict, or an input is missing, unknown, passed twice, or has the wrong shape.
    """
    if not isinstance(inputs, Mapping):
        raise ValueError(f"inputs: expected a dict, got {type(inputs).__name__}. {_spellings()}")
    native: dict[str, Any] = {}
    for key, value in inputs.items():
        name = NATIVE_NAMES.get(key)
        if name is None:
            raise ValueError(f"inputs: expected only known names, got {key!r}. {_spellings()}")
        if name in native:
            raise ValueError(f"inputs: expected {name!r} once, got {key!r} as well. {_spellings()}")
        native[name] = value
    words = "input_word_embeddings" if "input_word_embeddings" in native else "input_word_ids"
    _check_shapes(native, (words, *INPUTS[1:]))
    if "dense_inputs" in native:
        _check_shapes(native, DENSE_INPUTS)
    return native


def _check_shapes(native: dict[str, Any], names: Sequence[str]) -> None:
    """Raise ValueError if one of `names` is missing, or does not have the sizes of the first."""
    missing = [name for name in names if name not in native]
    if missing:
        raise ValueError(f"inputs: expected {missing[0]!r}, got only {sorted(native)}. {_spellings()}")
    expected = tuple(native[names[0]].shape)
    for name in names:
        shape = tuple(native[name].shape)
        letters = "[B, T, W]" if name in ("input_word_embeddings", "dense_inputs") else "[B, T]"
        sizes = zip(shape[:2], expected[:2], strict=False)
        if len(shape) != letters.count(",") + 1 or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(f"{name}: expected shape {letters} with the sizes of {names[0]}, {expected}, got {shape}.")


def _spellings() -> str:
    rows = "; ".join(f"{library}: {', '.join(names)}" for library, names in DIALECTS.items())
    optional = ", ".join(OPTIONAL_INPUTS)
    return f"The inputs are ids, mask and types, under one of these sets of names: {rows}. Optional: {optional}."


def check_values(inputs: Mapping[str, np.ndarray], encoder: Any) -> None:
    """Check that an encoder's embedding tables have a row for all ids, types and positions.

    The layers check only shapes, because reading values would make an accelerator wait at every step. This function is
    called where the values are NumPy arrays anyway.

    Args:
        inputs: dict of integer NumPy arrays `[B, T]`, under the names of this package.
        encoder: `BertEncoder`.

    Raises:
        ValueError: an id or type is out of range, or there are too many tokens.
    """
    limits = {"input_word_ids": encoder.vocab_size, "input_type_ids": encoder.type_vocab_size}
    for name, limit in limits.items():
        values = inputs[name]
        if values.size and not 0 <= values.min() <= values.max() < limit:
            wrong = values[(values < 0) | (values >= limit)][0]
            raise ValueError(f"{name}: expected ids from 0 to {limit - 1} for this encoder, got {wrong}.")
    length = inputs["input_word_ids"].shape[1]
    limit = encoder.max_sequence_length
    if length > limit:
        advice = "Set seq_length of BertPreprocessor to truncate texts."
        raise ValueError(f"input_word_ids: expected at most {limit} tokens, got {length}. {advice}")


def check_vocabulary_size(tokens: int, rows: int) -> None:
    """Warn if a tokenizer has fewer tokens than the `vocab_size` of an encoder, `rows`.

    Raises:
        ValueError: the tokenizer has more tokens.
    """
    if tokens > rows:
        got = f"got {tokens}. Use the tokenizer that the encoder was trained with."
        raise ValueError(f"tokenizer: expected at most {rows} tokens, the encoder's vocab_size, {got}")
    if tokens < rows:
        reason = "Either the embedding matrix is padded, or the vocabulary is incomplete."
        message = f"tokenizer: expected {rows} tokens, the encoder's vocab_size, got {tokens}. {reason}"
        warn(message)


def checked_texts(texts: Any, name: str = "text") -> list[str]:
    """Return texts as a list of strings that the tokenizer accepts.

    Args:
        texts: list, tuple or array of `n` strings, or one string. Bytes are decoded as UTF-8.
        name: str, name of the argument.

    Raises:
        TypeError: a text is not a string.

    Example:
        >>> checked_texts("the cat"), checked_texts([b"the", "cat"])
        (['the cat'], ['the', 'cat'])
    """
    texts = texts.tolist() if hasattr(texts, "tolist") else texts  # NumPy, pandas
    if isinstance(texts, str | bytes):
        return [checked_text(texts, name)]
    if not isinstance(texts, Sequence):
        raise TypeError(f"{name}: expected a string or a list of strings, got {texts!r}.")
    return [checked_text(text, name) for text in texts]


def checked_text(text: Any, name: str = "text") -> str:
    """Return a text as a string that the tokenizer accepts: decoded, and without lone surrogates.

    Raises:
        TypeError: `text` is not a string.
    """
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    if not isinstance(text, str):
        hint = " Pass second texts as `pair`." if isinstance(text, list | tuple) else ""
        raise TypeError(f"{name}: expected a flat list of strings, got one that contains {text!r}.{hint}")
    return LONE_SURROGATES.sub("\ufffd", text)  # Rust refuses them; a single character keeps the offsets
