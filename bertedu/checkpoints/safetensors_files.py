"""safetensors files: list the tensors without reading them, and read single tensors.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (comes with Keras, and adds bfloat16 to NumPy)
import numpy as np
from safetensors import SafetensorError, safe_open

from bertedu.checkpoints.common import TensorInfo, translate_errors

DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}  # safetensors' name: NumPy's


def open_safetensors(file: Path) -> Any:
    """Open a safetensors file.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is damaged.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file.parent}: expected {file.name}, got no such file. Is it a model's directory?")
    with translate_errors(file, SafetensorError):
        return safe_open(file, framework="numpy")


def list_tensors(file: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of each tensor in a file; their location is the file."""
    with open_safetensors(file) as opened:
        views = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
        return [
            TensorInfo(name, tuple(view.get_shape()), DTYPES.get(view.get_dtype(), view.get_dtype()), location=file)
            for name, view in views.items()
        ]


def read_tensor(tensor: TensorInfo) -> np.ndarray:
    """Return the array of a tensor. The file is opened for each, because pages stay in memory while it is open."""
    with open_safetensors(tensor.location) as opened:
        return opened.get_tensor(tensor.name)
