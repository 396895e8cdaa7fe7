"""Compiled forward passes: a function of an encoder's inputs, compiled once for texts of any length.

Called on arrays, a Keras layer runs operation by operation, which for a short sentence takes ten times as long as the
arithmetic. Each backend compiles differently:

* TensorFlow: one graph for all batch sizes and lengths. XLA would be faster, but takes a second to compile each new
  length, which is too slow for interactive typing.
* JAX: XLA. Texts are padded to multiples of `STEP`, the results are cut, and each padded length is compiled once.
* torch: runs operation by operation, which costs little, without recording gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from bertedu.backend import devices
from bertedu.backend.repeated import sharing
from bertedu.inputs import INPUTS

STEP = 32  # JAX: lengths are padded to multiples of this
Arrays = dict[str, Any]  # NumPy arrays, or lists of them, by name


def compiled(
    function: Callable[[Any, Arrays], Arrays], encoder: Any, length_axes: Mapping[str, tuple[int, ...]]
) -> Callable[[Arrays], Arrays]:
    """Compile `function(encoder, inputs)`.

    Args:
        function: function of the encoder (on JAX, of a stateless form of it) and a dict of int32 tensors `[B, T]`. It
            uses `keras.ops` and returns a dict of outputs.
        encoder: `BertEncoder`. Later changes of its weights have an effect.
        length_axes: dict, name of an output -> its axes with the length of the text. Defaults to no such axes.

    Returns:
        A function of a dict of int32 NumPy arrays `[B, T]` that returns the outputs as NumPy arrays.
    """
    if devices.backend() == "jax":
        return _jax(function, encoder, length_axes)
    return {"tensorflow": _tensorflow, "torch": _torch}[devices.backend()](function, encoder)


def _tensorflow(function, encoder):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((len(INPUTS), None, None), tf.int32)], autograph=False)
    def graph(stacked):
        with sharing():
            return function(encoder, dict(zip(INPUTS, tf.unstack(stacked), strict=True)))

    traced = graph.get_concrete_function()  # TensorFlow warns about retracing if this is repeated

    def run(inputs):
        stacked = np.stack([inputs[name] for name in INPUTS])  # [3, B, T]; each array passed to a graph costs 0.1 ms
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
    """Return a tensor, or a list of tensors, as NumPy arrays that are cut to `length` along `axes`."""
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
