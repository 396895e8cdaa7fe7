"""`convert`: read a checkpoint in one format, write it in another, and report what could not be converted.

    bertedu convert SOURCE TARGET --format huggingface

Chapter: notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Sequence
from pathlib import Path

from bertedu.bert import Bert
from bertedu.checkpoints.common import preprocessor_for, shortened
from bertedu.checkpoints.formats import FORMATS, WRITERS, recognize
from bertedu.checkpoints.inspection import describe_classes
from bertedu.checkpoints.loading import load, locate
from bertedu.checkpoints.saving import save_checkpoint
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model
from bertedu.pooling import EmbedSettings, is_pooling
from bertedu.terminal import escape

TARGET_FORMATS = (*WRITERS, "saved_model", "preprocessor")
"""Formats that `convert` writes; all but the last hold the weights."""

TRUNCATIONS = {"huggingface": "longest_first", "saved_model": "round_robin", "preprocessor": "round_robin"}
"""Target format -> the only truncation of pairs that it supports; formats that store it are not listed."""
WITH_SEQ_LENGTH = ("bertedu", "keras", "preprocessor")
WITH_EMBED_SETTINGS = ("bertedu", "keras", "huggingface")
WITHOUT_CLASSIFIER = ("saved_model", "preprocessor")
"""Target formats that store the preprocessor's seq_length and the embed settings, and that drop a classifier."""


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
        format: string, one of `TARGET_FORMATS`: those of `save_checkpoint`, "saved_model", or "preprocessor" (a
            SavedModel of the preprocessor alone).
        dtype: name of the weights' dtype. Defaults to the source's.
        overwrite: bool, whether to replace a checkpoint at `target`. Defaults to False.

    Returns:
        list of strings, descriptions of what was left behind: tensors and settings of the source that a `Bert` cannot
        hold, and parts of the `Bert` that `format` cannot store.

    Raises:
        ValueError: `format` is unknown or cannot store a part of the model; and as `load`.
        FileExistsError: as `save_checkpoint`.
    """
    if format not in TARGET_FORMATS:
        raise ValueError(f"format: expected one of {', '.join(map(repr, TARGET_FORMATS))}, got {format!r}.")
    bert = load(source, dtype=dtype)
    left_behind = lost(bert, format)
    if not is_pooling(bert.embed_settings.pooling):
        bert.embed_settings = EmbedSettings()
    if format == "preprocessor":
        export_preprocessor(bert.preprocessor, target, truncation=TRUNCATIONS[format], overwrite=overwrite)
        return left_behind
    if format == "saved_model":
        export_saved_model(bert, target, overwrite=overwrite)
    else:
        save_checkpoint(bert, target, format, overwrite=overwrite)
    return [*unread(locate(str(source))), *left_behind]


def unread(path: Path) -> list[str]:
    """Return what a `Bert` cannot hold of a checkpoint: names of tensors, and descriptions of settings."""
    form = FORMATS[recognize(path)]
    names = [tensor.name for tensor in form.tensors(path) if tensor.weight_path is None]
    return names + getattr(form, "left_behind", lambda path: [])(path)


def lost(bert: Bert, format: str) -> list[str]:
    """Return descriptions of the parts of a `Bert` that a target format cannot store."""
    preprocessor, embed, parts = bert.preprocessor, bert.embed_settings, []
    truncation = TRUNCATIONS.get(format, preprocessor.truncation)
    if preprocessor.truncation != truncation:
        parts.append(f"its truncation of pairs ({preprocessor.truncation}; now {truncation})")
    if format in WITHOUT_CLASSIFIER and bert.classifier is not None:
        parts.append(f"its classifier ({describe_classes(bert.classifier)})")
    if format in WITHOUT_CLASSIFIER and bert.token_classifier is not None:
        parts.append(f"its token classifier ({describe_classes(bert.token_classifier)})")
    thresholds = bert.classifier and bert.classifier.thresholds
    if thresholds and format == "huggingface":
        parts.append(f"its classifier's thresholds ({', '.join(f'{value:.3g}' for value in thresholds)})")
    if not is_pooling(embed.pooling) or (format not in WITH_EMBED_SETTINGS and embed != EmbedSettings()):
        settings = ", ".join(f"{name}={value!r}" for name, value in embed._asdict().items() if value)
        parts.append(f"its embed settings ({escape(settings)})")
    length = preprocessor_for(bert.tokenizer, bert.encoder, preprocessor.truncation).seq_length
    if format not in WITH_SEQ_LENGTH and preprocessor.seq_length != length:
        parts.append(f"its preprocessor's seq_length ({preprocessor.seq_length}; now {length})")
    return parts


def report(left_behind: Sequence[str]) -> str:
    """Return the result of `convert` as a sentence; empty if nothing was left behind."""
    return f"Left behind, because the new format cannot hold it: {shortened(left_behind, 50)}." if left_behind else ""
