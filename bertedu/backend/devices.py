"""The Keras backend and its devices."""

from __future__ import annotations

import os
from pathlib import Path

import keras

CPUINFO = Path("/proc/cpuinfo")  # Linux
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Instructions for products of bfloat16 matrices that TensorFlow's oneDNN uses. For Arm's `bf16` it has no kernels."""


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


def has_bfloat16() -> bool:
    """Return whether training in mixed_bfloat16 is faster than in float32: on accelerators, and on CPUs made for it.

    On a CPU, that takes TensorFlow, because it has not been measured on the other backends.
    """
    if has_accelerator():
        return True
    one_dnn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() not in ("0", "false")
    return backend() == "tensorflow" and one_dnn and not BFLOAT16_FLAGS.isdisjoint(cpu_flags())


def cpu_flags() -> set[str]:
    """Return the names of the CPU's instruction sets, as Linux lists them; on other systems none."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    named = (line.partition(":") for line in lines)
    return {flag for name, _, value in named if name.strip() in ("flags", "Features") for flag in value.split()}
