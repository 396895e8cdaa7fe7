"""For hostile files: harmless effects that can be observed, and valid files to change in one spot.

Every effect stays inside a temporary folder or is a setting of Keras that `Trap.reset` restores.
"""

import importlib
import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
from small_world import VOCABULARY

GOLDEN = Path(__file__).parent / "golden"
WRITTEN = GOLDEN / "v0_1"
SECRET = b"canaryword"
WEIGHTS = "model.weights.h5"
MODULES = ("trap_module", "keras_nlp")  # Keras' loader imports modules of the second name


class Hostile(NamedTuple):
    """A hostile file.

    Args:
        name: what it does, unique; the first word is the format.
        write: function of (folder, trap) that writes it and returns the path to open.
        mentions: words, of which a refusal has to contain at least one: the field, class or file at fault.
        opens: bool, whether opening it as if the hostile part were not there is right, too.
        memory: bool, whether it belongs to the files that try to use up time or memory.
        readers: names of the functions in `hostile_files` that open it. Defaults to those of checkpoints.
    """

    name: str
    write: Callable
    mentions: tuple = ()
    opens: bool = False
    memory: bool = False
    readers: tuple = ()


@keras.saving.register_keras_serializable(package="other")
class Probe(keras.layers.Layer):
    """A layer that other code in this process registered with Keras; records that it was constructed."""

    constructed = 0

    def __init__(self, *_, **options):
        Probe.constructed += 1
        super().__init__(name=options.get("name"))

    def call(self, inputs):
        return inputs


@keras.saving.register_keras_serializable(package="other")
def probe(inputs, **_):
    """Record the call and return the inputs; a function that other code registered with Keras."""
    Probe.constructed += 1
    return inputs


class Trap:
    """Files outside every checkpoint that show when something was executed or followed.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder):
        self.folder = folder
        self.marker, self.canary, self.bytes, self.h5 = (
            folder / name for name in ("marker.png", "canary.txt", "canary.bin", "canary.h5")
        )
        self.program = folder / "program"
        self.repeated = folder / "repeated.txt"
        words = [SECRET.decode() if word == "warm" else word for word in VOCABULARY]  # opens as a vocabulary
        self.canary.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        self.repeated.write_bytes((SECRET + b"\n") * 2)  # a reader's message would quote it
        self.bytes.write_bytes(SECRET * 200)
        with h5py.File(self.h5, "w") as file:
            file["canary"] = canary_array((21,))
        (folder / "modules").mkdir()
        for module in MODULES:
            text = f"open({str(self.marker)!r}, 'w').close()\nclass Evil: pass\ndef evil(*_): pass\n"
            (folder / "modules" / f"{module}.py").write_text(text, encoding="utf-8")
        write_program(self.program, self.marker)
        self.settings = keras.config.floatx(), keras.config.epsilon(), *limits()
        self.reset()

    def reset(self):
        """Arm the trap again."""
        self.marker.unlink(missing_ok=True)
        Probe.constructed = 0
        floatx, epsilon, *limits = self.settings
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        if limits:  # Keras 3.10 has no such limits
            keras.config.set_max_epochs(limits[0])
            keras.config.set_max_steps_per_epoch(limits[1])
        for module in MODULES:
            sys.modules.pop(module, None)
        importlib.invalidate_caches()

    def sprung(self, seen=b""):
        """Return the effects that happened since `reset`, as a list of words; `seen` is what a reader brought out."""
        effects = {
            "wrote the marker": self.marker.exists(),
            "called registered code": Probe.constructed > 0,
            "changed Keras' settings": self.settings != (keras.config.floatx(), keras.config.epsilon(), *limits()),
            "imported a module": any(module in sys.modules for module in MODULES),
            "allowed unsafe loading": unsafe_loading(),
            "leaked the canary": SECRET in seen,
        }
        return [effect for effect, happened in effects.items() if happened]


def limits():
    """Return Keras' limits of epochs and steps; nothing on a Keras that has none."""
    if not hasattr(keras.config, "max_epochs"):
        return ()
    return keras.config.max_epochs(), keras.config.max_steps_per_epoch()


def unsafe_loading():
    """Return whether Keras deserializes bytecode in this process."""
    try:
        keras.saving.deserialize_keras_object(bytecode("None"))
    except ValueError:
        return False
    return True


def bytecode(expression):
    """Return the configuration of `lambda: expression` as Keras stores it."""
    import codecs
    import marshal

    code = eval(f"lambda *_: {expression}").__code__
    raw = codecs.encode(marshal.dumps(code), "base64").decode("ascii")
    return {
        "class_name": "__lambda__",
        "config": {"value": [raw, None, None], "code": raw, "defaults": None, "closure": None},
    }


def canary_array(shape):
    """Return a float32 array of the canary's bytes."""
    return np.resize(np.frombuffer(SECRET * 20, "float32"), shape)


def write_program(path, marker):
    """Write a SavedModel that creates the file `marker` as soon as TensorFlow loads it."""
    import tensorflow as tf

    class Writer(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self):
            tf.io.write_file(str(marker), "executed")

    module = tf.Module()
    module.writer = Writer()
    module.serve = tf.function(lambda x: x + 0.0 * tf.cast(module.writer.resource_handle is None, tf.float32))
    module.serve.get_concrete_function(tf.TensorSpec((None, 6), tf.float32))
    tf.saved_model.save(module, str(path))


# -- valid files, changed in one spot ----------------------------------------------------------------------------------


def keras_file(folder, config=None, *, source="encoder", weights=None, members=()):
    """Write a `.keras` file.

    Args:
        folder: where to.
        config: function that changes the parsed config.json in place, or None.
        source: which of the files that version 0.1 wrote.
        weights: function of an open `h5py.File`, or None.
        members: dict or pairs, name -> bytes of members to add or replace.

    Returns:
        its path.
    """
    with zipfile.ZipFile(WRITTEN / source / "model.keras") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if config:
        state = json.loads(content["config.json"])
        config(state)
        content["config.json"] = json.dumps(state).encode()
    if weights:
        content[WEIGHTS] = edited_h5(folder, content[WEIGHTS], weights)
    content.update(members)
    path = folder / "hostile.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def edited_h5(folder, content, edit):
    """Return the bytes of an HDF5 file after `edit`, a function of the open `h5py.File`."""
    file = folder / "edited.h5"
    file.write_bytes(content)
    with h5py.File(file, "r+") as opened:
        edit(opened)
    content = file.read_bytes()
    file.unlink()
    return content


def first_vector(opened):
    """Return the name of the first dataset of one axis in an open HDF5 file."""
    vectors = []
    opened.visititems(lambda key, item: vectors.append(key) if getattr(item, "shape", ()) and item.ndim == 1 else None)
    return vectors[0]


def directory(folder, source, changes=()):
    """Copy a directory and change its JSON files.

    Args:
        folder: where to.
        source: path below `GOLDEN`: a directory, or a zip with one in it.
        changes: dict or pairs, file name -> function that changes what the JSON file holds in place, or bytes.

    Returns:
        its path.
    """
    path = folder / "hostile"
    source = GOLDEN / source
    if source.suffix == ".zip":
        zipfile.ZipFile(source).extractall(folder)
        (folder / source.stem).rename(path)
    else:
        shutil.copytree(source, path)
    for name, change in dict(changes).items():
        file = path / name
        if callable(change):
            state = json.loads(file.read_bytes())
            change(state)
            change = json.dumps(state).encode()
        file.write_bytes(change)
    return path


def set_at(*keys_and_value):
    """Return a function that sets the item at `keys` of nested dicts and lists to the value that comes last."""
    *keys, last, value = keys_and_value

    def change(state):
        for key in keys:
            state = state[key]
        state[last] = value

    return change


def saved_bytes(path):
    """Return the bytes of a file, or of every file below a directory; members of zip archives uncompressed."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    content = [file.read_bytes() for file in files]
    for i, data in enumerate(content):
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                content[i] = b"".join(archive.read(name) for name in archive.namelist())
    return b"".join(content)
