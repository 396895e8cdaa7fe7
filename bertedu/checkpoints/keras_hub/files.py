"""Which files a KerasHub model lies in, and what is in them: presets, shards, and bare `.weights.h5`.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertedu.checkpoints.common import TensorInfo, shard_files, shortened, weight_files
from bertedu.checkpoints.hdf5 import is_of_training, list_datasets, open_h5, read_dataset
from bertedu.checkpoints.keras_hub.configuration import BACKBONE, CONFIG, TASK, task_of
from bertedu.checkpoints.keras_hub.names import INSIDE, canonical, our_path
from bertedu.files import read_json

WEIGHTS, INDEX, TASK_WEIGHTS = "model.weights.h5", "model.weights.json", "task.weights.h5"


class Checkpoint(NamedTuple):
    """A preset or a bare file of which no weight has been read.

    Args:
        path: the preset's directory, or the bare file.
        directory: the directory, or the file's.
        inside: what stands before the paths of the encoder's tensors.
        tensors: list of the `TensorInfo` of each; its place is (file, path in it).
    """

    path: Path
    directory: Path
    inside: str
    tensors: list[TensorInfo]


def recognises(path: Path) -> bool:
    """Return whether `path` is a preset of KerasHub's (of any model), a `.weights.h5`, or a directory with one."""
    if not path.is_dir():
        return path.name.endswith((".weights.h5", ".weights.json")) and path.is_file()
    if not (path / CONFIG).is_file():
        return any(path.glob("*.weights.h5")) or any(path.glob("*.weights.json"))
    try:
        return {"class_name", "config"} <= read_json(path / CONFIG).keys()
    except ValueError:
        return (path / WEIGHTS).is_file() or (path / INDEX).is_file()


def tensors(path: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of every tensor in a preset or a bare file, of a BERT or of another model."""
    return open_checkpoint(path).tensors


def open_checkpoint(path: Path) -> Checkpoint:
    """Return the `Checkpoint` at `path`; see `reader.read`."""
    preset = (path / CONFIG).is_file()
    foreign = preset and read_json(path / CONFIG).get("class_name") != BACKBONE
    unread = preset and (path / TASK).is_file() and task_of(read_json(path / TASK))[1] is not None
    files = preset_files(path) if preset else bare_files(path)
    listed = [tensor for file in files for tensor in list_tensors(file)]
    inside = INSIDE if not preset and any(canonical(tensor.name).startswith(INSIDE) for tensor in listed) else ""
    infos = []
    for tensor in listed:
        file, key = tensor.place
        of_task = preset and file.name == TASK_WEIGHTS
        left_aside = is_of_training(key) or (of_task and unread)
        ours = None if foreign or left_aside else our_path(key, of_task or bool(inside))
        name = f"{file.name}/{key}" if of_task else key  # layers/dense/vars/0 is in both files of a preset
        known = not foreign and (ours is not None or left_aside)
        infos.append(tensor._replace(name=name, ours=ours, known=known))
    return Checkpoint(path if preset else files[0], path if path.is_dir() else path.parent, inside, infos)


def preset_files(directory: Path) -> list[Path]:
    """Return the weight files of a preset: one, or the shards that its index names; and a task's own."""
    files = weight_files(directory, WEIGHTS, INDEX)
    return [*files, directory / TASK_WEIGHTS] if (directory / TASK_WEIGHTS).is_file() else files


def bare_files(path: Path) -> list[Path]:
    """Return the weight files that `path` is or holds: one, or the shards of one index."""
    files = [path] if path.is_file() else sorted(path.glob("*.weights.json")) or sorted(path.glob("*.weights.h5"))
    if not files:
        raise FileNotFoundError(f"{path} holds no model of KerasHub's: neither {CONFIG} nor a file NAME.weights.h5.")
    if len(files) > 1:
        names = shortened([file.name for file in files])
        raise ValueError(f"{path} holds several files of weights: name one of {names}, as in {files[0]}.")
    return shard_files(files[0]) if files[0].suffix == ".json" else files


def list_tensors(file: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of each tensor in an HDF5 file; its place is (file, path in it)."""
    with open_h5(file) as opened:
        return [tensor._replace(place=(file, tensor.name)) for tensor in list_datasets(opened, file)]


def read_tensor(tensor: TensorInfo) -> np.ndarray:
    """Return the array of a tensor."""
    file, key = tensor.place
    with open_h5(file) as opened:
        array = read_dataset(opened, key, tensor.dtype)
        if array.shape != tensor.shape:
            raise ValueError(f"{file}: the tensor {tensor.name!r} does not hold {tensor.dtype}: download it again.")
        return array
