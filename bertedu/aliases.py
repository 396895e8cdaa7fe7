"""Aliases: names of other libraries for an argument, and deprecated names of version 0.1.

Deprecated names work until 0.3 with a `DeprecationWarning`. CHANGELOG.md lists them.
"""

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

REMOVAL = "is deprecated and will be removed in version 0.3"
Function = TypeVar("Function", bound=Callable)


def renamed(module: str, names: dict[str, str]) -> Callable[[str], Any]:
    """Return a module-level `__getattr__` for deprecated names.

    Args:
        module: str, `__name__` of the module.
        names: dict, deprecated name -> new name in the same module.
    """

    def get_attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new = f"{module}.{names[name]}"
        warnings.warn(f"{module}.{name} {REMOVAL}. Use {new}.", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(module), names[name])

    return get_attribute


def renamed_attribute(old: str, new: str) -> Any:
    """Return a property for the deprecated name `old` of the attribute `new`."""

    def read(self: Any) -> Any:
        warnings.warn(f"{type(self).__name__}.{old} {REMOVAL}. Use {new}.", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(read, doc=f"The name of `{new}` in version 0.1.")


def also_spelled(
    spellings: dict[str, str], ignored: Iterable[str] = (), deprecated: bool = False
) -> Callable[[Function], Function]:
    """Let a function accept other names of its keyword arguments.

    Args:
        spellings: dict, other name -> name of the argument.
        ignored: names of keyword arguments that are accepted without effect.
        deprecated: bool, warn that the other names are deprecated.

    Returns:
        A decorator. The function raises a ValueError if an argument is passed under both names.

    Example:
        >>> class Box:
        ...     @also_spelled({"breadth": "width"}, ignored=["color"])
        ...     def __init__(self, width=1):
        ...         self.width = width
        >>> Box(breadth=2, color="red").width
        2
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_spellings(*args: Any, **kwargs: Any) -> Any:
            others = {name: kwargs.pop(name) for name in spellings.keys() & kwargs.keys()}
            kwargs = {name: value for name, value in kwargs.items() if name not in ignored}
            if not others:
                return function(*args, **kwargs)
            passed = signature.bind_partial(*args, **kwargs).arguments
            for other, value in others.items():
                name = spellings[other]
                if name in passed:
                    raise ValueError(
                        f"{name}: expected one value, got both {name} and its alias {other}. Pass one of them."
                    )
                if deprecated:
                    message = f"{function.__qualname__}: the argument {other} {REMOVAL}. Use {name}."
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[name] = value
            return function(*args, **kwargs)

        with_spellings.__signature__ = signature  # type: ignore[attr-defined]  # Keras does not unwrap functions

        return cast(Function, with_spellings)

    return decorate
