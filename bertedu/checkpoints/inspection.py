"""`inspect`: a checkpoint described, name by name.

    bertedu inspect SOURCE

Chapter: notebooks/10_checkpoints.ipynb.
"""

import dataclasses
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bertedu.bert import Bert
from bertedu.checkpoints.common import TensorInfo, shortened
from bertedu.checkpoints.consistency import check_links
from bertedu.checkpoints.formats import FORMATS, recognise
from bertedu.checkpoints.loading import load, locate
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.terminal import escape

LAYER = re.compile(r"^layer_\d+/")


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The content of a checkpoint; `print` shows it.

    Attributes:
        path: where it is.
        format: its name in `checkpoints.FORMATS`.
        tensors: list of `checkpoints.common.TensorInfo`: name, shape, dtype, the path of our weight, known or not.
        bert: the `Bert` that it loads as, or None.
        problem: why it does not load, or None.
    """

    path: Path
    format: str
    tensors: list[TensorInfo]
    bert: Bert | None = None
    problem: str | None = None

    def __str__(self) -> str:
        return escape("\n".join((*self._head(), "", *table(self.tensors))))

    def __repr__(self) -> str:
        return f"Inspection({str(self.path)!r}: {self.format}, {len(self.tensors)} tensors)"

    def to_json(self) -> dict[str, Any]:
        """Return the same as a dict that JSON can hold."""
        return {
            "path": str(self.path),
            "format": self.format,
            "problem": self.problem,
            "model": self.bert and repr(self.bert),
            "sizes": self.bert and sizes(self.bert.encoder),
            "tensors": [dict(zip(TensorInfo._fields, tensor[:-1], strict=False)) for tensor in self.tensors],
        }

    def _head(self) -> Iterator[str]:
        yield f"{self.path}"
        yield row("format", f"{self.format} ({FORMATS[self.format].LOOKED_FOR.partition(': ')[2]})")
        types = Counter(tensor.dtype for tensor in self.tensors)
        numbers = sum(math.prod(tensor.shape) for tensor in self.tensors)
        yield row("tensors", f"{len(self.tensors)} with {numbers:,} numbers: {', '.join(types)}")
        if self.problem:
            yield row("problem", self.problem)
        if self.bert is not None:
            yield from self._model(self.bert)

    def _model(self, bert: Bert) -> Iterator[str]:
        encoder = bert.encoder
        yield row("model", ", ".join(f"{name} {value}" for name, value in sizes(encoder).items()))
        yield row("parameters", f"{encoder.count_params():,} in the encoder")
        heads = {"pooler": bert.has_pooler, "masked-LM head": bert.masked_lm, "classifier": bert.classifier}
        yield row("heads", ", ".join(name for name, there in heads.items() if there) or "none, nor a pooler")
        if bert.classifier is not None:
            yield row("classes", describe_classes(bert.classifier))
        yield row("tokenizer", f"{bert.tokenizer.vocab_size:,} tokens, {'un' * bert.tokenizer.lowercase}cased")
        pooling, normalize, limit, prompt = bert.embed_settings
        normalized, after = ", normalized" * normalize, f", after the prompt {prompt!r}" if prompt else ""
        yield row("embeds by", f"{pooling}{normalized}, up to {limit or bert.max_length} tokens{after}")


def inspect(source: str | Path) -> Inspection:
    """Describe a checkpoint: its format, the model that it holds, and which of its tensors is which of our weights.

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
    check_links(path)
    form = recognise(path)
    tensors = FORMATS[form].tensors(path)
    try:
        return Inspection(path, form, tensors, bert=load(path))
    except (FileNotFoundError, ImportError, ValueError) as problem:
        return Inspection(path, form, tensors, problem=str(problem))


def describe_classes(classifier: BertClassifier) -> str:
    """Return a description of a classifier's classes."""
    if classifier.num_classes == 1 and not classifier.multi_label:
        return "a regression"
    names = classifier.class_names or ()
    named = f": {shortened(names, most=20)}" if names else ", without names"
    return f"{classifier.num_classes}{' that may apply together (multi-label)' * classifier.multi_label}{named}"


def sizes(encoder: BertEncoder) -> dict[str, int]:
    """Return the arguments of an encoder that are sizes, by name."""
    names = ("num_layers", "hidden_size", "num_attention_heads", "inner_dim", "vocab_size", "max_sequence_length")
    return {name: getattr(encoder, name) for name in (*names, "type_vocab_size")}


def row(label: str, text: str) -> str:
    """Return a line of the head of a report."""
    return f"  {label:12} {text}"


def table(tensors: Sequence[TensorInfo]) -> list[str]:
    """Return the lines of a table of tensors, as our weights follow each other; those of all layers share one."""
    groups: dict[tuple, list[TensorInfo]] = {}
    for tensor in sorted(tensors, key=sort_key):
        one_of_many = target(tensor) if tensor.ours else tensor.name
        groups.setdefault((one_of_many, tensor.shape, tensor.dtype), []).append(tensor)
    rows = [("name", "shape", "type", "our weight")]
    for (_, shape, dtype), members in groups.items():
        times = f"{len(members)} x " if len(members) > 1 else ""
        name = with_star([tensor.name for tensor in members])
        rows.append((name, f"{times}{list(shape)}", dtype, target(members[0])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in rows]


def sort_key(tensor: TensorInfo) -> tuple:
    """Return what tensors are sorted by: the order in which a text passes through the model, unused tensors last."""
    parts = ("embeddings", "layer_", "pooler_transform", "masked_lm", "classifier")
    ours = tensor.ours or ""
    part = next((i for i, part in enumerate(parts) if ours.startswith(part)), len(parts))
    return part, LAYER.sub("", ours), ours, tensor.name


def target(tensor: TensorInfo) -> str:
    """Return the name of the weight that a tensor fills, the same for all layers, or why it fills none."""
    if tensor.ours is not None:
        return LAYER.sub("layer_*/", tensor.ours)
    return "(left aside)" if tensor.known else "(unknown)"


def with_star(names: Sequence[str]) -> str:
    """Return one name for several that differ in the middle.

    Example:
        >>> with_star(["layer.0.bias", "layer.1.bias", "layer.10.bias"])
        'layer.*.bias'
    """
    if len(names) == 1:
        return names[0]
    start = os.path.commonprefix(names)
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
    return f"{start}*{end}"
