"""Gradients of a function of one tensor, on each backend: tf.GradientTape, jax.vjp, torch.autograd.

They run operation by operation: a metric is a new function at every call, which would have to be compiled again. JAX
compiles each operation at the first use of a shape, so there the first text of each length takes ten times as long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from bertedu.backend import devices


def value_and_gradient(function: Callable[[Any], Any], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of a function and their gradient.

    Args:
        function: function of a tensor `[B, ...]` that returns `[B]`, written in `keras.ops`. Row b of the result must
            depend on row b of the argument only.
        x: float32 array `[B, ...]`.

    Returns:
        values: `[B]` float32.
        gradient: `[B, ...]` float32, of each value by its own row of `x`.

    Raises:
        ValueError: the function returns another shape, or its result does not depend on `x`.
    """

    def checked(tensor):
        values = function(tensor)
        shape = tuple(getattr(values, "shape", ()))
        if shape != x.shape[:1]:
            expected = f"a function that returns one number per text, shape {x.shape[:1]}"
            raise ValueError(f"metric: expected {expected}, got {shape or type(values).__name__}.")
        return values

    values, gradient = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[devices.backend()](checked, x)
    if gradient is None:
        advice = "Compute it from the tensors of `outputs`, with keras.ops."
        raise ValueError(f"metric: expected a differentiable function, got one that is constant. {advice}")
    return _array(values), _array(gradient)


def without_gradients() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which nothing is recorded for gradients; only torch does so outside of this module."""
    if devices.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()


def _array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float32")


def _tensorflow(function, x):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        values = function(x)
    return values, tape.gradient(values, x)


def _jax(function, x):
    import jax

    connected = []

    def watched(x):
        values = function(x)
        connected.append(isinstance(values, jax.core.Tracer))
        return values

    values, gradient = jax.vjp(watched, x)
    return values, gradient(jax.numpy.ones_like(values))[0] if connected[0] else None


def _torch(function, x):
    import torch

    x = ops.convert_to_tensor(x).requires_grad_()
    values = function(x)
    if not getattr(values, "requires_grad", False):
        return values, None
    return values, torch.autograd.grad(values.sum(), x, allow_unused=True)[0]
