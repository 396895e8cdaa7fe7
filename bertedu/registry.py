"""Registered classes and functions: what a model's configuration may name besides the parts that this module lists.

A configuration that comes from a file names its parts; only names that stand here are ever looked up. Your own
attention or feed-forward class, or activation function, stands here once it is registered:

    @be.register("mine")
    class MyAttention(be.MultiHeadAttention): ...
"""

import keras

REGISTERED = {}
"""Registered name ("package>Name") -> the class or function."""


def register(package="custom"):
    """Register a class or function under "package>Name", with us and with Keras' serialisation.

    Args:
        package: str, put before the name. A class that Keras knows already keeps the name that it has there.

    Returns:
        a decorator, which returns what it decorates.

    Example:
        >>> @register("mine")
        ... def cube(x):
        ...     return x**3
        >>> registered("mine>cube") is cube
        True
    """

    def decorate(item):
        name = keras.saving.get_registered_name(item)
        if name == item.__name__:  # Keras' answer for what it does not know
            keras.saving.register_keras_serializable(package)(item)
            name = keras.saving.get_registered_name(item)
        REGISTERED[name] = item
        return item

    return decorate


def registered(name):
    """Return the class or function that is registered under `name`, or None."""
    return REGISTERED.get(name)
