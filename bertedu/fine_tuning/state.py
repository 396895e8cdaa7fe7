"""Training checkpoints: the state of a training run, saved to a file and restored.

A checkpoint contains the weights, the states of dropout's random generators, the optimizer's variables, the state of
callbacks, and the history so far. It is one safetensors file, which replaces the previous one
atomically, so a complete file exists at any time. Arrays are named by the paths of their
variables; in version 0.1, by numbers. Chapter: notebooks/10_fine_tuning.ipynb.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bertedu import files, temporaries
from bertedu.terminal import escape

FORMAT = 2
"""Version of the file format; files without a version are of format 1."""

LOCK = ".lock"
NUMBERED = re.compile(r"(?!layer_\d)(.+)_\d+")
"""Automatic names of Keras, as "dense_3"; but "layer_3" is a name of the encoder."""


@contextlib.contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Create the folder of a training run and hold its lock. The system releases it when the process ends.

    Args:
        folder: path of the folder; None for no lock.

    Raises:
        BlockingIOError: another run holds the lock.
        OSError: the folder cannot be created.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"output_dir={str(folder)!r}: {error.strerror}. Choose another folder.") from None
    handle, path = None, folder / LOCK
    try:
        handle = temporaries.lock(path)
    except (BlockingIOError, FileNotFoundError):
        busy = "another process is training in this folder"
        raise BlockingIOError(f"output_dir={str(folder)!r}: {busy}. Wait for it, or choose another folder.") from None
    except OSError:
        pass  # the folder is read-only, which is enough for a finished run
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not remove open files
            path.unlink()
        if handle is not None:
            os.close(handle)


def damaged(path: Path, reason: object = "") -> ValueError:
    """Return the error for a file that is not a valid training checkpoint."""
    expected = f"expected a training checkpoint, got a damaged file{reason and f' ({escape(reason)})'}"
    return ValueError(f"{path}: {expected}. To start again, delete it and create a new classifier.")


def named(model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None) -> dict[str, keras.Variable]:
    """Return the variables of a model by path. The paths are the same in every process.

    Args:
        model: `BertClassifier` or `BertTokenClassifier`.
        optimizer: its built optimizer, to include the optimizer's variables and random states. Defaults to None: only
            the weights.

    Returns:
        dict, path -> variable, as "encoder/layer_0/self_attention/query/kernel" and "optimizer/<path>/momentum".
    """
    paths = {id(variable): variable.path for variable in model.variables}
    for prefix, part in (("encoder", model.network), ("head", model.classifier)):
        for variable in () if part is None else part.weights:
            paths[id(variable)] = f"{prefix}/{variable.path.rpartition(f'{part.name}/')[2]}"
    if optimizer is None:
        return _unique([(paths[id(variable)], variable) for variable in model.weights])
    own = [(paths[id(variable)], variable) for variable in model.variables]
    flat = {variable.path.replace("/", "_"): paths[id(variable)] for variable in model.trainable_variables}
    return _unique([*own, *((_slot(variable, flat), variable) for variable in optimizer.variables)])


def _slot(variable, flat):
    """The path of an optimizer variable, whose name starts with that of its weight; `flat` maps names to paths."""
    weight = max((path for path in flat if variable.name.startswith(path)), key=len, default=None)
    if weight is None:
        return f"optimizer/{variable.path.rpartition('/')[2]}"
    return f"optimizer/{flat[weight]}/{variable.name.removeprefix(weight).strip('_')}"


def _unique(variables):
    """Dict, path -> variable, without Keras' automatic numbers, which depend on earlier models of the process."""
    unique, counts = {}, {}
    for path, variable in variables:
        parts = []
        for part in path.split("/"):
            plain = match[1] if (match := NUMBERED.fullmatch(part)) else part
            known = counts.setdefault(("/".join(parts), plain), {})
            number = known.setdefault(part, len(known))
            parts.append(f"{plain}_{number}" if number else plain)
        name = "/".join(parts)
        while name in unique:
            name += "_"
        unique[name] = variable
    return unique


def save(
    path: Path,
    variables: Mapping[str, keras.Variable],
    metadata: dict[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write variables and metadata.

    Args:
        path: path of the file; an existing file is replaced when the new one is complete.
        variables: dict, path -> Keras variable.
        metadata: dict for JSON.
        arrays: dict, name -> array, with names other than the paths in `variables`. Defaults to no more arrays.

    Raises:
        OSError: the file cannot be written, as on a full disk; an existing file is unchanged.
    """
    tensors = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables.items()}
    with files.replacing(path, overwrite=True) as new:
        content = json.dumps(metadata | {"format": FORMAT})
        save_file(tensors | dict(arrays or {}), new, metadata={"state": content})


def read_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata of a file that `save` wrote; None if there is no file.

    Raises:
        ValueError: the file is damaged, not a training checkpoint, or of a newer version.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    if not isinstance(metadata, dict) or not isinstance(written := metadata.pop("format", 1), int):
        raise damaged(path)
    if written > FORMAT:
        newer = f"expected a training checkpoint of format {FORMAT} or older, got {written} from a newer bertedu"
        raise ValueError(f"{path}: {newer}. Upgrade bertedu, or choose another output_dir.")
    return metadata


def restore(path: Path, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
    """Assign the arrays of a file that `save` wrote to `variables`, and return the remaining arrays.

    Raises:
        ValueError: the file is from another model.
    """
    with safe_open(path, framework="numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in sorted(file.keys())}
        if shapes.keys() == {str(i) for i in range(len(variables))}:  # of version 0.1, by position
            variables = dict(zip(map(str, range(len(variables))), variables.values(), strict=True))
        wrong = [name for name, variable in variables.items() if shapes.get(name) != tuple(variable.shape)]
        if wrong:
            difference = "other weights are trainable" if wrong[0].startswith("optimizer/") else wrong[0]
            expected = f"expected a checkpoint of the same model, got another one ({difference})"
            raise ValueError(f"{path}: {expected}. Choose another output_dir.")
        for name, variable in variables.items():
            variable.assign(file.get_tensor(name))
        return {name: file.get_tensor(name) for name in shapes.keys() - variables.keys()}
