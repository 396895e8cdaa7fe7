"""Weights that are read from a file: no initial values are computed, and each array is copied once."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bertedu.backend import devices


@keras.saving.register_keras_serializable(package="bertedu")
def uninitialized(shape: Sequence[int], dtype: Any = None) -> Any:
    """Return a tensor of arbitrary values: the initializer of weights that are assigned before they are used."""
    if devices.backend() == "tensorflow":
        import tensorflow as tf

        return tf.raw_ops.Empty(shape=shape, dtype=dtype or keras.config.floatx(), init=False)
    return ops.empty(shape, dtype)


def assign(variable: Any, array: np.ndarray) -> None:
    """Assign an array, which may be a transposed view of a mapped file, in one copy.

    Args:
        variable: Keras variable.
        array: array of the variable's shape. If its dtype is another, Keras converts it.
    """
    if str(array.dtype) != variable.dtype or devices.backend() == "torch":  # torch copies into its variables
        variable.assign(array)
        return
    value: Any = aligned_copy(array)
    if devices.backend() == "tensorflow":
        import tensorflow as tf

        value = tf.raw_ops.Identity(input=value)  # unlike tf.constant, without a copy
    variable.assign(value)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """Return a copy of an array, in C order, that TensorFlow and JAX use as it is, because it starts at a page.

    Its memory is not NumPy's, for which the system looks for huge pages: that takes as long as everything else here.
    """
    memory = mmap.mmap(-1, max(array.nbytes, 1), access=mmap.ACCESS_COPY)
    copy = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
    np.copyto(copy, array)
    return copy
