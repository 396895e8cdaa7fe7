"""Which files a TensorFlow checkpoint lies in, and what is in them; nothing is opened before its index is checked.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints.common import TensorInfo, damage_named, shortened
from bertedu.checkpoints.tensorflow.configuration import read_config
from bertedu.checkpoints.tensorflow.index import Entry, read_index, read_number
from bertedu.checkpoints.tensorflow.names import NAMES, OPTIMIZER, UNUSED, name_from_key, our_path
from bertedu.files import read_bytes
from bertedu.terminal import escape

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the entry that makes a checkpoint a TF2 one
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # the end of every key in one
MAX_GRAPH = 64_000_000  # bytes of an object graph; that of a BERT-large with its optimizer has 1 MB
LONGEST_NAME = 1000


class Checkpoint(NamedTuple):
    """A checkpoint of which no weight has been read.

    Args:
        prefix: path of its files without `.index` and `.data-...`.
        form: "TF1" or "TF2", whose names it has.
        entries: dict, key -> `index.Entry`.
        tensors: list of the `TensorInfo` of each; its place is its key.
        config: the fields of bert_config.json, {} where there is none.
    """

    prefix: Path
    form: str
    entries: dict[str, Entry]
    tensors: list[TensorInfo]
    config: dict[str, Any]


def recognises(path: Path) -> bool:
    """Return whether `path` looks like a checkpoint of TensorFlow's: a directory that holds one, or a prefix."""
    if path.is_dir():
        return any(file.is_file() for sign in ("checkpoint", "*.index", "*.data-*-of-*") for file in path.glob(sign))
    return Path(f"{without_index(path)}.index").is_file()


def tensors(path: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of every tensor in a checkpoint."""
    return open_checkpoint(find_prefix(path), config={}).tensors


def open_checkpoint(prefix: Path, config: dict[str, Any] | None = None) -> Checkpoint:
    """Return the `Checkpoint` whose files begin with `prefix`.

    Args:
        prefix: path, as `find_prefix` returns it.
        config: dict, what to use in place of the bert_config.json beside it.
    """
    entries = read_index(prefix)
    names = variable_names(entries, prefix)
    form = "TF1" if any(NAMES["TF1"].layers.search(name) for name in names.values()) else "TF2"
    scaffolds = [re.match(r"(?:.*/)?transformer_scaffold(?:_(\d{1,9}))?/", name) for name in names.values()]
    first = min((int(match[1] or 0) for match in scaffolds if match), default=0)  # Keras counts on within a process
    infos = []
    for key, name in sorted(names.items()):
        of_training = OPTIMIZER.search(key) or OPTIMIZER.search(name)
        ours = None if of_training else our_path(name, form, first)
        known = bool(ours or of_training or UNUSED.search(key) or UNUSED.search(name))
        infos.append(TensorInfo(name, entries[key].shape, entries[key].dtype, ours, known, key))
    return Checkpoint(prefix, form, entries, infos, read_config(prefix.parent) if config is None else config)


def variable_names(entries: dict[str, Entry], prefix: Path) -> dict[str, str]:
    """Return each key's name: itself in TF1, in TF2 the variable's full name (else its key in tf-models' words)."""
    if OBJECT_GRAPH not in entries:
        return {key: key for key in entries}
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    check_string(entries[OBJECT_GRAPH], f"{prefix}.index: its object graph")
    with damage_named(f"{prefix}.index: its object graph", DecodeError):
        graph = TrackableObjectGraph.FromString(read_value(open_reader(prefix), OBJECT_GRAPH, prefix))
    saved = {a.checkpoint_key: a.full_name for node in graph.nodes for a in node.attributes}
    names = {}
    for key in entries.keys() - {OBJECT_GRAPH}:
        short = key.removesuffix(VALUE)
        name = saved.get(key) or name_from_key(short)
        names[key] = name if "/" in name and len(name) <= LONGEST_NAME else short  # "Variable" says less than the key
    return names


def check_string(entry: Entry, place: str) -> None:
    """Raise ValueError unless a tensor is one string, as long as it says, which TensorFlow does not check."""
    if entry.dtype != "string" or entry.shape or not 6 <= entry.size <= MAX_GRAPH:
        raise ValueError(f"{place} is not one string of at most {MAX_GRAPH:,} bytes: download it again.")
    with open(entry.file, "rb") as file:
        file.seek(entry.offset)
        head = file.read(min(entry.size, 10))
    try:
        length, at = read_number(head, 0)
    except (IndexError, ValueError):
        length, at = -1, 0
    if at + 4 + length != entry.size:  # a checksum stands between
        raise ValueError(f"{place} is damaged or cut off: download it again.")


def find_prefix(path: Path) -> Path:
    """Return the prefix of the checkpoint at `path`: itself, or in a directory the newest by its `checkpoint` file."""
    if not path.is_dir():
        prefix = without_index(path)
        if not Path(f"{prefix}.index").is_file():
            raise FileNotFoundError(f"There is no checkpoint {path}: neither a directory nor a file {prefix}.index.")
        return prefix
    names = sorted(file.name.removesuffix(".index") for file in path.glob("*.index"))
    latest = newest(path / "checkpoint") if (path / "checkpoint").is_file() else None
    names = [latest] if latest in names else names
    if not names:
        raise FileNotFoundError(f"{path} holds no checkpoint: a file that ends in .index is needed, and its data.")
    if len(names) > 1:
        raise ValueError(f"{path} holds several checkpoints: name one of {shortened(names)}, as in {path / names[0]}.")
    return path / names[0]


def newest(file: Path) -> str | None:
    """Return the name in a `checkpoint` file, or None. Of an absolute path only the name counts: folders are moved."""
    content = read_bytes(file).decode("utf-8", "replace")
    match = re.search(r'^model_checkpoint_path: "(.+)"', content, re.MULTILINE)
    if match and not Path(match[1]).is_absolute() and Path(match[1]).name != match[1]:
        named = f"{escape(match[1])[:200]!r}, which is not beside it"
        raise ValueError(f"{file} names {named}, and is not followed: name the checkpoint by its own path.")
    return Path(match[1]).name if match else None


def without_index(path: Path) -> Path:
    """Return a prefix, also of the path of its index."""
    return path.with_name(path.name.removesuffix(".index"))


def open_reader(prefix: Path) -> Any:
    """Return TensorFlow's reader of a checkpoint that `read_index` has checked."""
    import tensorflow as tf

    with damage_named(f"{prefix}.index", tf.errors.OpError, *UNTRANSLATED):
        return tf.train.load_checkpoint(str(prefix))


def read_value(reader: Any, key: str, prefix: Path) -> Any:
    """Return one value of a checkpoint; the file is named when it is damaged."""
    import tensorflow as tf

    with damage_named(f"{prefix}.data-*, read for {key!r},", tf.errors.OpError, *UNTRANSLATED):
        return reader.get_tensor(key)


UNTRANSLATED = (IndexError, RuntimeError, ValueError)  # what the reader raises besides TensorFlow's own errors
