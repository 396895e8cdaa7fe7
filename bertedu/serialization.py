"""`get_config` and `from_config` of layers, derived from the signatures of their constructors.

An argument `x` is stored as `self.x` and in the configuration under "x". Layers, initializers and classes are
serialized as in Keras. Chapter: notebooks/11_checkpoints.ipynb.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import keras

NEWER_FIELDS = ("input_axes", "output_axes", "quantization_config")
"""Fields that Keras writes since a version after 3.10, our lower bound. Null values have no effect."""


def portable(config: Any) -> Any:
    """Return a serialized configuration without `NEWER_FIELDS` that are null.

    Example:
        >>> portable({"class_name": "GlorotUniform", "config": {"seed": 1, "input_axes": None}})
        {'class_name': 'GlorotUniform', 'config': {'seed': 1}}
    """
    if isinstance(config, list | tuple):
        return [portable(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {name: portable(value) for name, value in config.items() if name not in NEWER_FIELDS or value is not None}


def serialize(item: Any) -> Any:
    """Serialize an object with Keras, in a form that Keras 3.10 can read too. Plain values are returned as they are."""
    return portable(keras.saving.serialize_keras_object(item))


def deserialize(record: Any) -> Any:
    """Return the object that Keras serialized, also with a newer version."""
    return keras.saving.deserialize_keras_object(portable(record))


class ConfigFromSignature:
    """Mixin for layers and models that derives `get_config` and `from_config` from the constructor's signature.

    It comes before the Keras class. Every argument must be stored in the attribute of its name, or in the one that
    `STORED_AS` maps it to. This holds for the arguments that a subclass adds, too.

    Example:
        >>> class Scale(ConfigFromSignature, keras.layers.Layer):
        ...     def __init__(self, factor, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.factor = factor
        >>> Scale.from_config(Scale(3).get_config()).factor
        3
    """

    STORED_AS: ClassVar[Mapping[str, str]] = {}

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor in a form that JSON can hold."""
        # The dtype policy and `trainable` of a model are those of its layers.
        config = {"name": self.name} if isinstance(self, keras.Model) else super().get_config()  # type: ignore[misc]
        for name in constructor_arguments(type(self)):
            attribute = self.STORED_AS.get(name, name)
            if hasattr(self, attribute):
                config[name] = to_config(name, getattr(self, attribute))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the layer of a `get_config` dict, with new weights."""
        return cls(**{name: from_config(name, value) for name, value in config.items()})


def constructor_arguments(cls: type) -> list[str]:
    """Return the names of the constructor's arguments, with those that it passes to base classes."""
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, ConfigFromSignature) and "__init__" in vars(base):
            _, *parameters = inspect.signature(base.__init__).parameters.values()
            named = (p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
            names |= dict.fromkeys(named)
    return list(names)


def to_config(name: str, value: Any) -> Any:
    """Return the value of the argument `name` for a configuration. A dropout layer becomes its rate."""
    if name.endswith("activation"):
        return keras.activations.serialize(value)
    if isinstance(value, keras.layers.Dropout):
        return value.rate
    if isinstance(value, type):
        return keras.saving.get_registered_name(value)
    if isinstance(value, list | tuple):
        return [to_config(name, item) for item in value]
    return serialize(value)


def from_config(name: str, value: Any) -> Any:
    """Return the value of the argument `name` from a configuration, the reverse of `to_config`.

    Raises:
        ValueError: the value is the name of a class that is not registered.
    """
    if name.endswith("_cls") and isinstance(value, str):
        registered = keras.saving.get_registered_object(value)
        if registered is None:
            raise ValueError(f"{name}: expected a registered class, got {value!r}. Import its module first.")
        return registered
    if isinstance(value, list):
        return [from_config(name, item) for item in value]
    return deserialize(value) if isinstance(value, dict) and "class_name" in value else value
