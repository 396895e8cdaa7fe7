"""Other names of public things: other libraries' spellings of an argument, and the names of version 0.1.

Names of 0.1 work until 0.3, with a `DeprecationWarning` that gives the new one. CHANGELOG.md lists them.
"""

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import Any

HOW_LONG = "and will be removed in version 0.3"


def renamed(module: str, names: dict[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for `module` that knows its old names.

    Args:
        module: `__name__` of the module.
        names: dict, old name -> new name in the same module.
    """

    def get_attribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new = f"{module}.{names[name]}"
        warnings.warn(f"{module}.{name} is now {new} {HOW_LONG}.", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(module), names[name])

    return get_attribute


def renamed_attribute(old: str, new: str) -> Any:
    """Return a property that reads the attribute `new` and warns that it was called `old`."""

    def read(self: Any) -> Any:
        warnings.warn(f"{type(self).__name__}.{old} is now {new} {HOW_LONG}.", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(read, doc=f"The name of `{new}` in version 0.1.")


def also_spelled(spellings: dict[str, str], ignored: Iterable[str] = (), deprecated: bool = False) -> Callable:
    """Let a function accept other spellings of its keyword arguments.

    Args:
        spellings: dict, other spelling -> the argument's name.
        ignored: names of keyword arguments that are accepted and have no effect.
        deprecated: whether the other spellings are those of version 0.1, so that their use warns.

    Returns:
        a decorator; the function then raises ValueError if an argument is passed in both spellings.

    Example:
        >>> class Box:
        ...     @also_spelled({"breadth": "width"}, ignored=["colour"])
        ...     def __init__(self, width=1):
        ...         self.width = width
        >>> Box(breadth=2, colour="red").width
        2
    """

    def decorate(function: Callable) -> Callable:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def with_spellings(*args: Any, **kwargs: Any) -> Any:
            others = {name: kwargs.pop(name) for name in spellings.keys() & kwargs.keys()}
            kwargs = {name: value for name, value in kwargs.items() if name not in ignored}
            passed = signature.bind_partial(*args, **kwargs).arguments
            for other, value in others.items():
                name = spellings[other]
                if name in passed:
                    raise ValueError(f"{other} is another spelling of {name}: pass one of them, got both.")
                if deprecated:
                    message = f"{function.__qualname__}: {other}= is now {name}= {HOW_LONG}."
                    warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[name] = value
            return function(*args, **kwargs)

        with_spellings.__signature__ = signature  # type: ignore[attr-defined]  # Keras reads it; it follows no wrapper

        return with_spellings

    return decorate
