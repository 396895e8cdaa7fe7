"""Arrays and strings of views: validation, visible tokens, and quantization to 8 bits with one scale per row.

    weight ~ low + step * byte,   step = (high - low) / 255,   so the error is at most (high - low) / 510

With one scale for all rows, a uniform head over 512 tokens would vanish: its weights are below 1/255. Chapter: 12.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bertedu.checks import check_finite, strings, to_numpy, whole_number

MAX_TOKENS = 1024
MAX_CHARACTERS = 200  # of a token sent to the page, which then states its length
SUM_TOLERANCE = 1e-2  # of a row's sum; half precision is off by less
LABEL = 24  # characters of a token in a figure
SPECIAL = frozenset({"<s>", "</s>", "<pad>", "<mask>", "<unk>", "<cls>", "<sep>", "<|endoftext|>"})


def attention_array(name: str, values: Any) -> np.ndarray:
    """Return `values` as `[L, N, T, T]`.

    Raises:
        TypeError, ValueError: not numbers, the wrong shape, a batch, values that are not finite, or too many tokens.

    Example:
        >>> attention_array("attention", [np.full((1, 2, 3, 3), 1 / 3)] * 4).shape
        (4, 2, 3, 3)
    """
    array = with_layers(name, values, "T")
    if array.shape[-1] != array.shape[-2]:
        raise ValueError(f"{name}: expected as many columns as rows, got shape {list(array.shape)}.")
    return array


def with_layers(name: str, values: Any, last: str) -> np.ndarray:
    """Return `values` as float32 `[L, N, T, last]`; add a missing layer axis, remove a batch axis of size 1."""
    array = to_numpy(name, values, np.float32)
    if array.ndim == 5:
        if array.shape[1] != 1:
            raise ValueError(f"{name}: expected one text, got {array.shape[1]}. Pass {name}[:, 0].")
        array = array[:, 0]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or not array.size:
        shapes = f"[L, N, T, {last}], [N, T, {last}], [L, 1, N, T, {last}]"
        arrays = f"a list of L arrays [N, T, {last}] or [1, N, T, {last}]"
        raise ValueError(f"{name}: expected shape {shapes}, or {arrays}, not empty, got {list(array.shape)}.")
    if array.shape[2] > MAX_TOKENS:
        raise ValueError(
            f"{name}: expected up to {MAX_TOKENS:,} tokens, got {array.shape[2]:,}. Truncate ({name}[..., "
            f":{MAX_TOKENS}, :{MAX_TOKENS}] and tokens[:{MAX_TOKENS}]), or plot a single head with bertedu.plots.head."
        )
    return check_finite(name, array)


def token_list(tokens: Iterable[str], count: int, name: str = "attention") -> list[str]:
    """Return `tokens` as a list of `count` visible strings.

    Raises:
        TypeError: not strings. ValueError: not `count` of them.
    """
    return [visible(token) for token in strings("tokens", tokens, count, f"row of {name}")]


def visible(text: str) -> str:
    """Return `text` with characters that are invisible, change the writing direction or cannot be encoded as U+XXXX.

    Example:
        >>> visible("a\\u202eb"), visible("\\ud800"), visible(""), visible("x" * 300)[-19:]
        ('aU+202Eb', 'U+D800', '(empty)', 'x… (300 characters)')
    """
    text = str(text)
    escaped = ("Cc", "Cf", "Cs", "Co", "Cn")  # controls, formats, surrogates, private and unassigned characters
    cut = text[:MAX_CHARACTERS]
    shown = "".join(f"U+{ord(c):04X}" if unicodedata.category(c) in escaped else c for c in cut)
    if len(cut) < len(text):
        shown += f"… ({len(text):,} characters)"
    return shown if shown.strip() else f"({len(text)} × space)" if text else "(empty)"


def label(token: str) -> str:
    """Return a token truncated to the space in a figure.

    Example:
        >>> label("cat"), label("x" * 30)
        ('cat', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    return token if len(token) <= LABEL else f"{token[: LABEL - 1]}…"


def segment_list(segments: Iterable[int | None] | None, tokens: Sequence[str]) -> list[int]:
    """Return 0 for tokens of the first text, 1 for the second, -1 for neither; inferred from [SEP] by default.

    Raises:
        ValueError: not one per token, or a value other than 0, 1 and None.

    Example:
        >>> segment_list(None, ["[CLS]", "a", "[SEP]", "b", "[SEP]"])
        [-1, 0, -1, 1, -1]
    """
    if segments is None:
        after = np.cumsum([token == "[SEP]" for token in tokens])
        return [-1 if is_special(token) else min(int(n), 1) for token, n in zip(tokens, after, strict=True)]
    hint = "0 is the first text, 1 the second, None (or -1) neither."
    numbers = [whole_number("segments", -1 if one is None else one, -1, 1, hint) for one in segments]
    if len(numbers) != len(tokens):
        raise ValueError(f"segments: expected {len(tokens)} numbers, one per token, got {len(numbers)}.")
    return numbers


def is_special(token: str) -> bool:
    """Return whether a token is a special token, such as [CLS] or </s>."""
    name = token[1:-1].strip("/|")
    return len(token) > 2 and token[0] + token[-1] in ("[]", "<>") and name.isupper() or token in SPECIAL


def resolve_signed(attention: np.ndarray, signed: bool | None) -> bool:
    """Return whether to show `attention` on a scale around 0.

    Raises:
        ValueError: `signed` is False, but a weight is negative.
    """
    minimum = min(float(layer.min()) for layer in attention)
    if signed is False and minimum < 0:
        raise ValueError(f"signed: expected None or True for negative weights (minimum {minimum:.3g}), got False.")
    return minimum < 0 if signed is None else bool(signed)


def notes(attention: np.ndarray, signed: bool) -> list[str]:
    """Return sentences about the weights that the page shows above the view."""
    if signed:
        return ["Talking heads mix the weights after the softmax: they can be negative, and rows need not sum to 1."]
    sums = np.stack([layer.sum(axis=-1) for layer in attention])  # [L, N, T]
    pruned = ~sums.any(axis=-1)  # [L, N]
    sentences = pruned_note(np.asarray(pruned))
    if sentences:
        sums = sums[~pruned]
    if np.abs(sums - 1).max() > SUM_TOLERANCE:
        sentences.append(f"Rows do not all sum to 1: their sums range from {sums.min():.3g} to {sums.max():.3g}.")
    return sentences


def pruned_note(pruned: np.ndarray) -> list[str]:
    """Return a sentence with the number of pruned heads; none if there are none, or if all weights are 0."""
    if not pruned.any() or pruned.all():
        return []
    return [f"{pruned.sum()} of {pruned.size} heads are pruned: all their weights are 0."]


def part_indices(name: str, kind: str) -> list[int]:
    """Return the indices in a part's name: "head/3/1" is layer 3, head 1. Raise KeyError for another kind of part."""
    start, *numbers = name.split("/")
    if start != kind:
        raise KeyError(name)
    return [int(number) for number in numbers]


def quantize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantize rows to 8 bits: return float32 `low` and `step` of each row, and uint8 levels of `values`' shape.

    Example:
        >>> low, step, levels = quantize(np.float32([[0.0, 0.25, 1.0]]))
        >>> low.tolist(), levels.tolist()
        ([0.0], [[0, 64, 255]])
    """
    low, high = values.min(axis=-1), values.max(axis=-1)
    step = ((high.astype(np.float64) - low) / 255).astype(np.float32)
    safe = np.where(step > 0, step, np.float32(1))
    levels = values - low[..., None]
    levels /= safe[..., None]
    levels += np.float32(0.5)  # rounds to the nearest level, because `astype` truncates
    return low, step, np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def packed_nbytes(shape: Sequence[int]) -> int:
    """Return the length in bytes of `packed` for an array of this shape.

    Example:
        >>> packed_nbytes((2, 3, 5)) == len(packed(np.ones((2, 3, 5), "float32")))
        True
    """
    return int(np.prod(shape[:-1])) * (shape[-1] + 8)  # each row has `low` and `step`, too


def packed(values: np.ndarray) -> bytes:
    """Return `quantize(values)` as bytes, in the order in which numbers.js reads them."""
    return b"".join(part.tobytes() for part in quantize(np.ascontiguousarray(values)))
