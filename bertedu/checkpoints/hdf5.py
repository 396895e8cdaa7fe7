"""Keras' HDF5 files: arrays stored in the file itself, uncompressed and contiguous.

HDF5 can refer to other files: by soft and external links, external storage and virtual datasets. Files with any of
these are refused. Chapter: notebooks/11_checkpoints.ipynb.
"""

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from bertedu.checkpoints.common import TensorInfo, translate_errors

MAX_OBJECTS = 100_000  # groups and datasets; a BERT of 48 layers has 1,500
TRAINING_STATE = re.compile(r"(^|/)(optimizer|seed_generator|_?metrics|_loss_tracker|_compile_metrics)(/|$)")
"""Part of the path of an array that is the state of an optimizer, a metric or a random generator."""


@contextlib.contextmanager
def open_h5(file: Any, name: Path | str | None = None) -> Iterator[Any]:
    """Open an HDF5 file in a context in which errors of damaged files are a ValueError that names it.

    Args:
        file: path, or an open binary file.
        name: its name in messages. Defaults to `file`.
    """
    import h5py

    with translate_errors(file if name is None else name, *HDF5_ERRORS), h5py.File(file, "r") as opened:
        yield opened


HDF5_ERRORS = (AttributeError, IndexError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""Errors of h5py for damaged files. Not MemoryError, because sizes are checked before an array is read."""


def list_datasets(opened: Any, name: Path | str) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of each array in an open HDF5 file, sorted by path.

    Raises:
        ValueError: an array is a link, lies in another file, is compressed, or is larger than its stored bytes.
    """
    datasets: list[TensorInfo] = []
    groups = [("", opened)]
    while groups:
        prefix, group = groups.pop()
        for key in group:
            path = f"{prefix}/{key}".removeprefix("/")
            item = _item(group, key, f"{name}: {path!r}")
            if len(datasets) + len(groups) > MAX_OBJECTS or path.count("/") > 100:
                raise ValueError(f"{name}: expected at most {MAX_OBJECTS:,} arrays, 100 levels deep, got more.")
            if item is None:
                groups.append((path, group[key]))
            else:
                datasets.append(TensorInfo(path, *item))
    return sorted(datasets, key=lambda tensor: tensor.name)


def _item(group, key, location):
    """Return (shape, dtype) of a dataset, or None for a group."""
    import h5py

    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise ValueError(f"{location}: expected an array or group, got a soft or external link. Save it with Keras.")
    item = group[key]
    if isinstance(item, h5py.Group):
        return None
    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
        raise ValueError(f"{location}: expected an array in this file, got external data or a datatype. Save it again.")
    shape = tuple(item.shape or ())
    plain = item.id.get_create_plist().get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not plain or math.prod(shape) * item.dtype.itemsize > max(item.id.get_storage_size(), 0):
        expected = f"expected uncompressed data of shape {shape}, got compressed data or too few bytes"
        raise ValueError(f"{location}: {expected}. Save it again with Keras.")
    dtype = item.attrs.get("dtype", item.dtype)
    return shape, dtype if isinstance(dtype, str) else str(dtype)


def read_dataset(opened: Any, path: str, dtype: str) -> np.ndarray:
    """Return an array. HDF5 has no bfloat16 and stores it as two bytes."""
    array = opened[path][()]
    return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array
