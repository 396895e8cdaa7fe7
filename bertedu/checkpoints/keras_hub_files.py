"""Which files a KerasHub model lies in, and what is in them: presets, shards, and bare `.weights.h5`.

Keras writes HDF5. It is read as data: links and tensors that lead out of a file are not followed.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple

from bertedu.checkpoints.common import TensorInfo, read_json, shortened
from bertedu.checkpoints.keras_hub_names import INSIDE, SPARES, canonical, our_path

CONFIG, WEIGHTS, INDEX = "config.json", "model.weights.h5", "model.weights.json"
TASK, TASK_WEIGHTS = "task.json", "task.weights.h5"
BACKBONE = "BertBackbone"


class Stored(NamedTuple):
    """A tensor in a file: the file, its path within, and the `TensorInfo` of it."""

    file: Path
    key: str
    info: TensorInfo


class Checkpoint(NamedTuple):
    """What is at a path, no weight of it read yet.

    Args:
        path: the preset's directory, or the bare file.
        directory: the directory, or the file's.
        config: what config.json says, None for a bare file.
        task: what task.json says, {} without one.
        stored: list of `Stored`, every tensor in its files.
        inside: what stands before the paths of the encoder's tensors.
    """

    path: Path
    directory: Path
    config: dict | None
    task: dict
    stored: list
    inside: str

    def of(self, prefix):
        """Its tensors by our paths, those that begin with `prefix` (a head's, or "" for all)."""
        return {s.info.ours: s for s in self.stored if s.info.ours and s.info.ours.startswith(prefix)}


def open_checkpoint(path):
    """The `Checkpoint` at `path`; see `keras_hub.read_encoder`."""
    path = Path(path)
    preset = (path / CONFIG).is_file()
    directory = path if path.is_dir() else path.parent
    config = read_json(path / CONFIG) if preset else None
    task = read_json(path / TASK) if preset and (path / TASK).is_file() else {}
    foreign = preset and config.get("class_name") != BACKBONE
    files = preset_files(path) if preset else bare_files(path)
    found = [(file, *tensor) for file in files for tensor in list_tensors(file)]
    inside = INSIDE if not preset and any(canonical(key).startswith(INSIDE) for _, key, _, _ in found) else ""
    stored = []
    for file, key, shape, dtype in found:
        of_task = preset and file.name == TASK_WEIGHTS
        ours = None if foreign else our_path(key, of_task or bool(inside))
        known = ours is not None or (not foreign and SPARES.search(canonical(key)) is not None)
        name = f"{file.name}/{key}" if of_task else key  # layers/dense/vars/0 is in both files of a preset
        stored.append(Stored(file, key, TensorInfo(name, shape, dtype, ours, known)))
    return Checkpoint(path if preset else files[0], directory, config, task, stored, inside)


def preset_files(directory):
    """The weight files of a preset: one, or the shards that its index names; and a task's own."""
    if (directory / WEIGHTS).is_file():
        files = [directory / WEIGHTS]
    elif (directory / INDEX).is_file():
        files = shards(directory / INDEX)
    else:
        raise FileNotFoundError(f"{directory} holds neither {WEIGHTS} nor {INDEX}: download it again.")
    return [*files, directory / TASK_WEIGHTS] if (directory / TASK_WEIGHTS).is_file() else files


def bare_files(path):
    """The weight files that `path` is or holds: one, or the shards of one index."""
    found = [path] if path.is_file() else sorted(path.glob("*.weights.json")) or sorted(path.glob("*.weights.h5"))
    if not found:
        raise FileNotFoundError(f"{path} holds no model of KerasHub's: neither {CONFIG} nor a file NAME.weights.h5.")
    if len(found) > 1:
        raise ValueError(
            f"{path} holds no {CONFIG} but several files of weights: name one of "
            f"{shortened([file.name for file in found])}, as in {found[0]}."
        )
    return shards(found[0]) if found[0].suffix == ".json" else found


def shards(index):
    """The files that an index names; they lie beside it, wherever it says."""
    try:
        listed = [[value] if isinstance(value, str) else value for value in read_json(index)["weight_map"].values()]
        files = [index.with_name(Path(name).name) for name in sorted({name for names in listed for name in names})]
    except (AttributeError, KeyError, TypeError):
        files = []
    if not files:
        raise ValueError(f"{index} has no 'weight_map' that names its files: download it again.")
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise FileNotFoundError(f"{index} names {shortened(absent)}, which {index.parent} does not hold.")
    return files


@contextlib.contextmanager
def open_h5(file):
    """An open HDF5 file; a damaged one is a ValueError that says so, also while it is read."""
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            yield opened
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged or cut off ({str(error)[:150]}): download it again.") from None


def list_tensors(file):
    """Path, shape and dtype (its name) of each tensor in an HDF5 file."""
    import h5py

    found, outside = {}, []

    def visit(key, item):
        key = key if isinstance(key, str) else key.decode()  # bytes where they are not UTF-8, which then is said
        if isinstance(item, h5py.Dataset):
            found[key] = key, tuple(item.shape or ()), str(item.attrs.get("dtype", item.dtype))
            outside.extend([key] if item.external or item.is_virtual else [])

    with open_h5(file) as opened:
        opened.visititems(visit)
    if outside:
        raise ValueError(f"{file}: the tensor {outside[0]!r} lies in another file, which is not followed.")
    return [found[key] for key in sorted(found)]


def settings(state, file):
    """The arguments in a serialised Keras object, {} where there is no object."""
    if not state:
        return {}
    if not isinstance(state.get("config"), dict):
        raise ValueError(f"{file} has no field 'config'; KerasHub writes one, with the arguments of its model.")
    return state["config"]


def whole_number(config, field, file):
    """A size in a configuration."""
    if field not in config:
        raise ValueError(f"{file} has no field {field!r} in its 'config'; it needs one, as KerasHub writes it.")
    value = config[field]
    if type(value) is not int or value < 1:
        raise ValueError(f"{file}: {field} must be a whole number of at least 1, it is {value!r}.")
    return value
