"""safetensors files: names, shapes and dtypes without reading, and single tensors.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (comes with Keras, and teaches NumPy what bfloat16 is)
import numpy as np
from safetensors import SafetensorError, safe_open

from bertedu.checkpoints.common import TensorInfo, damage_named

DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}  # safetensors' names, NumPy's


def open_safetensors(file: Path) -> Any:
    """Return an open safetensors file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file.parent} holds no {file.name}: is it the directory of a whole model?")
    with damage_named(file, SafetensorError):
        return safe_open(file, framework="numpy")


def list_tensors(file: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of each tensor in a file, which is its place."""
    with open_safetensors(file) as opened:
        views = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
        return [
            TensorInfo(name, tuple(view.get_shape()), DTYPES.get(view.get_dtype(), view.get_dtype()), place=file)
            for name, view in views.items()
        ]


def read_tensor(tensor: TensorInfo) -> np.ndarray:
    """Return an array; the file is opened for it alone, as its pages stay in memory while it is open."""
    with open_safetensors(tensor.place) as opened:
        return opened.get_tensor(tensor.name)
