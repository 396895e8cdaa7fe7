"""State: a training saved to disk at a moment, whole or not at all, and resumed.

What a training is at a moment: the weights, the states of dropout's random numbers, the optimizer's moments, what its
callbacks remember, and the history so far. All of it stands in one safetensors file, which replaces the one before in a
single step of the file system: whenever the process is killed, one whole file is there. Arrays stand under their
variables' paths; version 0.1 numbered them. Chapter: notebooks/11_fine_tuning.ipynb.
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
from bertedu.classifier import BertClassifier
from bertedu.terminal import escape

FORMAT = 2
"""Of the files that `save` writes; version 0.1 wrote 1, without saying so."""

LOCK = ".lock"
NUMBERED = re.compile(r"(?!layer_\d)(.+)_\d+")  # Keras' automatic names, "dense_3"; `layer_3` is an encoder's own


def make_folder(path: Path) -> None:
    """Make the folder of a training.

    Raises:
        OSError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(f"output_dir={str(path)!r}: {error.strerror}; choose another folder.") from None


@contextlib.contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Make the folder of a training and hold its lock, which the system releases when the process ends.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be made.
    """
    if folder is None:
        yield
        return
    make_folder(folder)
    handle, path = None, folder / LOCK
    try:
        handle = temporaries.lock(path)
    except (BlockingIOError, FileNotFoundError):
        busy = "another process is training in this folder"
        raise BlockingIOError(f"output_dir={str(folder)!r}: {busy}. Wait for it, or choose another folder.") from None
    except OSError:
        pass  # without permission to write; a finished training is read all the same
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            path.unlink()
        if handle is not None:
            os.close(handle)


def damaged(path: Path, reason: object = "") -> ValueError:
    """Return the error of a file that is not a state."""
    expected = f"expected a training checkpoint, got a damaged file{reason and f' ({escape(reason)})'}"
    return ValueError(f"{path}: {expected}. Delete it, and make a new classifier, to start again.")


def named(model: BertClassifier, optimizer: keras.optimizers.Optimizer | None = None) -> dict[str, keras.Variable]:
    """Return all variables of a model by path: the same names in every process.

    Args:
        model: a `BertClassifier`.
        optimizer: its optimizer, built, to have its variables too; None for the model's weights alone.

    Returns:
        dict, path -> variable; "encoder/layer_0/self_attention/query/kernel", "optimizer/<path>/momentum".
    """
    paths = {id(variable): variable.path for variable in model.variables}
    for prefix, part in (("encoder", model.network), ("head", model.classifier)):
        for variable in part.weights:
            paths[id(variable)] = f"{prefix}/{variable.path.rpartition(f'{part.name}/')[2]}"
    if optimizer is None:
        return _unique([(paths[id(variable)], variable) for variable in model.weights])
    own = [(paths[id(variable)], variable) for variable in model.variables]
    flat = {variable.path.replace("/", "_"): paths[id(variable)] for variable in model.trainable_variables}
    return _unique([*own, *((_slot(variable, flat), variable) for variable in optimizer.variables)])


def _slot(variable, flat):
    """The path of an optimizer's variable: Keras puts that of the weight it belongs to in front, with underscores."""
    weight = max((path for path in flat if variable.name.startswith(path)), key=len, default=None)
    if weight is None:
        return f"optimizer/{variable.path.rpartition('/')[2]}"
    return f"optimizer/{flat[weight]}/{variable.name.removeprefix(weight).strip('_')}"


def _unique(variables):
    """A dict of (path, variable): automatic numbers, which depend on what else the process made, are counted anew."""
    found, counts = {}, {}
    for path, variable in variables:
        parts = []
        for part in path.split("/"):
            plain = match[1] if (match := NUMBERED.fullmatch(part)) else part
            known = counts.setdefault(("/".join(parts), plain), {})
            number = known.setdefault(part, len(known))
            parts.append(f"{plain}_{number}" if number else plain)
        name = "/".join(parts)
        while name in found:
            name += "_"
        found[name] = variable
    return found


def save(
    path: Path,
    variables: Mapping[str, keras.Variable],
    metadata: dict[str, Any],
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write variables and metadata.

    Args:
        path: of the file; what is there is replaced once the new one is whole.
        variables: dict, path -> Keras variable.
        metadata: dict that JSON can hold.
        arrays: dict, name -> array, or None: further arrays, with names that no path of a variable has.

    Raises:
        OSError: it cannot be written, as on a full disk; what stood there before is untouched.
    """
    tensors = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables.items()}
    with files.replacing(path, overwrite=True) as new:
        content = json.dumps(metadata | {"format": FORMAT})
        save_file(tensors | dict(arrays or {}), new, metadata={"state": content})


def read_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata in a file that `save` wrote, None without a file.

    Raises:
        ValueError: it is damaged, or not a file of ours.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None
    if not isinstance(metadata, dict):
        raise damaged(path)
    written = metadata.pop("format", 1)  # version 0.1 wrote none
    if not isinstance(written, int):
        raise damaged(path)
    if written > FORMAT:
        newer = f"expected a training checkpoint of format {FORMAT} at most, got {written}, of a newer bertedu"
        raise ValueError(f"{path}: {newer}. Upgrade bertedu, or choose another output_dir.")
    return metadata


def restore(path: Path, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
    """Assign the arrays of a file that `save` wrote to `variables`, and return those that belong to none of them.

    Raises:
        ValueError: the file is of another model.
    """
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
        if names == {str(i) for i in range(len(variables))}:  # version 0.1's, by position
            variables = dict(zip(map(str, range(len(variables))), variables.values(), strict=True))
        wrong = [
            name
            for name, variable in variables.items()
            if name not in names or tuple(file.get_slice(name).get_shape()) != tuple(variable.shape)
        ]
        if wrong:
            difference = "other weights are trainable" if wrong[0].startswith("optimizer/") else f"see {wrong[0]}"
            raise ValueError(f"{path} is of another model ({difference}): choose another output_dir.")
        for name, variable in variables.items():
            variable.assign(file.get_tensor(name))
        return {name: file.get_tensor(name) for name in names - variables.keys()}
