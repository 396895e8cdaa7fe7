"""What a checkpoint is, in words and name by name; and the way from one format to another.

    bertedu inspect SOURCE
    bertedu convert SOURCE TARGET --format huggingface

Chapter: notebooks/10_checkpoints.ipynb.
"""

import dataclasses
import math
import os
import re
from collections import Counter
from pathlib import Path

from bertedu import checkpoints
from bertedu.checkpoints.common import preprocessor_for, shortened
from bertedu.loading import load, locate
from bertedu.pooling import EmbedSettings, is_pooling
from bertedu.terminal import escape

FORMATS = (*checkpoints.WRITERS, "saved_model", "preprocessor")
"""What `convert` writes; every format but the last holds the weights."""

LAYER = re.compile(r"^layer_\d+/")


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What is in a checkpoint; `print` shows it.

    Attributes:
        path: where it is.
        format: in which of `checkpoints.FORMATS`.
        tensors: list of `checkpoints.common.TensorInfo`: name, shape, dtype, the path of our weight, known or not.
        bert: the `Bert` that it loads as, or None.
        problem: why it does not load, or None.
    """

    path: Path
    format: str
    tensors: list
    bert: object = None
    problem: str | None = None

    def __str__(self):
        return escape("\n".join((*self._head(), "", *table(self.tensors))))

    def __repr__(self):
        return f"Inspection({str(self.path)!r}: {self.format}, {len(self.tensors)} tensors)"

    def to_json(self):
        """The same as a dict that JSON can hold."""
        return {
            "path": str(self.path),
            "format": self.format,
            "problem": self.problem,
            "model": self.bert and repr(self.bert),
            "sizes": self.bert and sizes(self.bert.encoder),
            "tensors": [tensor._asdict() for tensor in self.tensors],
        }

    def _head(self):
        yield f"{self.path}"
        yield row("format", f"{self.format} ({checkpoints.FORMATS[self.format].LOOKED_FOR.partition(': ')[2]})")
        types = Counter(tensor.dtype for tensor in self.tensors)
        numbers = sum(math.prod(tensor.shape) for tensor in self.tensors)
        yield row("tensors", f"{len(self.tensors)} with {numbers:,} numbers: {', '.join(types)}")
        if self.problem:
            yield row("problem", self.problem)
        if self.bert is not None:
            yield from self._model()

    def _model(self):
        bert, encoder = self.bert, self.bert.encoder
        yield row("model", ", ".join(f"{name} {value}" for name, value in sizes(encoder).items()))
        yield row("parameters", f"{encoder.count_params():,} in the encoder")
        heads = {"pooler": bert.has_pooler, "masked-LM head": bert.masked_lm, "classifier": bert.classifier}
        yield row("heads", ", ".join(name for name, there in heads.items() if there) or "none, nor a pooler")
        if bert.classifier is not None:
            yield row("classes", classes(bert.classifier))
        yield row("tokenizer", f"{bert.tokenizer.vocab_size:,} tokens, {'un' * bert.tokenizer.lowercase}cased")
        pooling, normalize, limit, prompt = bert.embed_settings
        normalized, after = ", normalized" * normalize, f", after the prompt {prompt!r}" if prompt else ""
        yield row("embeds by", f"{pooling}{normalized}, up to {limit or bert.max_length} tokens{after}")


def inspect(source):
    """Looks into a checkpoint: what format it is in, what model it holds, and which name there is which weight here.

    Args:
        source: as for `load`.

    Returns:
        an `Inspection`, also of a checkpoint that cannot be loaded: its `problem` says why.

    Raises:
        FileNotFoundError, ConnectionError: there is no checkpoint, or none in a format that is known.
        ValueError: a damaged file.

    Example:
        >>> inspect("minilm").format
        'huggingface'
    """
    path = locate(str(source))
    checkpoints.check_links(path)
    form = checkpoints.recognise(path)
    tensors = checkpoints.FORMATS[form].tensors(path)
    try:
        return Inspection(path, form, tensors, bert=load(path))
    except (FileNotFoundError, ImportError, ValueError) as problem:
        return Inspection(path, form, tensors, problem=str(problem))


def convert(source, target, format="bertedu", *, dtype=None, overwrite=False):
    """Reads a BERT in any format and writes it in another.

    Args:
        source: as for `load`.
        target: path to write to.
        format: one of `FORMATS`: those of `save_checkpoint`, "saved_model", or "preprocessor" for the tokenizer alone
            as a SavedModel.
        dtype: name of the type that the weights shall have (None: the one they have in `source`).
        overwrite: bool, replace the checkpoint that is at `target`.

    Returns:
        list of all that was left behind, as descriptions: tensors and settings of the source that have no place in a
        `Bert`, and parts of it that have none in `format`.

    Raises:
        ValueError: an unknown format, or one that has no words for what the model is.
        As `load` and `save_checkpoint` do.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}.")
    bert = load(source, dtype=dtype)
    left_behind = lost(bert, format)
    if not is_pooling(bert.embed_settings.pooling):
        bert.embed_settings = EmbedSettings()
    if format == "preprocessor":
        # The only way to cut pairs that a graph knows; `lost` reports it.
        checkpoints.export_preprocessor(bert.preprocessor, target, truncation="round_robin", overwrite=overwrite)
        return left_behind
    if format == "saved_model":
        checkpoints.export_saved_model(bert, target, overwrite=overwrite)
    else:
        checkpoints.save_checkpoint(bert, target, format, overwrite=overwrite)
    return [*unread(locate(str(source))), *left_behind]


def unread(path):
    """Return what a checkpoint holds that has no place in a `Bert`: names of tensors, and descriptions of settings."""
    form = checkpoints.recognise(path)
    names = [tensor.name for tensor in checkpoints.FORMATS[form].tensors(path) if tensor.ours is None]
    return names + (checkpoints.huggingface.left_behind(path) if form == "huggingface" else [])


def lost(bert, format):
    """Return what of a `Bert` has no place in a format, as descriptions."""
    preprocessor, embed = bert.preprocessor, bert.embed_settings
    truncation = {"huggingface": "longest_first", "saved_model": "round_robin", "preprocessor": "round_robin"}
    parts = []
    if format in ("saved_model", "preprocessor"):
        if bert.classifier is not None:
            parts.append(f"its classifier ({classes(bert.classifier)})")
        if embed != EmbedSettings():
            parts.append(f"how it embeds ({described(embed)})")
    elif not is_pooling(embed.pooling):
        parts.append(f"how it embeds ({described(embed)})")
    if format in truncation and preprocessor.truncation != truncation[format]:
        parts.insert(0, f"its way of cutting pairs ({preprocessor.truncation}; now {truncation[format]})")
    length = preprocessor_for(bert.tokenizer, bert.encoder, preprocessor.truncation).seq_length
    if format in ("huggingface", "saved_model") and preprocessor.seq_length != length:
        parts.append(f"its preprocessor's seq_length ({preprocessor.seq_length}; now {length})")
    return parts


def described(embed_settings):
    """Return a description of embed settings: those that are not empty."""
    return escape(", ".join(f"{name}={value!r}" for name, value in embed_settings._asdict().items() if value))


def classes(classifier):
    """Return a description of a classifier's classes."""
    if classifier.num_classes == 1 and not classifier.multi_label:
        return "a regression"
    names = classifier.class_names or ()
    named = f": {shortened(names, most=20)}" if names else ", without names"
    return f"{classifier.num_classes}{' that may apply together (multi-label)' * classifier.multi_label}{named}"


def sizes(encoder):
    """The arguments of an encoder that are sizes, by name."""
    names = ("num_layers", "hidden_size", "num_attention_heads", "inner_dim", "vocab_size", "max_sequence_length")
    return {name: getattr(encoder, name) for name in (*names, "type_vocab_size")}


def row(label, text):
    """A line of the head of a report."""
    return f"  {label:12} {text}"


def table(tensors):
    """Lines of a table of tensors, as our weights follow each other; those of all layers share one."""
    groups = {}
    for tensor in sorted(tensors, key=place):
        one_of_many = fate(tensor) if tensor.ours else tensor.name
        groups.setdefault((one_of_many, tensor.shape, tensor.dtype), []).append(tensor)
    rows = [("name", "shape", "type", "our weight")]
    for (_, shape, dtype), members in groups.items():
        times = f"{len(members)} x " if len(members) > 1 else ""
        rows.append((with_star([tensor.name for tensor in members]), f"{times}{list(shape)}", dtype, fate(members[0])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in rows]


def place(tensor):
    """Where a tensor stands in the table: where its text passes through the model, what has no place last."""
    parts = ("embeddings", "layer_", "pooler_transform", "masked_lm", "classifier")
    ours = tensor.ours or ""
    part = next((i for i, part in enumerate(parts) if ours.startswith(part)), len(parts))
    return part, LAYER.sub("", ours), ours, tensor.name


def fate(tensor):
    """Where a tensor goes, in words; the same for all layers."""
    if tensor.ours is not None:
        return LAYER.sub("layer_*/", tensor.ours)
    return "(left aside)" if tensor.known else "(unknown)"


def with_star(names):
    """One name for several that differ in the middle.

    Example:
        >>> with_star(["layer.0.bias", "layer.1.bias", "layer.10.bias"])
        'layer.*.bias'
    """
    if len(names) == 1:
        return names[0]
    start = os.path.commonprefix(names)
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
    return f"{start}*{end}"


def report(left_behind):
    """A sentence on what `convert` left behind; empty if nothing."""
    return f"Left behind, as there is no place for it: {shortened(left_behind, most=50)}." if left_behind else ""
