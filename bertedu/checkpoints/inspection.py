"""`inspect`: describe a checkpoint, tensor by tensor.

    bertedu inspect SOURCE

Chapter: notebooks/11_checkpoints.ipynb.
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
from bertedu.checkpoints.formats import FORMATS, recognize
from bertedu.checkpoints.loading import load, locate
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.terminal import escape
from bertedu.token_classifier import BertTokenClassifier

LAYER = re.compile(r"^layer_\d+/")
JSON_FIELDS = ("name", "shape", "dtype", "ours", "known")  # of a `TensorInfo`, in its order


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The content of a checkpoint. `print` shows it as a table.

    Attributes:
        path: `Path` of the checkpoint.
        format: string, a key of `checkpoints.FORMATS`.
        tensors: list of `checkpoints.common.TensorInfo`: name, shape, dtype, weight_path, known.
        bert: the loaded `Bert`, or None if it cannot be loaded.
        problem: string, the error of loading it, or None.
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
        """Return the same as a JSON-serializable dict."""
        return {
            "path": str(self.path),
            "format": self.format,
            "problem": self.problem,
            "model": self.bert and repr(self.bert),
            "sizes": self.bert and sizes(self.bert.encoder),
            "tensors": [dict(zip(JSON_FIELDS, tensor, strict=False)) for tensor in self.tensors],
        }

    def _head(self) -> Iterator[str]:
        yield f"{self.path}"
        yield row("format", f"{self.format} ({FORMATS[self.format].LOOKED_FOR.partition(': ')[2]})")
        types = Counter(tensor.dtype for tensor in self.tensors)
        elements = sum(math.prod(tensor.shape) for tensor in self.tensors)
        yield row("tensors", f"{len(self.tensors)} with {elements:,} elements: {', '.join(types)}")
        if self.problem:
            yield row("problem", self.problem)
        if self.bert is None:
            return
        bert, encoder = self.bert, self.bert.encoder
        yield row("model", ", ".join(f"{name} {value}" for name, value in sizes(encoder).items()))
        yield row("parameters", f"{encoder.count_params():,} in the encoder")
        heads = {"pooler": bert.has_pooler, "masked-LM head": bert.masked_lm, "classifier": bert.classifier}
        heads |= {"token classifier": bert.token_classifier}
        yield row("heads", ", ".join(name for name, head in heads.items() if head) or "none, and no pooler")
        for head in (bert.classifier, bert.token_classifier):
            if head is not None:
                yield row("classes", describe_classes(head))
        yield row("tokenizer", f"{bert.tokenizer.vocab_size:,} tokens, {'un' * bert.tokenizer.lowercase}cased")
        pooling, normalize, limit, prompt = bert.embed_settings
        normalized, with_prompt = ", normalized" * normalize, f", with the prompt {prompt!r}" if prompt else ""
        yield row("pooling", f"{pooling}{normalized}, up to {limit or bert.max_length} tokens{with_prompt}")


def inspect(source: str | Path) -> Inspection:
    """Describe a checkpoint: its format, its model, and the weight that each tensor fills.

    Args:
        source: string or path, as for `load`.

    Returns:
        an `Inspection`. If the checkpoint cannot be loaded, its `problem` is the reason.

    Raises:
        FileNotFoundError, ConnectionError: the checkpoint does not exist, or its format is unknown.
        ValueError: a file is damaged.

    Example:
        >>> inspect("minilm").format
        'huggingface'
    """
    path = locate(str(source))
    check_links(path)
    form = recognize(path)
    tensors = FORMATS[form].tensors(path)
    try:
        return Inspection(path, form, tensors, bert=load(path))
    except (FileNotFoundError, ImportError, ValueError) as problem:
        return Inspection(path, form, tensors, problem=str(problem))


def describe_classes(classifier: BertClassifier | BertTokenClassifier) -> str:
    """Return a description of a classifier's classes."""
    several = isinstance(classifier, BertClassifier) and classifier.multi_label
    if isinstance(classifier, BertClassifier) and classifier.num_classes == 1 and not several:
        return "a regression"
    names = classifier.class_names or ()
    named = f": {shortened(names, limit=20)}" if names else ", without names"
    return f"{classifier.num_classes}{' that may apply together (multi-label)' * several}{named}"


def sizes(encoder: BertEncoder) -> dict[str, Any]:
    """Return the sizes of an encoder, a dict by argument; `pruned_heads` only if it lacks heads."""
    names = ("num_layers", "hidden_size", "num_attention_heads", "inner_dim", "vocab_size", "max_sequence_length")
    pruned = {"pruned_heads": dict(encoder.pruned_heads)} if encoder.pruned_heads else {}
    return {name: getattr(encoder, name) for name in (*names, "type_vocab_size")} | pruned


def row(label: str, text: str) -> str:
    """Return a line of the summary."""
    return f"  {label:12} {text}"


def table(tensors: Sequence[TensorInfo]) -> list[str]:
    """Return the lines of a table of tensors in the order of the model, one row for all layers."""
    groups: dict[tuple, list[TensorInfo]] = {}
    for tensor in sorted(tensors, key=sort_key):
        group = target(tensor) if tensor.weight_path else tensor.name
        groups.setdefault((group, tensor.shape, tensor.dtype), []).append(tensor)
    rows = [("name", "shape", "dtype", "weight")]
    for (_, shape, dtype), members in groups.items():
        times = f"{len(members)} x " if len(members) > 1 else ""
        name = with_star([tensor.name for tensor in members])
        rows.append((name, f"{times}{list(shape)}", dtype, target(members[0])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=True)).rstrip() for r in rows]


def sort_key(tensor: TensorInfo) -> tuple:
    """Return the sort key of a tensor: the order of the model's parts, unused tensors last."""
    parts = ("embeddings", "layer_", "pooler_transform", "masked_lm", "classifier", "token_classifier")
    path = tensor.weight_path or ""
    part = next((i for i, part in enumerate(parts) if path.startswith(part)), len(parts))
    return part, LAYER.sub("", path), path, tensor.name


def target(tensor: TensorInfo) -> str:
    """Return the path of the weight that a tensor fills, with `layer_*` for its layer, or why it fills none."""
    if tensor.weight_path is not None:
        return LAYER.sub("layer_*/", tensor.weight_path)
    return "(unused)" if tensor.known else "(unknown)"


def with_star(names: Sequence[str]) -> str:
    """Return one name for several, with a star where they differ.

    Example:
        >>> with_star(["layer.0.bias", "layer.1.bias", "layer.10.bias"])
        'layer.*.bias'
    """
    if len(names) == 1:
        return names[0]
    start = os.path.commonprefix(names)
    end = os.path.commonprefix([name[len(start) :][::-1] for name in names])[::-1]
    return f"{start}*{end}"
