"""The formats of checkpoints: the interface of a reader, and the tables of all readers and writers.

CONTRIBUTING.md ("A format of checkpoints") describes how to add one.
Chapter: notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bertedu.bert import Bert
from bertedu.checkpoints import huggingface, keras_archive, keras_hub, native, tensorflow
from bertedu.checkpoints.common import TensorInfo
from bertedu.checkpoints.tensorflow import saved_model


class Format(Protocol):
    """Interface of a module or package that reads a format.

    A module may also have `left_behind(path)`, a list of descriptions of the settings that a `Bert` cannot hold.

    Attributes:
        LOOKED_FOR: string, "Name: the files that identify it", for the error that no format was recognized.
    """

    LOOKED_FOR: str

    def recognizes(self, path: Path) -> bool:
        """Return whether a checkpoint seems to be in this format.

        Opens as little as possible, and raises nothing for a damaged file.

        Args:
            path: directory, file, or prefix (the path of a TensorFlow checkpoint without ".index").
        """

    def tensors(self, path: Path) -> list[TensorInfo]:
        """Return a list of the `TensorInfo` of every tensor, each with the path of the weight that it fills."""

    def read(self, path: Path, dtype: str | None = None) -> Bert:
        """Return the `Bert` of a checkpoint: describe it (`assembly.Description`), `assembly.check`, `assembly.fill`.

        Args:
            path: directory, file or prefix.
            dtype: name of the weights' dtype. Defaults to the checkpoint's.
        """


FORMATS: dict[str, Format] = {
    "bertedu": native,  # before huggingface: its directories hold a model.safetensors too
    "keras": keras_archive,
    "keras_hub": keras_hub,  # before huggingface: its presets hold a config.json too
    "huggingface": huggingface,
    "saved_model": saved_model,
    "tensorflow": tensorflow,
}
"""Format -> its reader. The first that recognizes a path reads it."""

WRITERS: dict[str, Callable[[Bert, Path], None]] = {
    "bertedu": native.write,
    "huggingface": huggingface.write,
    "keras": keras_archive.write,
}
"""Format -> function that writes a `Bert` to a path that does not exist yet. A format need not have one."""


def recognize(path: str | Path) -> str:
    """Return the name of the format of the checkpoint at `path`, a key of `FORMATS`.

    Raises:
        FileNotFoundError: no format recognizes it.
    """
    for name, form in FORMATS.items():
        if form.recognizes(Path(path)):
            return name
    if (Path(path) / huggingface.reader.ADAPTER).is_file():
        advice = "Load its model, and then be.load_adapter(bert, folder)"
        raise FileNotFoundError(f"{path}: expected a model, got an adapter. {advice}.")
    looked_for = "\n  ".join(form.LOOKED_FOR for form in FORMATS.values())
    raise FileNotFoundError(f"{path}: expected a BERT checkpoint in a known format. Looked for:\n  {looked_for}")
