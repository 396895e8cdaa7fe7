"""HDF5 files of Keras', read as data: arrays that lie in the file itself, in one piece, as large as they say.

HDF5 can name other files: soft and external links, external storage, virtual datasets. None of it is followed; a file
that has any is refused. Chapter: notebooks/10_checkpoints.ipynb.
"""

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from bertedu.checkpoints.common import TensorInfo, damage_named

MAX_OBJECTS = 100_000  # groups and datasets; a BERT of 48 layers has 1,500
OF_TRAINING = re.compile(r"(^|/)(optimizer|seed_generator|_?metrics|_loss_tracker|_compile_metrics)(/|$)")


@contextlib.contextmanager
def open_h5(file: Any, name: Path | str | None = None) -> Iterator[Any]:
    """Open an HDF5 file; a damaged one is a ValueError that says so, also while it is read.

    Args:
        file: path, or an open binary file.
        name: its name in messages. Defaults to `file`.
    """
    import h5py

    with damage_named(file if name is None else name, *HDF5_ERRORS), h5py.File(file, "r") as opened:
        yield opened


HDF5_ERRORS = (AttributeError, IndexError, KeyError, OSError, OverflowError, RuntimeError, TypeError, ValueError)
"""What h5py raises for damaged files; MemoryError is not among them, as no array is read before its size is known."""


def list_datasets(opened: Any, name: Path | str) -> list[TensorInfo]:
    """Return the `TensorInfo` of each array in an open HDF5 file, by its path.

    Raises:
        ValueError: something in it leads elsewhere, is compressed, or is larger than the bytes that are there.
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


def _item(group, key, place):
    """Return (shape, dtype) of a dataset, or None for a group."""
    import h5py

    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise ValueError(f"{place} is a link, which is not followed.")
    item = group[key]
    if isinstance(item, h5py.Group):
        return None
    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
        raise ValueError(f"{place} is no array, or lies in another file, which is not followed.")
    shape = tuple(item.shape or ())
    plain = item.id.get_create_plist().get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not plain or math.prod(shape) * item.dtype.itemsize > max(item.id.get_storage_size(), 0):
        raise ValueError(f"{place} is compressed, or smaller than its shape {shape} says: save it again with Keras.")
    dtype = item.attrs.get("dtype", item.dtype)
    return shape, dtype if isinstance(dtype, str) else str(dtype)


def read_dataset(opened: Any, path: str, dtype: str) -> np.ndarray:
    """Return an array; bfloat16, which HDF5 does not know, is kept there as two bytes."""
    array = opened[path][()]
    return array.view(ml_dtypes.bfloat16) if dtype == "bfloat16" else array


def is_of_training(key: str) -> bool:
    """Return whether an array is an optimizer's, a metric's, or the state of a random generator."""
    return OF_TRAINING.search(key) is not None
