"""Registered classes and functions: what a configuration from a file may name besides the parts of this package.

Only names that stand here are ever looked up. Your own attention or feed-forward class, pooling function or activation
stands here once it is registered:

    @be.register("mine")
    class MyAttention(be.MultiHeadAttention): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import keras

Item = TypeVar("Item")
REGISTERED: dict[str, Any] = {}
"""Registered name ("package>Name") -> the class or function."""


def register(package: str = "custom") -> Callable[[Item], Item]:
    """Register a class or function under "package>Name", with us and with Keras' serialisation.

    Args:
        package: str, put before the name. A class that Keras knows already keeps the name that it has there.

    Returns:
        a decorator, which returns what it decorates.

    Example:
        >>> @register("mine")
        ... def cube(x):
        ...     return x**3
        >>> registered("mine>cube") is cube, name_of(cube)
        (True, 'mine>cube')
    """

    def decorate(item: Item) -> Item:
        name = keras.saving.get_registered_name(item)
        if ">" not in name:  # Keras' answer for what it does not know
            keras.saving.register_keras_serializable(package)(item)
            name = keras.saving.get_registered_name(item)
        REGISTERED[name] = item
        return item

    return decorate


def registered(name: Any) -> Any:
    """Return the class or function that is registered under `name`, or None."""
    return REGISTERED.get(name) if isinstance(name, str) else None


def name_of(item: Any) -> str | None:
    """Return the name under which a class or function is registered, or None."""
    return next((name for name, known in REGISTERED.items() if known is item), None)
