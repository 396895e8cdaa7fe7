"""The path at which Keras stores each weight of a model: the attributes that lead to it, not its name.

    transformer_layers/transformer_encoder_1/attention/query_dense/vars/0

Attributes are visited in alphabetical order, and a layer is stored where it occurs first. In a list, a layer's name is
its class and a number. Keras 3.10 and 3.15 agree. Chapter: notebooks/11_checkpoints.ipynb.
"""

import re
from typing import Any

import keras


def stored_paths(layer: keras.layers.Layer, prefix: str = "", visited: set[int] | None = None) -> dict[str, Any]:
    """Return the paths of the weights of a layer and of all layers in it: dict, path in the file -> variable."""
    visited = set() if visited is None else visited
    if id(layer) in visited:
        return {}
    visited.add(id(layer))
    children = list(_children(layer, prefix))
    inner = {id(weight) for _, child in children for weight in child.weights}
    own = [weight for weight in layer.weights if id(weight) not in inner]
    paths = {f"{prefix}/vars/{i}".removeprefix("/"): weight for i, weight in enumerate(own)}
    for path, child in children:
        paths |= stored_paths(child, path, visited)
    return paths


def _children(layer, prefix):
    """Yield (path, layer) of every layer in an attribute of `layer`."""
    for name in sorted(name for name in set(dir(layer)) - BASE if not name.startswith("_")):
        value, path = getattr(layer, name, None), f"{prefix}/{name}".removeprefix("/")
        if isinstance(value, keras.layers.Layer):
            yield path, value
        elif isinstance(value, dict | list | tuple):
            count = {}
            for item in value.values() if isinstance(value, dict) else value:
                if isinstance(item, keras.layers.Layer):
                    name = snake_case(type(item).__name__)
                    number = count[name] = count.get(name, -1) + 1
                    yield f"{path}/{name}" + (f"_{number}" if number else ""), item


BASE = set(dir(keras.Model))  # attributes of every model, through which no further weights are reached


def snake_case(name: str) -> str:
    """Return the name of a class as Keras spells it in paths.

    Example:
        >>> snake_case("TransformerEncoder"), snake_case("MaskedLM")
        ('transformer_encoder', 'masked_lm')
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
