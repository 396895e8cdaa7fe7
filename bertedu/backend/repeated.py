"""Layers of the same structure in a graph of TensorFlow: traced once, and called with the weights of each.

Tracing takes longer than anything else in the first `Bert.read`. TensorFlow inlines the calls, so that the graph that
runs is that of separate layers, bit for bit.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import keras

PLAIN = (type(None), bool, int, float, str, list, tuple, type, types.FunctionType)
IGNORED = (keras.Variable, keras.initializers.Initializer, keras.random.SeedGenerator)

_functions: ContextVar[dict | None] = ContextVar("functions of the graph that is traced, by structure", default=None)


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Inside the block, `shared` layers of the same structure are traced once."""
    token = _functions.set({})
    try:
        yield
    finally:
        _functions.reset(token)


def shared(layers: Sequence[keras.layers.Layer]) -> Sequence[Callable]:
    """Return functions that call each of some `TransformerEncoder` layers; outside `sharing` the layers themselves."""
    functions = _functions.get()
    return layers if functions is None else [functools.partial(_call, functions, layer) for layer in layers]


def _call(functions, layer, x, padding_mask, head_mask=None, **options):
    parts = structure(layer)
    if parts is None or head_mask is not None:
        return layer(x, padding_mask=padding_mask, head_mask=head_mask, **options)
    key = parts, *sorted(options.items())
    if key not in functions:
        functions[key] = _function(layer, options)
    return functions[key]([variable.value for variable in layer.variables], x, padding_mask)


def _function(layer, options):
    import tensorflow as tf

    @tf.function(autograph=False)
    def function(values, x, mask):
        with keras.StatelessScope(zip(layer.variables, values, strict=True)):
            return layer(x, padding_mask=mask, **options)

    return function


def structure(layer: keras.layers.Layer) -> tuple | None:
    """Return all that a layer's output depends on besides the values of its weights; None if that is unknown.

    It is known for the classes of Keras and of this package: their public attributes, unless one is of a type that is
    not expected there, the shapes of their weights, and their sublayers.
    """
    known = type(layer).__module__.partition(".")[0] in ("keras", "bertedu")
    if not known or layer.compute_dtype != layer.variable_dtype:  # mixed precision: Keras casts the weights on use
        return None
    parts: list = [type(layer), *((tuple(variable.shape), variable.dtype) for variable in layer.variables)]
    for name, value in sorted(vars(layer).items()):
        if isinstance(value, keras.layers.Layer):
            parts.append((name, structure(value)))
            if parts[-1][1] is None:
                return None
        elif name.startswith("_") or name in ("name", "build", "quantize") or isinstance(value, IGNORED):
            continue
        elif not isinstance(value, PLAIN):
            return None
        else:
            parts.append((name, value if callable(value) else repr(value)))
    return tuple(parts)
