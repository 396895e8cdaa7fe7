"""The fast path: a function of an encoder's inputs, compiled once, for texts of any length.

Keras runs a layer called on arrays operation by operation, which costs a short sentence ten times its arithmetic. What
compiles well differs by backend:

* TensorFlow: one graph whose batch and length are left open. (XLA would be faster on a length that it has seen, but
  stops for a second to compile each new one: right for the few lengths of training, wrong for interactive typing.)
* JAX: always XLA, so lengths are padded up to a few sizes and the results cut back; each size is compiled once.
* torch: runs operation by operation, at little cost, without recording gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from bertedu.backend import devices
from bertedu.inputs import INPUTS

STEP = 32  # JAX: lengths are padded to multiples of this
Arrays = dict[str, Any]  # NumPy arrays, or lists of them, by name


def compiled(
    function: Callable[[Any, Arrays], Arrays], encoder: Any, length_axes: Mapping[str, tuple[int, ...]]
) -> Callable[[Arrays], Arrays]:
    """Return `function(encoder, inputs) -> dict of outputs`, as a fast `f(inputs) -> the same dict of NumPy arrays`.

    Args:
        function: called with the encoder, or what stands in for it, and a dict of int32 tensors `[B, T]`; it uses
            `keras.ops`.
        encoder: the `BertEncoder`; later changes of its weights are seen.
        length_axes: dict, name of an output -> the axes that are as long as the text. Others have none.

    Returns:
        a function of a dict of int32 NumPy arrays `[B, T]` under our own names.
    """
    if devices.backend() == "jax":
        return _jax(function, encoder, length_axes)
    return {"tensorflow": _tensorflow, "torch": _torch}[devices.backend()](function, encoder)


def _tensorflow(function, encoder):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((len(INPUTS), None, None), tf.int32)], autograph=False)
    def graph(stacked):
        return function(encoder, dict(zip(INPUTS, tf.unstack(stacked), strict=True)))

    traced = graph.get_concrete_function()  # once: TensorFlow would report later ones as retracing of one function

    def run(inputs):
        stacked = np.stack([inputs[name] for name in INPUTS])  # [3, B, T]: every array handed over costs 0.1 ms
        return keras.tree.map_structure(lambda tensor: tensor.numpy(), traced(tf.constant(stacked)))

    return run


def _jax(function, encoder, length_axes):
    import jax

    @jax.jit
    def graph(trainable, non_trainable, inputs):
        def stateless_encoder(inputs, **options):
            return encoder.stateless_call(trainable, non_trainable, inputs, **options)[0]

        return function(stateless_encoder, inputs)

    def run(inputs):
        length = inputs[INPUTS[0]].shape[1]
        extra = min(-length % STEP, encoder.max_sequence_length - length)
        padded = {name: np.pad(array, ((0, 0), (0, extra))) for name, array in inputs.items()}
        trainable = [variable.value for variable in encoder.trainable_variables]
        non_trainable = [variable.value for variable in encoder.non_trainable_variables]
        results = graph(trainable, non_trainable, padded)
        return {name: _cut(value, length, length_axes.get(name, ())) for name, value in results.items()}

    return run


def _cut(value, length, axes):
    """Return a tensor, or each of a list of them, as an array cut to `length` along each of `axes`."""
    if isinstance(value, list):
        return [_cut(tensor, length, axes) for tensor in value]
    array = np.asarray(value)
    for axis in axes:
        array = array.take(range(length), axis=axis)
    return array


def _torch(function, encoder):
    import torch

    def run(inputs):
        with torch.no_grad():
            results = function(encoder, {name: torch.from_numpy(array) for name, array in inputs.items()})
        return keras.tree.map_structure(keras.ops.convert_to_numpy, results)

    return run
