"""Fields of a configuration, checked one by one: names, types and ranges, before anything is made of them.

A table says for every field that the writers of a format are known to write how it is treated:

    whole(1, 100), number(0, 1), FLAG, TEXT, ...   follow it: the value is checked and returned
    only("absolute")                               refuse any other value, which we would not follow
    IGNORED                                        nothing that it can say changes the numbers
    **for_all("one another", FLAG)                 several fields with the same rule

Chapter: notebooks/10_checkpoints.ipynb.
"""

import reprlib
import warnings
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from bertedu.terminal import escape


class Rule(NamedTuple):
    """How a field is treated.

    Args:
        expected: description of the values that are accepted, for messages.
        accepts: function of its value.
        followed: whether the value is returned by `read_fields`.
    """

    expected: str
    accepts: Callable[[Any], bool]
    followed: bool = True


def whole(low: int, high: int) -> Rule:
    """Follow a whole number from `low` to `high`."""
    return Rule(f"a whole number from {low:,} to {high:,}", lambda value: type(value) is int and low <= value <= high)


def number(low: float, high: float) -> Rule:
    """Follow a finite number from `low` to `high`."""
    return Rule(f"a number from {low:g} to {high:g}", lambda v: type(v) in (int, float) and low <= v <= high)


def text(longest: int = 1000) -> Rule:
    """Follow a string of at most `longest` characters."""
    return Rule(f"a string of at most {longest:,} characters", lambda v: isinstance(v, str) and len(v) <= longest)


def one_of(names: Collection[str]) -> Rule:
    """Follow one of the strings `names`."""
    return Rule(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def optional(rule: Rule) -> Rule:
    """Follow null as well as what `rule` follows."""
    return Rule(f"null or {rule.expected}", lambda value: value is None or rule.accepts(value), rule.followed)


def only(*values: Any) -> Rule:
    """Refuse everything but `values`, which say what we do anyway."""
    return Rule(
        f"{' or '.join(map(repr, values))}, as nothing else is supported",
        lambda value: any(type(value) is type(known) and value == known for known in values),
        followed=False,
    )


def for_all(names: str, rule: Any) -> dict[str, Any]:
    """Return a table in which all of `names`, a string, separated by blanks, have the same rule."""
    return dict.fromkeys(names.split(), rule)


FLAG = Rule("true or false", lambda value: type(value) is bool)
ANYTHING = Rule("anything", lambda value: True)
IGNORED = Rule("anything", lambda value: True, followed=False)


def read_fields(
    config: Any, table: dict[str, Rule], source: object, required: Collection[str] = (), unknown: str = "refuse"
) -> dict[str, Any]:
    """Return the followed fields of a configuration, checked.

    Args:
        config: content of a file, which has to be a dict.
        table: dict, field -> `Rule`.
        source: the file, for messages.
        required: names of fields that must be there.
        unknown: treatment of fields that are not in `table`: "refuse", "warn" (one warning lists them), or "ignore".

    Returns:
        dict, the fields that are there and followed.

    Raises:
        ValueError: no dict, a field missing, unknown, of another type or out of its range; names file and field.
    """
    if not isinstance(config, dict):
        raise ValueError(f"{source}: expected an object with fields, got {shown(config)}.")
    missing = [field for field in required if field not in config]
    if missing:
        raise ValueError(f"{source} has no field {missing[0]!r}, which every such file has: download it again.")
    surplus = [shown(field) for field in config if field not in table]
    if surplus and unknown == "refuse":
        raise ValueError(f"{source}: the field {surplus[0]} is unknown here, so that it cannot be followed.")
    if surplus and unknown == "warn":
        names = ", ".join(surplus[:20])
        warnings.warn(f"{source} has fields that are unknown here and not followed: {names}.", stacklevel=2)
    known = {field: value for field, value in config.items() if field in table}
    for field, value in known.items():
        if not table[field].accepts(value):
            raise ValueError(f"{source}: {field} must be {table[field].expected}; got {shown(value)}.")
    return {field: value for field, value in known.items() if table[field].followed}


def shown(value: object) -> str:
    """Return a value from a file as a message may show it: short, and with nothing in it that steers a terminal."""
    return escape(reprlib.repr(value))
