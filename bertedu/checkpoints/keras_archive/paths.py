"""Where Keras stores each weight of a model: by the attributes that lead to it, and not by its name.

    transformer_layers/transformer_encoder_1/attention/query_dense/vars/0

Attributes are visited in alphabetical order, a layer at its first place only; in a list, a layer goes by its class and
how many of that class stood before it. Keras 3.10 and 3.15 agree. Chapter: notebooks/10_checkpoints.ipynb.
"""

import re
from typing import Any

import keras


def stored_paths(layer: keras.layers.Layer, prefix: str = "", visited: set[int] | None = None) -> dict[str, Any]:
    """Return where Keras stores the weights of a layer and of all layers in it: dict, path in the file -> variable."""
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
    """Yield path and layer of every layer that an attribute of `layer` leads to."""
    for name in sorted(name for name in set(dir(layer)) - BASE if not name.startswith("_")):
        value, path = getattr(layer, name, None), f"{prefix}/{name}".removeprefix("/")
        if isinstance(value, keras.layers.Layer):
            yield path, value
        elif isinstance(value, dict | list | tuple):
            count = {}
            for item in value.values() if isinstance(value, dict) else value:
                if isinstance(item, keras.layers.Layer):
                    kind = snake_case(type(item).__name__)
                    number = count[kind] = count.get(kind, -1) + 1
                    yield f"{path}/{kind}" + (f"_{number}" if number else ""), item


BASE = set(dir(keras.Model))  # what every model has leads to no weight that the rest does not lead to


def snake_case(name: str) -> str:
    """Return the name of a class as Keras spells it in paths.

    Example:
        >>> snake_case("TransformerEncoder"), snake_case("MaskedLM")
        ('transformer_encoder', 'masked_lm')
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
