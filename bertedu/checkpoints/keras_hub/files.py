"""Find and list the tensors of a KerasHub model: presets, shards, and single `.weights.h5` files.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertedu.checkpoints.common import TensorInfo, shard_files, shortened, weight_files
from bertedu.checkpoints.hdf5 import TRAINING_STATE, list_datasets, open_h5, read_dataset
from bertedu.checkpoints.keras_hub.configuration import BACKBONE, CONFIG, TASK, task_of
from bertedu.checkpoints.keras_hub.names import BACKBONE_PREFIX, canonical, our_path
from bertedu.files import read_json

WEIGHTS, INDEX, TASK_WEIGHTS = "model.weights.h5", "model.weights.json", "task.weights.h5"


class Checkpoint(NamedTuple):
    """A preset or a single weights file, before its weights are read.

    Args:
        path: `Path` of the preset's directory, or of the file.
        directory: `Path` of the preset's or the file's directory.
        prefix: string, prefix of the paths of the encoder's tensors.
        tensors: list of the `TensorInfo` of all tensors; their location is (file, path in the file).
    """

    path: Path
    directory: Path
    prefix: str
    tensors: list[TensorInfo]


def recognizes(path: Path) -> bool:
    """Return whether `path` is a KerasHub preset (of any model), a `.weights.h5`, or a directory with one."""
    if not path.is_dir():
        return path.name.endswith((".weights.h5", ".weights.json")) and path.is_file()
    if not (path / CONFIG).is_file():
        return any(path.glob("*.weights.h5")) or any(path.glob("*.weights.json"))
    try:
        return {"class_name", "config"} <= read_json(path / CONFIG).keys()
    except ValueError:
        return (path / WEIGHTS).is_file() or (path / INDEX).is_file()


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in a preset or a file, of a BERT or another model."""
    return open_checkpoint(path).tensors


def open_checkpoint(path: Path) -> Checkpoint:
    """Return the `Checkpoint` at `path`; see `reader.read`."""
    preset = (path / CONFIG).is_file()
    foreign = preset and read_json(path / CONFIG).get("class_name") != BACKBONE
    unread = preset and (path / TASK).is_file() and task_of(read_json(path / TASK))[1] is not None
    files = preset_files(path) if preset else bare_files(path)
    listed = [tensor for file in files for tensor in list_tensors(file)]
    is_task = not preset and any(canonical(tensor.name).startswith(BACKBONE_PREFIX) for tensor in listed)
    infos = []
    for tensor in listed:
        file, key = tensor.location
        in_task_file = preset and file.name == TASK_WEIGHTS
        unused = bool(TRAINING_STATE.search(key)) or (in_task_file and unread)
        weight_path = None if foreign or unused else our_path(key, in_task_file or is_task)
        name = f"{file.name}/{key}" if in_task_file else key  # layers/dense/vars/0 is in both files of a preset
        known = not foreign and (weight_path is not None or unused)
        infos.append(tensor._replace(name=name, weight_path=weight_path, known=known))
    directory = path if path.is_dir() else path.parent
    return Checkpoint(path if preset else files[0], directory, BACKBONE_PREFIX * is_task, infos)


def preset_files(directory: Path) -> list[Path]:
    """Return a list of the weight files of a preset: one, or the shards that its index lists; and that of a task."""
    files = weight_files(directory, WEIGHTS, INDEX)
    return [*files, directory / TASK_WEIGHTS] if (directory / TASK_WEIGHTS).is_file() else files


def bare_files(path: Path) -> list[Path]:
    """Return a list of the weight files at `path`, a file or directory without a preset: one, or shards."""
    files = [path] if path.is_file() else sorted(path.glob("*.weights.json")) or sorted(path.glob("*.weights.h5"))
    if not files:
        raise FileNotFoundError(f"{path}: expected {CONFIG} or a file NAME.weights.h5, got neither. Download it again.")
    if len(files) > 1:
        names = shortened([file.name for file in files])
        raise ValueError(f"{path}: expected one weights file, got {names}. Pass the path of one, such as {files[0]}.")
    return shard_files(files[0]) if files[0].suffix == ".json" else files


def list_tensors(file: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of each tensor in an HDF5 file; their location is (file, path in the file)."""
    with open_h5(file) as opened:
        return [tensor._replace(location=(file, tensor.name)) for tensor in list_datasets(opened, file)]


def read_tensor(tensor: TensorInfo) -> np.ndarray:
    """Return the array of a tensor."""
    file, key = tensor.location
    with open_h5(file) as opened:
        array = read_dataset(opened, key, tensor.dtype)
        if array.shape != tensor.shape:
            raise ValueError(f"{file}: {key!r}: expected shape {tensor.shape}, got {array.shape}. Download it again.")
        return array
