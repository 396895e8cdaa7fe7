"""`convert`: a checkpoint in one format, written in another, with a list of what was left behind.

    bertedu convert SOURCE TARGET --format huggingface

Chapter: notebooks/10_checkpoints.ipynb.
"""

from collections.abc import Sequence
from pathlib import Path

from bertedu.bert import Bert
from bertedu.checkpoints import huggingface
from bertedu.checkpoints.common import preprocessor_for, shortened
from bertedu.checkpoints.formats import FORMATS as READABLE
from bertedu.checkpoints.formats import WRITERS, recognise
from bertedu.checkpoints.inspection import describe_classes
from bertedu.checkpoints.loading import load, locate
from bertedu.checkpoints.saving import save_checkpoint
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model
from bertedu.pooling import EmbedSettings, is_pooling
from bertedu.terminal import escape

FORMATS = (*WRITERS, "saved_model", "preprocessor")
"""What `convert` writes; every format but the last holds the weights."""

TRUNCATIONS = {"huggingface": "longest_first", "saved_model": "round_robin", "preprocessor": "round_robin"}
"""Format -> the one way of cutting pairs that it knows."""


def convert(
    source: str | Path,
    target: str | Path,
    format: str = "bertedu",
    *,
    dtype: str | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Read a BERT in any format and write it in another.

    Args:
        source: as for `load`.
        target: path to write to.
        format: one of `FORMATS`: those of `save_checkpoint`, "saved_model", or "preprocessor" for the tokenizer alone
            as a SavedModel.
        dtype: name of the type of the weights. Defaults to the one they have in `source`.
        overwrite: bool, replace the checkpoint that is at `target`.

    Returns:
        list of all that was left behind, as descriptions: tensors and settings of the source that have no place in a
        `Bert`, and parts of it that have none in `format`.

    Raises:
        ValueError: an unknown format, or one that cannot express a part of the model; and as `load`.
        FileExistsError: as `save_checkpoint`.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}.")
    bert = load(source, dtype=dtype)
    left_behind = lost(bert, format)
    if not is_pooling(bert.embed_settings.pooling):
        bert.embed_settings = EmbedSettings()
    if format == "preprocessor":
        # The only way to cut pairs that a graph knows; `lost` reports it.
        export_preprocessor(bert.preprocessor, target, truncation=TRUNCATIONS[format], overwrite=overwrite)
        return left_behind
    if format == "saved_model":
        export_saved_model(bert, target, overwrite=overwrite)
    else:
        save_checkpoint(bert, target, format, overwrite=overwrite)
    return [*unread(locate(str(source))), *left_behind]


def unread(path: Path) -> list[str]:
    """Return what a checkpoint holds that has no place in a `Bert`: names of tensors, and descriptions of settings."""
    form = recognise(path)
    names = [tensor.name for tensor in READABLE[form].tensors(path) if tensor.ours is None]
    return names + (huggingface.left_behind(path) if form == "huggingface" else [])


def lost(bert: Bert, format: str) -> list[str]:
    """Return which parts of a `Bert` have no place in a format, as descriptions."""
    preprocessor, embed, parts = bert.preprocessor, bert.embed_settings, []
    truncation = TRUNCATIONS.get(format, preprocessor.truncation)
    if preprocessor.truncation != truncation:
        parts.append(f"its way of cutting pairs ({preprocessor.truncation}; now {truncation})")
    without_settings = format in ("saved_model", "preprocessor")
    if without_settings and bert.classifier is not None:
        parts.append(f"its classifier ({describe_classes(bert.classifier)})")
    if not is_pooling(embed.pooling) or (without_settings and embed != EmbedSettings()):
        settings = ", ".join(f"{name}={value!r}" for name, value in embed._asdict().items() if value)
        parts.append(f"how it embeds ({escape(settings)})")
    length = preprocessor_for(bert.tokenizer, bert.encoder, preprocessor.truncation).seq_length
    if format in ("huggingface", "saved_model") and preprocessor.seq_length != length:
        parts.append(f"its preprocessor's seq_length ({preprocessor.seq_length}; now {length})")
    return parts


def report(left_behind: Sequence[str]) -> str:
    """Return a sentence on what `convert` left behind; empty if nothing."""
    return f"Left behind, as there is no place for it: {shortened(left_behind, most=50)}." if left_behind else ""
