"""What all formats share: tensors and weights by name, names of files in an index, and small helpers.

Chapter: notebooks/10_checkpoints.ipynb.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from bertedu.encoder import BertEncoder
from bertedu.files import read_json
from bertedu.terminal import escape
from bertedu.text import BertPreprocessor, BertTokenizer

if TYPE_CHECKING:
    from bertedu.bert import Bert

PREPROCESSOR_LENGTH = 128  # what a model's own preprocessor pads to, as the Hub's do
LONGEST_NAME = 200  # characters of a name from a file that a message shows
MAX_SHARDS = 1000
FLOATS = ("float32", "float16", "bfloat16", "float64")
"""What weights are read from; others are quantised, and numbers beside them say how."""


class TensorInfo(NamedTuple):
    """A tensor in a checkpoint, not read yet.

    Args:
        name: its name there.
        shape: tuple.
        dtype: as NumPy says it, "float32".
        ours: path of our weight that it fills, as "layer_0/feedforward/output/kernel", "masked_lm/output_bias" or
            "classifier/kernel"; None where it fills none.
        known: whether it is at least known to belong to a BERT.
        place: where the format's reader finds it; its own business.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    ours: str | None = None
    known: bool = False
    place: Any = None


def weights(encoder: BertEncoder, masked_lm: Any = None, classifier: Any = None) -> dict[str, Any]:
    """Return every weight of a model by its path in our layers; the paths that name tables translate to.

    Args:
        encoder: a `BertEncoder`.
        masked_lm: a `BertPretrainer` on it, or None.
        classifier: a `BertClassifier` on it, or None.

    Returns:
        dict, path -> variable. The paths of the heads begin with "masked_lm/", "classification_heads/" (a pretrainer's
        further heads) and "classifier/".
    """
    table = encoder.get_embedding_layer()
    parts = encoder, masked_lm and masked_lm.masked_lm, classifier and classifier.classifier
    variables = {f"embeddings/{table.name}/embeddings": table.embeddings}  # its own path may begin in another model
    for prefix, part in zip(("", "masked_lm/", "classifier/"), parts, strict=True):
        for variable in part.weights if part is not None else ():
            path = prefix + (variable.path.partition(f"{part.name}/")[2] or variable.path)
            if variable is table.embeddings:
                continue
            if path in variables:
                raise ValueError(f"Two weights have the path {path!r}: give the layers that hold them different names.")
            variables[path] = variable
    for i, head in enumerate(masked_lm.classification_heads if masked_lm else ()):
        variables |= {f"classification_heads/{i}/{j}": variable for j, variable in enumerate(head.weights)}
    return variables


def weights_of(bert: Bert) -> dict[str, Any]:
    """Return the weights of a `Bert` to be saved, as `weights` does: all but a pooler that was never trained."""
    if bert.masked_lm is not None and bert.masked_lm.classification_heads:
        raise ValueError('masked_lm has classification_heads, which only format="keras" can hold.')
    with_pooler = bert.has_pooler or bert.classifier is not None
    variables = weights(bert.encoder, bert.masked_lm, bert.classifier)
    return {path: v for path, v in variables.items() if with_pooler or not path.startswith("pooler_transform/")}


def check_table(bert: Bert) -> None:
    """Raise ValueError where the masked-LM head's table is not the encoder's, and would be lost."""
    head = bert.masked_lm and bert.masked_lm.masked_lm
    if head is not None and getattr(head, "table", None) is not bert.encoder.get_embedding_table():
        raise ValueError("masked_lm has an embedding_table that is not its encoder's, which no format here can hold.")


def special_parts(encoder: BertEncoder, attention: Sequence[type], feedforward: Sequence[type]) -> list[str]:
    """Return which arguments of an encoder a format of BERTs cannot express, as descriptions.

    Args:
        encoder: a `BertEncoder`.
        attention, feedforward: the classes that the format can express.
    """
    parts = {
        f"attention_cls={encoder.attention_cls.__name__}": encoder.attention_cls not in attention,
        f"feedforward_cls={encoder.feedforward_cls.__name__}": encoder.feedforward_cls not in feedforward,
        f"norm_first={encoder.norm_first}": encoder.norm_first,
        f"output_range={encoder.output_range}": encoder.output_range is not None,
        "an embedding_layer of its own": encoder.embedding_layer is not None,
    }
    return [description for description, present in parts.items() if present]


def preprocessor_for(
    tokenizer: BertTokenizer, encoder: BertEncoder, truncation: str = "round_robin", length: int = PREPROCESSOR_LENGTH
) -> BertPreprocessor:
    """Return the `BertPreprocessor` of a checkpoint, of `length` tokens or of as many as its encoder has positions."""
    return BertPreprocessor(tokenizer, min(length, encoder.max_sequence_length), truncation)


def no_vocabulary(path: Path | str) -> FileNotFoundError:
    """Return the error for a checkpoint without its tokenizer."""
    return FileNotFoundError(f"{path} comes without its vocabulary: put its vocab.txt beside it.")


def weight_files(directory: Path, weights: str, index: str, hint: str = "") -> list[Path]:
    """Return the weight files in a directory: one, or the shards that its index names.

    Args:
        directory: its path.
        weights, index: the names of the file and of the index.
        hint: what to do where neither is there, for the message.
    """
    if (directory / weights).is_file():
        return [directory / weights]
    if (directory / index).is_file():
        return shard_files(directory / index)
    raise FileNotFoundError(f"{directory} holds neither {weights} nor {index}: download it again.{hint}")


def shard_files(index: Path) -> list[Path]:
    """Return the files that the `weight_map` of an index names, all of which lie beside it.

    Raises:
        ValueError: the index is damaged, or names a file elsewhere.
        FileNotFoundError: a file is missing.
    """
    weight_map, names = read_json(index).get("weight_map"), set()
    for entry in weight_map.values() if isinstance(weight_map, dict) else ():
        for name in entry if isinstance(entry, list) else [entry]:
            if not isinstance(name, str) or name in ("", ".", "..") or re.search(r"[/\\:\0]", name):
                last = escape(name)[-LONGEST_NAME:]
                raise ValueError(f"{index}: weight_map must name files beside it, got {last!r}.")
            names.add(name)
    if not 1 <= len(names) <= MAX_SHARDS:
        raise ValueError(f"{index}: weight_map must name 1 to {MAX_SHARDS:,} files, got {len(names):,}.")
    absent = [name for name in sorted(names) if not (index.parent / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{index} names {shortened(absent)}, which {index.parent} does not hold.")
    return [index.parent / name for name in sorted(names)]


@contextlib.contextmanager
def damage_named(source: object, *errors: type[Exception]) -> Iterator[None]:
    """Turn the errors that a library raises for a damaged file into a ValueError that names it."""
    try:
        yield
    except errors as error:
        if isinstance(error, ValueError) and str(source) in str(error):
            raise
        reason = escape(str(error).partition("\n")[0])[:150]
        raise ValueError(f"{source} is damaged or cut off ({reason}): save or download it again.") from None


def common_dtype(tensors: Iterable[TensorInfo]) -> str:
    """Return the dtype of all tensors that fill a weight, or float32 where they differ, as in half-converted files."""
    dtypes = {tensor.dtype for tensor in tensors if tensor.ours}
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= set(FLOATS) else "float32"


def write_tensors(path: Path, tensors: dict[str, np.ndarray], **metadata: str) -> None:
    """Write arrays, a dict by name, as a safetensors file with the permissions of the JSON files beside it."""
    save_file(tensors, path, metadata=metadata or None)
    shutil.copymode(next(path.parent.glob("*.json")), path)  # the library makes it readable by its owner only


def shortened(items: Sequence[str], most: int = 4) -> str:
    """Return the first few of a list of names as one string."""
    first = ", ".join(escape(item)[:LONGEST_NAME] for item in items[:most])
    return (first + (f" and {len(items) - most} more" if len(items) > most else "")) or "nothing"
