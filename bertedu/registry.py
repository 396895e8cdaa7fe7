"""The registry: classes and functions of your own that a configuration file may name.

No other names are ever looked up. Register an attention or feed-forward class, a pooling function or an activation with

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
    """Register a class or function as "package>Name", here and for serialization with Keras.

    Args:
        package: str, prefix of the name. An object that is already registered with Keras keeps its name.

    Returns:
        A decorator, which returns the object unchanged.

    Example:
        >>> @register("mine")
        ... def cube(x):
        ...     return x**3
        >>> registered("mine>cube") is cube, name_of(cube)
        (True, 'mine>cube')
    """

    def decorate(item: Item) -> Item:
        name = keras.saving.get_registered_name(item)
        if ">" not in name:  # not registered with Keras yet
            keras.saving.register_keras_serializable(package)(item)
            name = keras.saving.get_registered_name(item)
        REGISTERED[name] = item
        return item

    return decorate


def registered(name: Any) -> Any:
    """Return the class or function registered as `name`, or None."""
    return REGISTERED.get(name) if isinstance(name, str) else None


def name_of(item: Any) -> str | None:
    """Return the registered name of a class or function, or None."""
    return next((name for name, other in REGISTERED.items() if other is item), None)
