"""The formats of checkpoints: what a format has to provide, and the table of those that there are.

A new format is a module or folder beside this one that provides what `Format` lists, and a line in `FORMATS`.
Chapter: notebooks/10_checkpoints.ipynb.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bertedu.bert import Bert
from bertedu.checkpoints import huggingface, keras_archive, keras_hub, native, tensorflow
from bertedu.checkpoints.common import TensorInfo
from bertedu.checkpoints.tensorflow import saved_model


class Format(Protocol):
    """What the module of a format provides.

    Attributes:
        LOOKED_FOR: str, "Name: the files that it is recognised by", for the message that nothing was recognised.
    """

    LOOKED_FOR: str

    def recognises(self, path: Path) -> bool:
        """Return whether `path`, a directory, file or prefix, seems to be in this format. Opens as little as it can."""

    def tensors(self, path: Path) -> list[TensorInfo]:
        """Return the `TensorInfo` of every tensor in a checkpoint, the path of our weight that it fills included."""

    def read(self, path: Path, dtype: str | None = None) -> Bert:
        """Return the `Bert` of a checkpoint: describe it (`assembly.Description`), `assembly.check`, `assembly.fill`.

        Args:
            path: directory, file or prefix.
            dtype: name of the type of the weights. Defaults to the one they have there.
        """


FORMATS: dict[str, Format] = {
    "bertedu": native,  # before huggingface: its directories hold a model.safetensors too
    "keras": keras_archive,
    "keras_hub": keras_hub,  # before huggingface: its presets hold a config.json too
    "huggingface": huggingface,
    "saved_model": saved_model,
    "tensorflow": tensorflow,
}

WRITERS: dict[str, Callable[[Bert, Path], None]] = {
    "bertedu": native.write,
    "huggingface": huggingface.write,
    "keras": keras_archive.write,
}
"""Format -> function that writes a `Bert` to a path that is not there yet. A format need not have one."""


def recognise(path: str | Path) -> str:
    """Return the name in `FORMATS` of the format of the checkpoint at `path`.

    Raises:
        FileNotFoundError: none of them; says what was looked for.
    """
    for name, form in FORMATS.items():
        if form.recognises(Path(path)):
            return name
    looked_for = "\n  ".join(form.LOOKED_FOR for form in FORMATS.values())
    raise FileNotFoundError(f"{path} holds no BERT in a format that is known here. Looked for:\n  {looked_for}")
