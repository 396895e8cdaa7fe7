"""The inputs of BERT: texts, checked once, and the three arrays that they become, under one name each.

    ids      input_word_ids    [B, T]   which token
    mask     input_mask        [B, T]   non-zero at real tokens, zero at padding
    types    input_type_ids    [B, T]   which segment

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3 and figure 2. Chapter: notebooks/06_encoder.ipynb.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertedu.vocabulary import LONE_SURROGATES

DIALECTS = {
    "tf-models": ("input_word_ids", "input_mask", "input_type_ids"),
    "KerasHub": ("token_ids", "padding_mask", "segment_ids"),
    "Hugging Face": ("input_ids", "attention_mask", "token_type_ids"),
}
"""What the three inputs (ids, mask, types; integers, `[B, T]`) are called; the first row is our own."""

INPUTS = DIALECTS["tf-models"]
DENSE_INPUTS = ("dense_inputs", "dense_mask", "dense_type_ids")
OPTIONAL_INPUTS = ("input_word_embeddings", *DENSE_INPUTS)
NATIVE_NAMES = {
    **{name: native for row in DIALECTS.values() for name, native in zip(row, INPUTS, strict=True)},
    **{name: name for name in OPTIONAL_INPUTS},
}
"""Every accepted key, and its name inside the package."""


def native_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of an encoder under our own names, their names and shapes checked.

    Args:
        inputs: dict, in any of the `DIALECTS`.

    Raises:
        ValueError: not a dict; an input is missing, unknown, given twice, or of another shape.
    """
    if not isinstance(inputs, Mapping):
        raise ValueError(f"inputs must be a dict, got {type(inputs).__name__}. {_spellings()}")
    native: dict[str, Any] = {}
    for key, value in inputs.items():
        name = NATIVE_NAMES.get(key)
        if name is None:
            raise ValueError(f"Unknown input {key!r}. {_spellings()}")
        if name in native:
            raise ValueError(f"The input {name!r} came twice, as {key!r} too. {_spellings()}")
        native[name] = value
    words = "input_word_embeddings" if "input_word_embeddings" in native else "input_word_ids"
    _check_shapes(native, (words, *INPUTS[1:]))
    if "dense_inputs" in native:
        _check_shapes(native, DENSE_INPUTS)
    return native


def _check_shapes(native: dict[str, Any], names: Sequence[str]) -> None:
    """Raise ValueError unless all of `names` are there, in shapes that fit the first."""
    missing = [name for name in names if name not in native]
    if missing:
        raise ValueError(f"Missing input {missing[0]!r}; got {sorted(native)}. {_spellings()}")
    expected = tuple(native[names[0]].shape)
    for name in names:
        shape = tuple(native[name].shape)
        letters = "[B, T, W]" if name in ("input_word_embeddings", "dense_inputs") else "[B, T]"
        sizes = zip(shape[:2], expected[:2], strict=False)
        if len(shape) != letters.count(",") + 1 or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(f"{name} must be {letters} and fit {names[0]}, whose shape is {expected}; got {shape}.")


def _spellings() -> str:
    rows = "; ".join(f"{library}: {', '.join(names)}" for library, names in DIALECTS.items())
    optional = ", ".join(OPTIONAL_INPUTS)
    return f"The inputs are ids, mask and types, in one of these spellings: {rows}. Optional: {optional}."


def check_values(inputs: Mapping[str, np.ndarray], encoder: Any) -> None:
    """Refuse NumPy arrays with ids, types or lengths for which an encoder has no rows in its tables.

    The layers check shapes only, because looking at values would stop an accelerator at every step; this is for places
    where values are concrete anyway: the reader, the data pipeline and the loaders.

    Args:
        inputs: dict of integer NumPy arrays `[B, T]`, under our own names.
        encoder: the `BertEncoder`.

    Raises:
        ValueError: names the input and the value.
    """
    limits = {"input_word_ids": encoder.vocab_size, "input_type_ids": encoder.type_vocab_size}
    for name, limit in limits.items():
        values = inputs[name]
        if values.size and not 0 <= values.min() <= values.max() < limit:
            wrong = values[(values < 0) | (values >= limit)][0]
            raise ValueError(f"{name} holds {wrong}, but the encoder knows ids from 0 to {limit - 1} only.")
    length = inputs["input_word_ids"].shape[1]
    most = encoder.max_sequence_length
    if length > most:
        raise ValueError(f"{length} tokens are more than the encoder's {most} positions. Cut the text (seq_length).")


def check_vocabulary_size(tokens: int, rows: int) -> None:
    """Warn if a tokenizer has fewer tokens than a word table has rows.

    Raises:
        ValueError: it has more.
    """
    if tokens > rows:
        raise ValueError(f"The tokenizer has {tokens} tokens, but the encoder's word table only {rows} rows.")
    if tokens < rows:
        message = f"The tokenizer has {tokens} tokens, but the encoder's word table {rows} rows"
        warnings.warn(f"{message}: it was padded, or the vocabulary was cut off.", stacklevel=3)


def checked_texts(texts: Any, name: str = "text") -> list[str]:
    """Return texts as a list of strings that the tokenizer accepts.

    Args:
        texts: list, tuple or array of n strings, or one string. Bytes are read as UTF-8.
        name: what the argument is called.

    Raises:
        TypeError: something that is not a string.

    Example:
        >>> checked_texts("the cat"), checked_texts([b"the", "cat"])
        (['the cat'], ['the', 'cat'])
    """
    texts = texts.tolist() if hasattr(texts, "tolist") else texts  # NumPy, pandas
    if isinstance(texts, str | bytes):
        return [checked_text(texts, name)]
    if not isinstance(texts, Sequence):
        raise TypeError(f"{name}: expected a string or a list of strings, got {texts!r}")
    return [checked_text(text, name) for text in texts]


def checked_text(text: Any, name: str = "text") -> str:
    """Return one text as a string that the tokenizer accepts: without lone surrogates, from bytes if need be.

    Raises:
        TypeError: not a string.
    """
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    if not isinstance(text, str):
        hint = "; a second text goes into `pair`" if isinstance(text, list | tuple) else ""
        raise TypeError(f"{name}: expected a flat list of strings, got {text!r} in it{hint}")
    return LONE_SURROGATES.sub("\ufffd", text)  # Rust refuses them; one character for one keeps the offsets right
