"""Check the fields of a configuration: names, types and ranges.

A table has a rule for every field that the writers of a format are known to write:

    whole(1, 100), number(0, 1), FLAG, text(), ... check and return the value
    only("absolute")                               refuse any other value, because it is not supported
    IGNORED                                        accept any value, because it does not change the numbers
    **for_all("one another", FLAG)                 several fields with the same rule

Chapter: notebooks/11_checkpoints.ipynb.
"""

import reprlib
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from bertedu.terminal import escape, warn


class Rule(NamedTuple):
    """The rule for a field.

    Args:
        expected: string, description of the accepted values, for messages.
        accepts: function of a value that returns whether it is accepted.
        followed: bool, whether `read_fields` returns the value. Defaults to True.
    """

    expected: str
    accepts: Callable[[Any], bool]
    followed: bool = True


def whole(low: int, high: int) -> Rule:
    """Accept a whole number from `low` to `high`."""
    return Rule(f"a whole number from {low:,} to {high:,}", lambda value: type(value) is int and low <= value <= high)


def number(low: float, high: float) -> Rule:
    """Accept a finite number from `low` to `high`."""
    return Rule(f"a number from {low:g} to {high:g}", lambda v: type(v) in (int, float) and low <= v <= high)


def text(longest: int = 1000) -> Rule:
    """Accept a string of at most `longest` characters."""
    return Rule(f"a string of at most {longest:,} characters", lambda v: isinstance(v, str) and len(v) <= longest)


def one_of(names: Collection[str]) -> Rule:
    """Accept one of the strings `names`."""
    return Rule(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names)


def optional(rule: Rule) -> Rule:
    """Accept null and the values that `rule` accepts."""
    return Rule(f"null or {rule.expected}", lambda value: value is None or rule.accepts(value), rule.followed)


def only(*values: Any) -> Rule:
    """Accept only `values`, the supported ones, and do not return them."""
    return Rule(
        f"{' or '.join(map(repr, values))} and nothing else",
        lambda value: any(type(value) is type(known) and value == known for known in values),
        followed=False,
    )


def for_all(names: str, rule: Any) -> dict[str, Any]:
    """Return a table with the same rule for all `names`, a string separated by spaces."""
    return dict.fromkeys(names.split(), rule)


FLAG = Rule("true or false", lambda value: type(value) is bool)
ANYTHING = Rule("anything", lambda value: True)
IGNORED = Rule("anything", lambda value: True, followed=False)


def read_fields(
    config: Any, table: dict[str, Rule], source: object, required: Collection[str] = (), unknown: str = "refuse"
) -> dict[str, Any]:
    """Check a configuration and return the fields that matter.

    Args:
        config: dict, the content of a file.
        table: dict, field -> `Rule`.
        source: the file, for messages.
        required: names of required fields. Defaults to none.
        unknown: what to do with fields that are not in `table`: "refuse", "warn" (one warning lists them) or "ignore".
            Defaults to "refuse".

    Returns:
        dict, the fields whose rule is `followed`.

    Raises:
        ValueError: `config` is not a dict, or a field is missing, unknown, of the wrong type or out of range.
    """
    if not isinstance(config, dict):
        raise ValueError(f"{source}: expected an object with fields, got {shown(config)}.")
    missing = [field for field in required if field not in config]
    if missing:
        raise ValueError(f"{source}: expected the field {missing[0]!r}, got none. Download it again.")
    extra = [shown(field) for field in config if field not in table]
    if extra and unknown == "refuse":
        raise ValueError(f"{source}: expected only known fields, got {extra[0]}. Upgrade bertedu, or correct the file.")
    if extra and unknown == "warn":
        names = ", ".join(extra[:20])
        warn(f"{source}: unknown fields are ignored: {names}.")
    known = {field: value for field, value in config.items() if field in table}
    for field, value in known.items():
        if not table[field].accepts(value):
            raise ValueError(f"{source}: {field}: expected {table[field].expected}, got {shown(value)}.")
    return {field: value for field, value in known.items() if table[field].followed}


def shown(value: object) -> str:
    """Return a value from a file for a message: shortened, with control characters escaped."""
    return escape(reprlib.repr(value))
