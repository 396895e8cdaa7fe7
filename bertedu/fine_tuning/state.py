"""State: a training put down on disk at a moment, whole or not at all, and taken up again.

What a training is at a moment: the weights, the states of dropout's random numbers, the optimizer's moments, and the
history so far. All of it stands in one safetensors file, which replaces the one before in a single step of the file
system: whenever the process is killed, one whole file is there. Chapter: notebooks/11_fine_tuning.ipynb.
"""

import json

import keras
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bertedu import files


def make_folder(path):
    """Makes the folder of a training.

    Raises:
        OSError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"output_dir={str(path)!r} cannot be made a folder ({error.strerror}): choose another."
        raise type(error)(words) from None


def save(path, variables, words):
    """Writes variables and words.

    Args:
        path: of the file; what is there is replaced once the new one is whole.
        variables: list of Keras variables.
        words: dict that JSON can hold.

    Raises:
        OSError: it cannot be written, as on a full disk; what stood there before is untouched.
    """
    arrays = {str(i): keras.ops.convert_to_numpy(variable) for i, variable in enumerate(variables)}
    with files.replacing(path, overwrite=True) as new:
        save_file(arrays, new, metadata={"state": json.dumps(words)})


def words_of(path):
    """The words in a file that `save` wrote, None where there is no file.

    Raises:
        ValueError: it is damaged, or not a file of ours.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no state of a training ({error}): delete it to begin anew.") from None


def restore(path, variables):
    """Puts the arrays of a file that `save` wrote back into `variables`.

    Raises:
        ValueError: it holds others.
    """
    with safe_open(path, framework="numpy") as file:
        shapes = [tuple(file.get_slice(str(i)).get_shape()) for i in range(len(file.keys()))]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise ValueError(f"{path} is the state of another model: choose another output_dir, or delete it.")
        for i, variable in enumerate(variables):
            variable.assign(file.get_tensor(str(i)))
