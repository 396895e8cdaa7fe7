"""Checks of arguments, once for the package: each returns the value, or raises an error that names the argument.

The message is always `<argument>: expected <rule>, got <value>.` Arrays may be lists, or of NumPy, TensorFlow, JAX or
torch; they are returned as NumPy arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from bertedu.fields import shown


def whole_number(name: str, value: Any, low: int = 1, high: int | None = None, hint: str = "") -> int:
    """Return `value` as an int.

    Args:
        name: what the argument is called.
        value: what was passed.
        low, high: the smallest and the largest number allowed. `high` defaults to None, no limit.
        hint: a sentence that is put after the message.

    Raises:
        ValueError: not a whole number, or out of range.

    Example:
        >>> whole_number("num_heads", 12)
        12
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        limits = f"of at least {low:,}" if high is None else f"from {low:,} to {high:,}"
        raise ValueError(f"{name}: expected a whole number {limits}, got {shown(value)}.{hint and ' ' + hint}")
    return int(value)


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return `value` as a float, which must be a number from `low` to `high`; else raise a ValueError."""
    if not isinstance(value, int | float | np.floating | np.integer) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {shown(value)}.")
    return float(value)


def position(name: str, value: Any, count: int) -> int:
    """Return `value` as an int, a whole number from 0 to `count` - 1; else raise a ValueError."""
    return whole_number(name, value, 0, count - 1)


def positions(name: str, values: Iterable[Any] | None, count: int) -> list[int]:
    """Return `values`, at least one and each from 0 to `count` - 1, sorted and each once; all of them for None.

    Raises:
        ValueError: none, or another value.
    """
    chosen = {position(name, value, count) for value in (range(count) if values is None else values)}
    if not chosen:
        raise ValueError(f"{name}: expected at least one whole number from 0 to {count - 1}, got none.")
    return sorted(chosen)


def choice(name: str, value: Any, choices: Iterable[Any], error: type[Exception] = ValueError) -> Any:
    """Return `value`, which must be one of `choices`, of the same type.

    Raises:
        ValueError, or `error`: another value.

    Example:
        >>> choice("output", "logits", ("logits", "predictions"))
        'logits'
    """
    choices = list(choices)
    if not any(type(value) is type(known) and value == known for known in choices):
        raise error(f"{name}: expected {' or '.join(map(repr, choices))}, got {shown(value)}.")
    return value


def flag(name: str, value: Any) -> bool:
    """Return `value`, which must be True or False.

    Raises:
        TypeError: anything else.
    """
    return choice(name, value, (True, False), TypeError)


def strings(name: str, values: Any, count: int | None = None, of: str = "") -> list[str]:
    """Return `values`, an iterable of strings, as a list.

    Args:
        name: what the argument is called.
        values: what was passed.
        count: int, how many there must be. Defaults to None, any number.
        of: what there are `count` of, for the message.

    Raises:
        TypeError: a single string, nothing that holds several, or something else in it.
        ValueError: another number of them.

    Example:
        >>> strings("tokens", ("the", "cat"))
        ['the', 'cat']
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of strings, got {shown(values)}.")
    values = list(values)
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a list of strings, got {shown(value)} in it.")
    if count is not None and len(values) != count:
        raise ValueError(f"{name}: expected {count} strings, one for each {of}, got {len(values)}.")
    return [str(value) for value in values]  # NumPy's own strings too


def instance(name: str, value: Any, kind: type, hint: str = "") -> Any:
    """Return `value`, which must be a `kind`.

    Args:
        hint: where one comes from, for the message.

    Raises:
        TypeError: another type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected a {kind.__name__}{hint and ', ' + hint}, got {shown(value)}.")
    return value


def new_file(path: str | os.PathLike[str], suffixes: Sequence[str]) -> Path:
    """Return `path`, where a file is to be written, as a Path.

    Raises:
        ValueError: a suffix that is not among `suffixes`. FileNotFoundError: the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"path: expected an ending in {', '.join(suffixes)}, got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: there is no folder {str(path.parent)!r} to save {path.name!r} in.")
    return path


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
        raise ValueError(f"{name}: expected arrays of one shape, got others: {error}") from None
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise TypeError(f"{name}: expected numbers, got {type(values).__name__}: {error}") from None


def numbers(name: str, values: Any, letters: str, dtype: DTypeLike = np.float64, **sizes: int) -> np.ndarray:
    """Return `values` as an array of `dtype`, finite and not empty, with an axis for each of `letters`.

    A letter that stands twice is a size that is the same twice; a digit is that size, and so is a letter in `sizes`.

    Raises:
        TypeError: not numbers. ValueError: another shape, or NaN or infinity.

    Example:
        >>> numbers("attention", [[1, 0], [0.5, 0.5]], "TT").shape
        (2, 2)
    """
    array = to_numpy(name, values, dtype)
    known = dict(zip(letters, array.shape, strict=False)) | sizes
    expected = tuple(int(letter) if letter.isdigit() else known.get(letter) for letter in letters)
    if not array.size or array.shape != expected:
        where = f" with {', '.join(f'{letter} = {size}' for letter, size in sizes.items())}" if sizes else ""
        raise ValueError(f"{name}: expected shape [{', '.join(letters)}]{where}, got {list(array.shape)}.")
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
