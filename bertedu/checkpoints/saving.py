"""`save_checkpoint`: write a `Bert` in one of the formats, atomically.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path

from bertedu import files
from bertedu.bert import Bert
from bertedu.checkpoints.common import check_encoders
from bertedu.checkpoints.formats import WRITERS, recognize


def save_checkpoint(bert: Bert, path: str | Path, format: str = "bertedu", *, overwrite: bool = False) -> str | Path:
    """Save a complete BERT: encoder, heads, tokenizer and embed settings. `be.load` reads every format.

    Args:
        bert: a `Bert`.
        path: string or path of a directory, or for "keras" of a file that ends in .keras. It appears once everything is
            written.
        format: "bertedu" (any model, bit for bit), "huggingface" (for `transformers.AutoModel`) or "keras" (for
            `keras.models.load_model`). For a SavedModel see `export_saved_model`. Defaults to "bertedu".
        overwrite: bool, whether to replace a checkpoint at `path`. Defaults to False.

    Returns:
        `path`.

    Raises:
        FileExistsError: `path` exists and `overwrite` is False.
        FileNotFoundError: `path` is a directory that holds no checkpoint, which is never replaced.
        ValueError: `format` is unknown or cannot store a part of the model.

    Example:
        be.save_checkpoint(bert, "my_bert", format="huggingface")
    """
    if format not in WRITERS:
        raise ValueError(f"format: expected one of {', '.join(map(repr, WRITERS))}, got {format!r}.")
    check_encoders(bert)
    path = Path(path)
    if overwrite and path.is_dir() and any(path.iterdir()):
        recognize(path)  # a directory without a checkpoint must not be deleted
    with files.replacing(path, overwrite) as new:
        WRITERS[format](bert, new)
    return path
