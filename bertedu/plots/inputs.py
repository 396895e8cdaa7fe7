"""What comes in: numbers of a given shape and lists of strings, or an error that names the argument."""

import numpy as np


def numbers(name, values, letters):
    """`values` as a float array with one axis a letter, not empty, all finite. A digit among the letters is a size."""
    shape = f"[{', '.join(letters)}]"
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers of shape {shape}, got {type(values).__name__}: {error}") from None
    fits = array.ndim == len(letters) and array.size
    if not fits or any(
        letter.isdigit() and int(letter) != size for letter, size in zip(letters, array.shape, strict=True)
    ):
        raise ValueError(f"{name} must have shape {shape}, got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} holds {np.count_nonzero(~np.isfinite(array))} numbers that are not finite (NaN or infinity)."
        )
    return array


def strings_of(name, strings, count, what):
    """`strings` as a list of `count` strings."""
    if isinstance(strings, str) or not all(isinstance(string, str) for string in strings):
        raise TypeError(f"{name} must be a list of strings, got {strings!r}.")
    strings = [str(string) for string in strings]  # NumPy's own strings too
    if len(strings) != count:
        raise ValueError(f"{name} must be as many as the {what}: expected {count}, got {len(strings)}.")
    return strings


def square_tokens(attention, tokens):
    """`tokens` as a list, one for each row and column of `attention`."""
    if attention.shape[-1] != attention.shape[-2]:
        raise ValueError(
            f"attention must have as many rows as columns here, got {list(attention.shape)}; head draws others."
        )
    return strings_of("tokens", tokens, attention.shape[-1], "columns of attention")


def names_of(names, count, default):
    """`names` as a list of `count` strings; None makes them of `default`, in which {} is the number from 0 on."""
    names = [default.format(number) for number in range(count)] if names is None else names
    return strings_of("names", names, count, "tables in values")


def positions(x, count):
    """Names and numbers of the points along x."""
    if x is not None and len(x) and all(isinstance(value, str) for value in x):
        return strings_of("x", x, count, "columns of values"), np.arange(count)
    x = numbers("x", np.arange(count) if x is None else x, "X")
    if len(x) != count:
        raise ValueError(f"x must be as many as the columns of values: expected {count}, got {len(x)}.")
    return [f"{value:g}" for value in x], x
