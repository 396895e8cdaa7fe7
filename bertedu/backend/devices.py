"""The Keras backend and its devices."""

from __future__ import annotations

import keras


def backend() -> str:
    """Return the name of the Keras backend: "tensorflow", "jax" or "torch"."""
    return keras.backend.backend()


def has_accelerator() -> bool:
    """Return whether the backend has a GPU or TPU."""
    if backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend() == "jax":
        import jax

        return jax.default_backend() in ("gpu", "tpu")
    import torch

    return torch.cuda.is_available()
