"""Helpers of all formats: tensors and weights by name, the files that an index lists, and the checks of writers.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from bertedu.aliases import renamed_attribute
from bertedu.encoder import BertEncoder
from bertedu.files import read_json
from bertedu.terminal import escape
from bertedu.text import BertPreprocessor, BertTokenizer

if TYPE_CHECKING:
    from bertedu.bert import Bert

PREPROCESSOR_LENGTH = 128  # default seq_length of a model's preprocessor, as on TensorFlow Hub
LONGEST_NAME = 200  # maximum characters of a file's name in a message
MAX_SHARDS = 1000
FLOATS = ("float32", "float16", "bfloat16", "float64")
"""Dtypes of weights that can be read. Others are quantized, and need scales that are stored elsewhere."""


class TensorInfo(NamedTuple):
    """A tensor in a checkpoint that has not been read yet.

    Args:
        name: string, its name in the checkpoint.
        shape: tuple of ints.
        dtype: NumPy's name of the dtype ("float32").
        weight_path: path of the weight that it fills ("layer_0/feedforward/output/kernel", "masked_lm/output_bias",
            "classifier/kernel"). Defaults to None: it fills none.
        known: bool, whether its name is known in BERT checkpoints. Defaults to False.
        location: where the format's reader finds it; private to that reader.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    weight_path: str | None = None
    known: bool = False
    location: Any = None


TensorInfo.ours = renamed_attribute("ours", "weight_path")  # type: ignore[attr-defined]


def weights(
    encoder: BertEncoder, masked_lm: Any = None, classifier: Any = None, token_classifier: Any = None
) -> dict[str, Any]:
    """Return every weight of a model by its path, the key of all tables of names.

    Args:
        encoder: a `BertEncoder`.
        masked_lm: a `BertPretrainer` on it. Defaults to None.
        classifier: a `BertClassifier` on it. Defaults to None.
        token_classifier: a `BertTokenClassifier` on it. Defaults to None.

    Returns:
        dict, path -> variable. The paths of heads begin with "masked_lm/", "classification_heads/" (other heads of a
        pretrainer), "classifier/" and "token_classifier/".
    """
    table = encoder.get_embedding_layer()
    parts = {
        "": encoder,
        "masked_lm/": masked_lm and masked_lm.masked_lm,
        "classifier/": classifier and classifier.classifier,
        "token_classifier/logits/": token_classifier and token_classifier.classifier,
    }
    variables = {f"embeddings/{table.name}/embeddings": table.embeddings}  # the table may belong to another model
    for prefix, part in parts.items():
        for variable in part.weights if part is not None else ():
            path = prefix + (variable.path.partition(f"{part.name}/")[2] or variable.path)
            if variable is table.embeddings:
                continue
            if path in variables:
                raise ValueError(f"{path}: expected one weight at this path, got two. Give their layers unique names.")
            variables[path] = variable
    for i, head in enumerate(masked_lm.classification_heads if masked_lm else ()):
        variables |= {f"classification_heads/{i}/{j}": variable for j, variable in enumerate(head.weights)}
    return variables


def weights_of(bert: Bert) -> dict[str, Any]:
    """Return the weights of a `Bert` to save, as `weights` does, without a pooler that was never trained."""
    if bert.masked_lm is not None and (heads := bert.masked_lm.classification_heads):
        raise ValueError(f'masked_lm: expected no classification_heads, got {len(heads)}. Choose format="keras".')
    with_pooler = bert.has_pooler or bert.classifier is not None
    variables = weights(bert.encoder, bert.masked_lm, bert.classifier, bert.token_classifier)
    return {path: v for path, v in variables.items() if with_pooler or not path.startswith("pooler_transform/")}


def check_table(bert: Bert) -> None:
    """Raise ValueError if the masked-LM head has a separate embedding table, which no format stores."""
    head = bert.masked_lm and bert.masked_lm.masked_lm
    if head is not None and getattr(head, "table", None) is not bert.encoder.get_embedding_table():
        raise ValueError("masked_lm: expected embedding_table=encoder.get_embedding_layer(), got a separate table.")


def check_encoders(bert: Bert) -> None:
    """Raise ValueError if a head of a `Bert` is on another encoder."""
    for head, encoder in (("masked_lm", "encoder_network"), ("classifier", "network"), ("token_classifier", "network")):
        if getattr(getattr(bert, head), encoder, bert.encoder) is not bert.encoder:
            raise ValueError(f"{head}: expected a head on bert.encoder, got one on another. Pass the head's encoder.")


def special_parts(encoder: BertEncoder, attention: Sequence[type], feedforward: Sequence[type]) -> list[str]:
    """Return descriptions of the arguments of an encoder that a format cannot store.

    Args:
        encoder: a `BertEncoder`.
        attention, feedforward: lists of the layer classes that the format supports.
    """
    parts = {
        f"attention_cls={encoder.attention_cls.__name__}": encoder.attention_cls not in attention,
        f"feedforward_cls={encoder.feedforward_cls.__name__}": encoder.feedforward_cls not in feedforward,
        f"norm_first={encoder.norm_first}": encoder.norm_first,
        f"output_range={encoder.output_range}": encoder.output_range is not None,
        "a custom embedding_layer": encoder.embedding_layer is not None,
        "pruned_heads (its number of heads is the same in all layers)": encoder.pruned_heads is not None,
        "an inner_dim for each layer (its inner_dim is the same in all layers)": isinstance(encoder.inner_dim, tuple),
    }
    return [description for description, present in parts.items() if present]


def preprocessor_for(
    tokenizer: BertTokenizer, encoder: BertEncoder, truncation: str = "round_robin", length: int = PREPROCESSOR_LENGTH
) -> BertPreprocessor:
    """Return the `BertPreprocessor` of a checkpoint. Its seq_length is `length`, at most the positions."""
    return BertPreprocessor(tokenizer, min(length, encoder.max_sequence_length), truncation)


def no_vocabulary(file: Path) -> FileNotFoundError:
    """Return the error for a checkpoint whose vocabulary file does not exist."""
    return FileNotFoundError(f"{file}: expected the vocabulary, got no such file. Copy the model's vocab.txt there.")


def weight_files(directory: Path, weights: str, index: str, hint: str = "") -> list[Path]:
    """Return a list of the weight files in a directory: one, or the shards that its index lists.

    Args:
        directory: path of the directory.
        weights, index: names of the file and of the index.
        hint: string, appended to the error if both are missing. Defaults to "".
    """
    if (directory / weights).is_file():
        return [directory / weights]
    if (directory / index).is_file():
        return shard_files(directory / index)
    raise FileNotFoundError(f"{directory}: expected {weights} or {index}, got neither. Download it again.{hint}")


def shard_files(index: Path) -> list[Path]:
    """Return a list of the files in the `weight_map` of an index, which must lie in the same directory.

    Raises:
        ValueError: the index is damaged, or names a file in another directory.
        FileNotFoundError: a file is missing.
    """
    weight_map, names = read_json(index).get("weight_map"), set()
    for entry in weight_map.values() if isinstance(weight_map, dict) else ():
        for name in entry if isinstance(entry, list) else [entry]:
            if not isinstance(name, str) or name in ("", ".", "..") or re.search(r"[/\\:\0]", name):
                last = escape(name)[-LONGEST_NAME:]
                raise ValueError(f"{index}: weight_map: expected files beside it, got {last!r}.")
            names.add(name)
    if not 1 <= len(names) <= MAX_SHARDS:
        raise ValueError(f"{index}: weight_map: expected 1 to {MAX_SHARDS:,} files, got {len(names):,}.")
    absent = [name for name in sorted(names) if not (index.parent / name).is_file()]
    if absent:
        raise FileNotFoundError(f"{index}: expected {shortened(absent)} beside it, got no file. Download it again.")
    return [index.parent / name for name in sorted(names)]


@contextlib.contextmanager
def translate_errors(source: object, *errors: type[Exception]) -> Iterator[None]:
    """Turn the errors that a library raises for a damaged file into a ValueError that names `source`."""
    try:
        yield
    except errors as error:
        if isinstance(error, ValueError) and str(source) in str(error):
            raise
        reason = escape(str(error).partition("\n")[0])[:150]
        raise ValueError(f"{source} is damaged or truncated ({reason}). Save or download it again.") from None


def shapes_by_path(tensors: Iterable[TensorInfo]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors that fill a weight: dict, path of the weight -> shape in the checkpoint."""
    return {tensor.weight_path: tensor.shape for tensor in tensors if tensor.weight_path}


def common_dtype(tensors: Iterable[TensorInfo]) -> str:
    """Return the dtype of all tensors that fill a weight, or "float32" if they differ."""
    dtypes = {tensor.dtype for tensor in tensors if tensor.weight_path}
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= set(FLOATS) else "float32"


def write_tensors(path: Path, tensors: dict[str, np.ndarray], **metadata: str) -> None:
    """Write arrays, a dict by name, as a safetensors file."""
    path.touch()
    mode = path.stat().st_mode  # by the umask; the library makes the file readable by its owner only
    save_file(tensors, path, metadata=metadata or None)
    path.chmod(mode)


def shortened(items: Sequence[str], limit: int = 4) -> str:
    """Return the first `limit` of a list of names as one string."""
    first = ", ".join(escape(item)[:LONGEST_NAME] for item in items[:limit])
    return (first + (f" and {len(items) - limit} more" if len(items) > limit else "")) or "none"
