"""Arrays as arguments: numbers of any library as NumPy arrays, of a given shape and finite, or an error that says why.

The plots, the views and the analysis take what the user has: lists, or arrays of NumPy, TensorFlow, JAX or torch.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


def to_numpy(name: str, values: Any, dtype: DTypeLike = np.float64) -> np.ndarray:
    """Return `values` as an array of `dtype`; an array that has it already is not copied.

    Args:
        name: of the argument, for errors.
        values: an array, or a list of numbers or of arrays of one shape.

    Raises:
        TypeError: not numbers. ValueError: arrays of different shapes.
    """
    try:
        if isinstance(values, list | tuple) and values and hasattr(values[0], "shape"):
            return np.stack([to_numpy(name, value, dtype) for value in values])
        if hasattr(values, "detach"):  # torch: off the graph and off the GPU
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values  # NumPy does not know that type
        array = np.asarray(values)
        if array.dtype.kind in "OSUcMm":
            raise TypeError(f"its type is {array.dtype}")
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and `check_finite` says so
            return np.asarray(array, dtype)
    except ValueError as error:
        raise ValueError(f"{name} must be arrays of one shape: {error}") from None
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise TypeError(f"{name} must be numbers, got {type(values).__name__}: {error}") from None


def numbers(name: str, values: Any, letters: str, dtype: DTypeLike = np.float64) -> np.ndarray:
    """Return `values` as an array of `dtype`, finite and not empty, with an axis for each of `letters`.

    A letter that stands twice is a size that is the same twice; a digit is that size.

    Raises:
        TypeError: not numbers. ValueError: another shape, or NaN or infinity.

    Example:
        >>> numbers("attention", [[1, 0], [0.5, 0.5]], "TT").shape
        (2, 2)
    """
    array = to_numpy(name, values, dtype)
    sizes = dict(zip(letters, array.shape, strict=False))
    expected = tuple(int(letter) if letter.isdigit() else sizes.get(letter) for letter in letters)
    if not array.size or array.shape != expected:
        raise ValueError(f"{name} must have shape [{', '.join(letters)}], got {list(array.shape)}.")
    return check_finite(name, array)


def check_finite(name: str, array: np.ndarray) -> np.ndarray:
    """Return `array`, unless it holds NaN or infinity: then raise a ValueError that says where the first one is."""
    for index, values in enumerate(array):  # a layer at a time: the whole may be half a gigabyte
        finite = np.isfinite(values)
        if not finite.all():
            place = [index, *(np.argwhere(~finite)[0] if finite.ndim else ())]
            raise ValueError(
                f"{name} holds numbers that are not finite (NaN or infinity), the first at "
                f"[{', '.join(str(number) for number in place)}]."
            )
    return array


def strings(name: str, values: Iterable[str], count: int, what: str) -> list[str]:
    """Return `values` as a list of `count` strings.

    Args:
        what: what there must be as many of, for the error.

    Raises:
        TypeError: not strings. ValueError: not `count` of them.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of strings, got {values!r:.80}.")
    values = list(values)
    if len(values) != count:
        raise ValueError(f"{name} must be as many as the {what}: expected {count}, got {len(values)}.")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a list of strings, got {value!r:.80} among them.")
    return [str(value) for value in values]  # NumPy's own strings too
