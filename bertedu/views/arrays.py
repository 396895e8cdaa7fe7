"""What views take in and send out: checked float32 arrays, tokens made visible, weights in 8 bits with a scale a row.

    weight ~ low + step * byte,   step = (high - low) / 255,   so no weight is off by more than (high - low) / 510

One scale for everything would erase a head that spreads over 512 tokens: all its weights are below 1/255. Chapter: 12.
"""

import unicodedata

import numpy as np

MOST_TOKENS = 1024
LONGEST = 200  # characters of a token that travel; the rest is counted
UNSUMMED = 1e-2  # rows that miss 1 by more are called not normalised; half precision misses it by less
LABEL = 24  # characters of a token in a picture
SHAPES = "[L, N, T, T], [N, T, T], [L, 1, N, T, T], or a list of L arrays [N, T, T] or [1, N, T, T]"


def to_numpy(name, values):
    """`values` of NumPy, TensorFlow, JAX or torch as a float32 array; float32 arrays are not copied.

    Raises:
        TypeError: it cannot be read as numbers.
    """
    try:
        if isinstance(values, list | tuple):
            return np.stack([to_numpy(name, value) for value in values])
        if hasattr(values, "detach"):  # torch: off the graph and off the GPU
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values  # NumPy does not know that type
        array = np.asarray(values)
        if array.dtype.kind in "OSUcMm":
            raise TypeError(f"its type is {array.dtype}")
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and `check_finite` says so
            return np.asarray(array, np.float32)
    except ValueError as error:
        raise ValueError(f"{name} must be arrays of one shape: {error}") from None
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise TypeError(f"{name} must be numbers, got {type(values).__name__}: {error}") from None


def attention_array(name, values):
    """`values` as `[L, N, T, T]`.

    Raises:
        TypeError, ValueError: no numbers, another shape, a batch, numbers that are not finite, or too many tokens.

    Example:
        >>> attention_array("attention", [np.full((1, 2, 3, 3), 1 / 3)] * 4).shape
        (4, 2, 3, 3)
    """
    array = with_layers(name, values, SHAPES)
    if array.shape[-1] != array.shape[-2]:
        raise ValueError(f"{name} must have as many columns as rows, got {list(array.shape)}; its shape is {SHAPES}.")
    return array


def with_layers(name, values, shapes):
    """`values` with four axes, the first two layers and heads; a batch of one is taken off."""
    array = to_numpy(name, values)
    if array.ndim == 5:
        if array.shape[1] != 1:
            raise ValueError(f"{name} holds {array.shape[1]} texts, and a view shows one: pass {name}[:, 0].")
        array = array[:, 0]
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4:
        raise ValueError(f"{name} must have shape {shapes}; got {list(array.shape)}.")
    if not array.size:
        raise ValueError(f"{name} is empty: its shape is {list(array.shape)}, and nothing can be shown of it.")
    check_length(name, array.shape[2])
    check_finite(name, array)
    return array


def check_length(name, length):
    """Raises a ValueError with the ways out where there are more tokens than a view can show."""
    if length > MOST_TOKENS:
        raise ValueError(
            f"{name} covers {length:,} tokens, and a view shows up to {MOST_TOKENS:,}. Truncate ({name}[..., "
            f":{MOST_TOKENS}, :{MOST_TOKENS}] and tokens[:{MOST_TOKENS}]), or choose one layer and head and draw it "
            "with bertedu.plots.head."
        )


def check_finite(name, array):
    """Raises a ValueError that says where the first NaN or infinity is."""
    for layer, values in enumerate(array):  # a layer at a time: the whole may be half a gigabyte
        finite = np.isfinite(values)
        if not finite.all():
            head, row, column = np.argwhere(~finite)[0]
            raise ValueError(
                f"{name} holds numbers that are not finite (NaN or infinity), {np.count_nonzero(~finite)} of them in "
                f"layer {layer}, the first at [{layer}, {head}, {row}, {column}]."
            )


def token_list(tokens, count, of="attention"):
    """`tokens` as a list of `count` visible strings.

    Raises:
        TypeError, ValueError: no strings, or not as many as `count`.
    """
    if isinstance(tokens, str | bytes) or not hasattr(tokens, "__iter__"):
        raise TypeError(f"tokens must be a list of strings, got {tokens!r:.80}.")
    tokens = list(tokens)
    wrong = next((token for token in tokens if not isinstance(token, str)), None)
    if len(tokens) != count:
        raise ValueError(f"tokens must be as many as the rows of {of}: expected {count}, got {len(tokens)}.")
    if any(not isinstance(token, str) for token in tokens):
        raise TypeError(f"tokens must be strings, got {wrong!r:.80} among them.")
    return [visible(token) for token in tokens]


def visible(text):
    """`text` as it can be written: what would be invisible, reorder its neighbours or break an encoding is named.

    Example:
        >>> visible("a\\u202eb"), visible("\\ud800"), visible(""), visible("x" * 300)[-19:]
        ('aU+202Eb', 'U+D800', '(empty)', 'x… (300 characters)')
    """
    text = str(text)
    cut = text if len(text) <= LONGEST else text[:LONGEST]
    letters = [f"U+{ord(c):04X}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") else c for c in cut]
    shown = "".join(letters) if cut is text else f"{''.join(letters)}… ({len(text):,} characters)"
    return shown if shown.strip() else ("(empty)" if not shown else f"({len(text)} × space)")


def label(token):
    """A token as a picture has room for it.

    Example:
        >>> label("cat"), label("x" * 30)
        ('cat', 'xxxxxxxxxxxxxxxxxxxxxxx…')
    """
    return token if len(token) <= LABEL else f"{token[: LABEL - 1]}…"


def segment_list(segments, tokens):
    """A list with 0 for the first text, 1 for the second, -1 for tokens of neither; None: told from [SEP].

    Raises:
        ValueError: not as many as the tokens, or something else than 0, 1 and None.

    Example:
        >>> segment_list(None, ["[CLS]", "a", "[SEP]", "b", "[SEP]"])
        [-1, 0, -1, 1, -1]
    """
    if segments is None:
        after = np.cumsum([token == "[SEP]" for token in tokens])
        return [-1 if is_special(token) else min(int(n), 1) for token, n in zip(tokens, after, strict=True)]
    segments = [-1 if segment is None else segment for segment in segments]
    if len(segments) != len(tokens):
        raise ValueError(f"segments must be as many as the tokens: expected {len(tokens)}, got {len(segments)}.")
    wrong = next((segment for segment in segments if segment not in (-1, 0, 1)), None)
    if wrong is not None:
        raise ValueError(f"segments must be 0 (first text), 1 (second) or None (neither), got {wrong!r}.")
    return [int(segment) for segment in segments]


def is_special(token):
    """Whether a token is the tokenizer's own, as [CLS] or </s>, and not from the text."""
    named = token[1:-1].strip("/|")
    return len(token) > 2 and token[0] + token[-1] in ("[]", "<>") and named.isupper() or token in SPECIAL


SPECIAL = frozenset({"<s>", "</s>", "<pad>", "<mask>", "<unk>", "<cls>", "<sep>", "<|endoftext|>"})


def signed_or_not(attention, signed):
    """Whether to show `attention` on a scale around 0.

    Raises:
        ValueError: `signed` is False and some are negative.
    """
    least = min(float(layer.min()) for layer in attention)
    if signed is False and least < 0:
        raise ValueError(f"attention holds negative numbers (least {least:.3g}): leave signed out, or set it to True.")
    return least < 0 if signed is None else bool(signed)


def notes(attention, signed):
    """What a reader must know about the numbers, as a list of sentences."""
    if signed:
        return ["Talking heads mix scores after the softmax: they can be negative, and rows need not sum to 1."]
    sums = np.concatenate([layer.sum(axis=-1).ravel() for layer in attention])
    if np.abs(sums - 1).max() <= UNSUMMED:
        return []
    return [f"Rows do not all sum to 1: their sums go from {sums.min():.3g} to {sums.max():.3g}."]


def choice(name, chosen, count):
    """`chosen` as an int.

    Raises:
        TypeError, ValueError: no whole number, or not one from 0 to `count` - 1.
    """
    if isinstance(chosen, bool) or not isinstance(chosen, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {chosen!r}.")
    if not 0 <= chosen < count:
        raise ValueError(f"{name}={chosen} is not there: choose from 0 to {count - 1}.")
    return int(chosen)


def quantize(values):
    """Rows of 8 bits: float32 `low` and `step` of each row, and uint8 of `values`' shape.

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
    levels += np.float32(0.5)  # to the nearest level; `astype` cuts
    return low, step, np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def packed_nbytes(shape):
    """How long `packed` of this shape is.

    Example:
        >>> packed_nbytes((2, 3, 5)) == len(packed(np.ones((2, 3, 5), "float32")))
        True
    """
    rows = int(np.prod(shape[:-1]))
    return rows * (shape[-1] + 8)


def packed(values):
    """`quantize(values)` as bytes, in the order in which common.js reads them."""
    return b"".join(part.tobytes() for part in quantize(np.ascontiguousarray(values)))
