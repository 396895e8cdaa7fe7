"""Checks of arguments, once for the package: each returns the value, or raises an error that names the argument.

The message is always `<argument>: expected <rule>, got <value>.`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

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
