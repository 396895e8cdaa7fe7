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
from bertedu.checkpoints.common import shortened
from bertedu.loading import load, locate
from bertedu.pooling import EmbedSettings
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
        list of what had to be left behind, in words: tensors of the source that have no place in a `Bert`, and parts
        that have none in `format`.

    Raises:
        ValueError: an unknown format, or one that has no words for what the model is.
        As `load` and `save_checkpoint` do.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}.")
    bert = load(source, dtype=dtype)
    if format == "preprocessor":
        # The only way to cut pairs that a graph knows; `lost` tells.
        checkpoints.export_preprocessor(bert.preprocessor, target, truncation="round_robin", overwrite=overwrite)
        return lost(bert, format)
    if format == "saved_model":
        checkpoints.export_saved_model(bert, target, overwrite=overwrite)
    else:
        checkpoints.save_checkpoint(bert, target, format, overwrite=overwrite)
    path = locate(str(source))
    found = checkpoints.FORMATS[checkpoints.recognise(path)].tensors(path)
    return [tensor.name for tensor in found if tensor.ours is None] + lost(bert, format)


def lost(bert, format):
    """What of a `Bert` has no place in a SavedModel or an exported preprocessor, in words."""
    truncation = bert.preprocessor.truncation
    parts = {
        "saved_model": {
            "its classifier": bert.classifier,
            f"how it embeds ({', '.join(map(str, bert.embed_settings))})": bert.embed_settings != EmbedSettings(),
        },
        "preprocessor": {f"its way of cutting pairs ({truncation}; now round_robin)": truncation != "round_robin"},
    }
    return [words for words, there in parts.get(format, {}).items() if there]


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
    return f"Left behind, as there is no place for it: {shortened(left_behind)}." if left_behind else ""
