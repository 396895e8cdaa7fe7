"""Checks of arguments: each function returns the value, or raises an error that names the argument.

All messages are of the form `<argument>: expected <rule>, got <value>.` Arrays may be lists, or arrays and tensors of
NumPy, TensorFlow, JAX or torch. They are returned as NumPy arrays.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from bertedu.fields import shown


def whole_number(name: str, value: Any, low: int = 1, high: int | None = None, hint: str = "") -> int:
    """Return `value` as an int.

    Args:
        name: str, name of the argument.
        value: value to check.
        low, high: int, smallest and largest allowed value. `high` defaults to None, no limit.
        hint: str, a sentence to append to the message.

    Raises:
        ValueError: `value` is not a whole number, or out of range.

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
    """Return `value` as a float. Raises a ValueError if it is not a number from `low` to `high`."""
    if not isinstance(value, int | float | np.floating | np.integer) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {shown(value)}.")
    return float(value)


def position(name: str, value: Any, count: int) -> int:
    """Return `value` as an int. Raises a ValueError if it is not an index from 0 to `count` - 1."""
    return whole_number(name, value, 0, count - 1)


def positions(name: str, values: Iterable[Any] | None, count: int) -> list[int]:
    """Return the indices `values` sorted and without duplicates. None stands for all, 0 to `count` - 1.

    Raises:
        ValueError: `values` is empty, or a value is out of range.
    """
    chosen = {position(name, value, count) for value in (range(count) if values is None else values)}
    if not chosen:
        raise ValueError(f"{name}: expected at least one whole number from 0 to {count - 1}, got none.")
    return sorted(chosen)


def indices_by_layer(name: str, values: Any, counts: Sequence[int]) -> dict[int, list[int]]:
    """Return the indices to remove from each layer, sorted, without layers that lose none.

    Args:
        name: str, name of the argument.
        values: dict, layer -> list of indices; None for none. As in JSON, a layer may be a string.
        counts: list of L ints, the number of indices in each layer, one of which has to remain.

    Raises:
        ValueError: an unknown layer or index, an index twice, or a layer would have none left.

    Example:
        >>> indices_by_layer("pruned_heads", {"1": [3, 0]}, [4, 4])
        {1: [0, 3]}
    """
    if values is not None and not isinstance(values, Mapping):
        raise ValueError(f"{name}: expected a dict, layer -> list of indices, got {shown(values)}.")
    by_layer: dict[int, list[int]] = {}
    for key, indices in (values or {}).items():
        number = isinstance(key, str) and key.isdecimal() and len(key) < 10
        layer = position(name, int(key) if number else key, len(counts))
        where, count = f"{name}[{layer}]", counts[layer]
        if isinstance(indices, str | Mapping) or not isinstance(indices, Iterable):
            raise ValueError(f"{where}: expected a list of indices, got {shown(indices)}.")
        indices = sorted(position(where, index, count) for index in indices)
        if len(set(indices)) < len(indices) or layer in by_layer:
            raise ValueError(f"{name}: expected each layer and each index once, got one of layer {layer} twice.")
        if len(indices) == count:
            raise ValueError(f"{where}: expected at least one of {count} to remain, got all of them. Remove fewer.")
        by_layer[layer] = indices
    return {layer: by_layer[layer] for layer in sorted(by_layer) if by_layer[layer]}


def choice(name: str, value: Any, choices: Iterable[Any], error: type[Exception] = ValueError) -> Any:
    """Return `value`, which must equal one of `choices` and have the same type.

    Raises:
        ValueError, or `error`: `value` is not one of `choices`.

    Example:
        >>> choice("output", "logits", ("logits", "predictions"))
        'logits'
    """
    choices = list(choices)
    if not any(type(value) is type(item) and value == item for item in choices):
        raise error(f"{name}: expected {' or '.join(map(repr, choices))}, got {shown(value)}.")
    return value


def flag(name: str, value: Any) -> bool:
    """Return `value`, which must be True or False.

    Raises:
        TypeError: `value` is not a bool.
    """
    return choice(name, value, (True, False), TypeError)


def strings(name: str, values: Any, count: int | None = None, of: str = "") -> list[str]:
    """Return `values`, an iterable of strings, as a list.

    Args:
        name: str, name of the argument.
        values: iterable to check.
        count: int, expected number of strings. Defaults to None, any number.
        of: str, the thing that each string belongs to, such as "row of attention", for the message.

    Raises:
        TypeError: `values` is a single string, not an iterable, or contains something other than strings.
        ValueError: there are more or fewer than `count` strings.

    Example:
        >>> strings("tokens", ("the", "cat"))
        ['the', 'cat']
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name}: expected a list of strings, got {shown(values)}.")
    values = list(values)
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a list of strings, got one that contains {shown(value)}.")
    if count is not None and len(values) != count:
        raise ValueError(f"{name}: expected {count} strings, one for each {of}, got {len(values)}.")
    return [str(value) for value in values]  # converts NumPy's strings


def instance(name: str, value: Any, kind: type, hint: str = "") -> Any:
    """Return `value`, which must be an instance of `kind`.

    Args:
        hint: str, how to get an instance, for the message.

    Raises:
        TypeError: `value` has the wrong type.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected a {kind.__name__}{hint and ', ' + hint}, got {shown(value)}.")
    return value


def imported(package: str, hint: str = "") -> ModuleType:
    """Import a package of the course extra by name and return it. The core works without that extra.

    Args:
        hint: str, a sentence to append to the message.

    Raises:
        ImportError: it cannot be imported.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        advice = f'In a checkout, run: pip install -e ".[course]".{hint and " " + hint}'
        raise ImportError(f"{package}: cannot be imported ({error}). {advice}", name=package) from error


def new_file(path: str | os.PathLike[str], suffixes: Sequence[str]) -> Path:
    """Return the path of a file to write as a `Path`.

    Raises:
        ValueError: the suffix is not one of `suffixes`.
        FileNotFoundError: the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"path: expected a file name that ends in {', '.join(suffixes)}, got {str(path)!r}.")
    if not path.parent.is_dir():
        got = f"got {str(path)!r}. Create {str(path.parent)!r} first"
        raise FileNotFoundError(f"path: expected a file in an existing folder, {got}.")
    return path


def to_numpy(name: str, values: Any, dtype: DTypeLike = np.float64) -> np.ndarray:
    """Return `values` as a NumPy array of `dtype`, without a copy if they are one.

    Args:
        name: str, name of the argument.
        values: array or tensor, or list of numbers or of arrays of the same shape.

    Raises:
        TypeError: `values` are not numbers.
        ValueError: the arrays do not all have the same shape.
    """
    try:
        if isinstance(values, list | tuple) and values and hasattr(values[0], "shape"):
            return np.stack([to_numpy(name, value, dtype) for value in values])
        if hasattr(values, "detach"):  # torch
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values  # NumPy has no bfloat16
        array = np.asarray(values)
        if array.dtype.kind in "OSUcMm":
            raise TypeError(f"the dtype is {array.dtype}")
        with np.errstate(over="ignore"):  # overflow becomes infinity, which `check_finite` refuses
            return np.asarray(array, dtype)
    except ValueError as error:
        raise ValueError(f"{name}: expected arrays of the same shape, got several shapes ({error}).") from None
    except (TypeError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise TypeError(f"{name}: expected numbers, got {type(values).__name__} ({error}).") from None


def numbers(name: str, values: Any, letters: str, dtype: DTypeLike = np.float64, **sizes: int) -> np.ndarray:
    """Return `values` as a finite, non-empty array of `dtype` with the axes `letters`.

    Axes with the same letter must have the same size. A digit is a fixed size, and so is a letter in `sizes`.

    Raises:
        TypeError: `values` are not numbers.
        ValueError: the shape is wrong, or a value is NaN or infinite.

    Example:
        >>> numbers("attention", [[1, 0], [0.5, 0.5]], "TT").shape
        (2, 2)
    """
    array = to_numpy(name, values, dtype)
    axis_sizes = dict(zip(letters, array.shape, strict=False)) | sizes
    expected = tuple(int(letter) if letter.isdigit() else axis_sizes.get(letter) for letter in letters)
    if not array.size or array.shape != expected:
        where = f" with {', '.join(f'{letter} = {size}' for letter, size in sizes.items())}" if sizes else ""
        raise ValueError(f"{name}: expected shape [{', '.join(letters)}]{where}, got {list(array.shape)}.")
    return check_finite(name, array)


def check_finite(name: str, array: np.ndarray) -> np.ndarray:
    """Return `array`. Raises a ValueError with the index of the first NaN or infinity in it."""
    for index, values in enumerate(array):  # layer by layer, because the whole may need half a gigabyte
        finite = np.isfinite(values)
        if not finite.all():
            first = [index, *(np.argwhere(~finite)[0] if finite.ndim else ())]
            raise ValueError(f"{name}: expected finite numbers, got NaN or infinity at [{', '.join(map(str, first))}].")
    return array
