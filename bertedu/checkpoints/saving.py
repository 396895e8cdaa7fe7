"""`save_checkpoint`: a `Bert` written in one of the formats, whole or not at all.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path

from bertedu import files
from bertedu.bert import Bert
from bertedu.checkpoints.formats import WRITERS, recognise


def save_checkpoint(bert: Bert, path: str | Path, format: str = "bertedu", *, overwrite: bool = False) -> str | Path:
    """Save a whole BERT: encoder, heads, tokenizer and embed settings. `be.load` opens every format.

    Args:
        bert: a `Bert`.
        path: a directory, or for "keras" a file that ends in .keras. It appears when all is written.
        format: "bertedu" (every model of ours, bit for bit), "huggingface" (what `transformers.AutoModel` opens) or
            "keras" (what `keras.models.load_model` opens). For a SavedModel see `export_saved_model`.
        overwrite: bool, replace the checkpoint that is at `path`.

    Returns:
        `path`.

    Raises:
        FileExistsError: something is at `path`, and is no checkpoint or not to be replaced.
        ValueError: an unknown format, or one that cannot express a part of the model.

    Example:
        be.save_checkpoint(bert, "my_bert", format="huggingface")
    """
    if format not in WRITERS:
        raise ValueError(f"format must be one of {', '.join(map(repr, WRITERS))}, got {format!r}.")
    for head, encoder in (("masked_lm", "encoder_network"), ("classifier", "network")):
        if getattr(getattr(bert, head), encoder, bert.encoder) is not bert.encoder:
            raise ValueError(f"{head} has another encoder than the model: save be.Bert(tokenizer, its encoder).")
    path = Path(path)
    if overwrite and path.is_dir() and any(path.iterdir()):
        recognise(path)  # a whole folder is replaced, so it has to be a checkpoint, not any other folder
    with files.replacing(path, overwrite) as new:
        WRITERS[format](bert, new)
    return path
