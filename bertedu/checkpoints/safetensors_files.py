"""safetensors files: list the tensors without reading them, and read single tensors.

Chapter: notebooks/11_checkpoints.ipynb.
"""

import json
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
    """Return a list of the `TensorInfo` of each tensor in a file; their location is the file and the first byte."""
    with open_safetensors(file) as checked:
        views = {name: checked.get_slice(name) for name in checked.keys()}  # noqa: SIM118  (not a dict)
    with translate_errors(file, KeyError, ValueError), file.open("rb") as opened:  # it may change meanwhile
        size = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(size))
        starts = {name: 8 + size + header[name]["data_offsets"][0] for name in views}
    return [
        TensorInfo(name, tuple(view.get_shape()), DTYPES.get(dtype := view.get_dtype(), dtype), location=(file, start))
        for (name, view), start in zip(views.items(), starts.values(), strict=True)
    ]


def read_tensor(tensor: TensorInfo) -> np.ndarray:
    """Return the array of a tensor of floats, mapped: no page is read before its use, or stays after the last one."""
    file, start = tensor.location
    return np.memmap(file, tensor.dtype, "c", start, tensor.shape)
