"""Checkpoints: published weights, read by name into our layers, and ours written. One file a format, with its names.

A format is a module or package with `LOOKED_FOR` (what it looks for), `recognises(path)`, `read(path, dtype)` -> `Bert`
and `tensors(path)` -> list of `common.TensorInfo`. Writers are functions of a `Bert` and a new path.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import contextlib
import glob
import itertools
import os
from pathlib import Path

from bertedu import files
from bertedu.checkpoints import (
    huggingface,
    keras_archive,
    keras_hub,
    native,
    tensorflow,
)
from bertedu.checkpoints.tensorflow import saved_model
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor  # noqa: F401
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model  # noqa: F401

FORMATS = {
    "bertedu": native,  # before huggingface: its directories hold a model.safetensors too
    "keras": keras_archive,
    "keras_hub": keras_hub,  # before huggingface: its presets hold a config.json too
    "huggingface": huggingface,
    "saved_model": saved_model,
    "tensorflow": tensorflow,
}
WRITERS = {
    "bertedu": native.write,
    "huggingface": huggingface.write,
    "keras": keras_archive.write,
}


def recognise(path):
    """The format of the checkpoint at `path`, told by what is there.

    Returns:
        its name in `FORMATS`.

    Raises:
        FileNotFoundError: none of them; says what was looked for.
    """
    for name, form in FORMATS.items():
        if form.recognises(path):
            return name
    looked_for = "\n  ".join(form.LOOKED_FOR for form in FORMATS.values())
    raise FileNotFoundError(f"{path} holds no BERT in a format that is known here. Looked for:\n  {looked_for}")


def read(path, dtype=None):
    """Return the `Bert` that the checkpoint at `path` holds.

    Args:
        path: directory, file or prefix.
        dtype: name of the type that the weights shall have. Defaults to the one they have there.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged; or another
        process changes the files all the time.
    """
    check_links(path)
    for _ in range(TRIES):
        before = fingerprint(path)
        try:
            bert = FORMATS[recognise(path)].read(path, dtype)
        except (OSError, ValueError):
            if fingerprint(path) == before:
                raise
            continue  # half of it was another version's
        if fingerprint(path) == before:
            break
    else:
        raise ValueError(f"{path}: another process changes it while it is read. Load it again once that is done.")
    if not bert.has_pooler:  # a new head will want one to start from, as a new model does
        kernel = bert.encoder.pooler_layer.kernel
        kernel.assign(bert.encoder.initializer(kernel.shape, dtype=kernel.dtype))
    return bert


TRIES = 3  # a directory that is replaced is whole again at once


def files_at(path):
    """Return the files of the checkpoint at `path`: a directory's, the file itself, or those of a prefix."""
    path = Path(path)
    if path.is_dir():
        return sorted(itertools.islice(path.rglob("*"), MOST_FILES))
    return [path, *sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))]


def check_links(path):
    """Raise ValueError where a link in a directory leads out of it, but into the store of the Hugging Face cache."""
    root = Path(os.path.realpath(path))  # which, unlike Path.resolve, accepts links in a circle
    inside = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    for file in files_at(root) if root.is_dir() else ():
        target = Path(os.path.realpath(file))
        if file.is_symlink() and not any(target.is_relative_to(place) for place in inside):
            raise ValueError(f"{file} is a link out of its directory, which is not followed: put a copy there.")


def fingerprint(path):
    """Return what tells one version of the files at `path` from another: identity, size and times of each."""
    found = []
    for file in [Path(path), *files_at(path)]:
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((file, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return found


MOST_FILES = 10_000


def save_checkpoint(bert, path, format="bertedu", *, overwrite=False):
    """Saves a whole BERT: encoder, heads, tokenizer and how it was meant to embed. `be.load` opens every format.

    Args:
        bert: a `Bert`.
        path: where to; a directory, or for "keras" a file that ends in .keras. It appears when all is written.
        format: "bertedu" (every model of ours, bit for bit), "huggingface" (what `transformers.AutoModel` opens) or
            "keras" (what `keras.models.load_model` opens). For a SavedModel see `export_saved_model`.
        overwrite: bool, replace the checkpoint that is at `path`.

    Returns:
        `path`.

    Raises:
        FileExistsError: something is at `path`, and is no checkpoint or not to be replaced.
        ValueError: an unknown format, or one that has no words for what the model is.

    Example:
        be.save_checkpoint(bert, "my_bert", format="huggingface")
    """
    if format not in WRITERS:
        raise ValueError(f"format must be one of {', '.join(map(repr, WRITERS))}, got {format!r}.")
    heads = {"masked_lm": "encoder_network", "classifier": "network"}
    for head, encoder in heads.items():
        if getattr(bert, head) and getattr(getattr(bert, head), encoder) is not bert.encoder:
            raise ValueError(
                f"{head} stands on another encoder than the model's own: save be.Bert(tokenizer, its encoder)."
            )
    path = Path(path)
    if overwrite and path.is_dir() and any(path.iterdir()):
        recognise(path)  # a whole folder is replaced, so it has to be a checkpoint, not somebody's home
    with files.replacing(path, overwrite) as new:
        WRITERS[format](bert, new)
    return path
