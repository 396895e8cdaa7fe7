"""Find and list the tensors of a TensorFlow checkpoint, and read them once its index has been checked.

Chapter: notebooks/11_checkpoints.ipynb.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints.common import TensorInfo, shortened, translate_errors
from bertedu.checkpoints.tensorflow.configuration import read_config
from bertedu.checkpoints.tensorflow.index import Entry, read_index, read_number
from bertedu.checkpoints.tensorflow.names import NAMES, OPTIMIZER, UNUSED, name_from_key, our_path
from bertedu.files import read_bytes
from bertedu.terminal import escape

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the entry that only TF2 checkpoints have
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"  # the end of every key in a TF2 checkpoint
MAX_GRAPH = 64_000_000  # bytes of an object graph; that of BERT-Large with its optimizer is 1 MB in size
LONGEST_NAME = 1000


class Checkpoint(NamedTuple):
    """A checkpoint before its weights are read.

    Args:
        prefix: `Path` of its files without `.index` and `.data-...`.
        form: "TF1" or "TF2", the names that it uses.
        entries: dict, key -> `index.Entry`.
        tensors: list of the `TensorInfo` of all tensors; their location is the key.
        config: dict, the fields of bert_config.json, {} if it does not exist.
    """

    prefix: Path
    form: str
    entries: dict[str, Entry]
    tensors: list[TensorInfo]
    config: dict[str, Any]


def recognizes(path: Path) -> bool:
    """Return whether `path` is a TensorFlow checkpoint: a directory that contains one, or a prefix."""
    if path.is_dir():
        return any(file.is_file() for name in ("checkpoint", "*.index", "*.data-*-of-*") for file in path.glob(name))
    return Path(f"{without_index(path)}.index").is_file()


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in a checkpoint."""
    return open_checkpoint(find_prefix(path), config={}).tensors


def open_checkpoint(prefix: Path, config: dict[str, Any] | None = None) -> Checkpoint:
    """Return the `Checkpoint` whose files begin with `prefix`.

    Args:
        prefix: path, as from `find_prefix`.
        config: dict, the fields of bert_config.json. Defaults to those of the file beside the checkpoint.
    """
    entries = read_index(prefix)
    names = variable_names(entries, prefix)
    form = "TF1" if any(NAMES["TF1"].layer_pattern.search(name) for name in names.values()) else "TF2"
    scaffolds = [re.match(r"(?:.*/)?transformer_scaffold(?:_(\d{1,9}))?/", name) for name in names.values()]
    first = min((int(match[1] or 0) for match in scaffolds if match), default=0)  # Keras numbers layers per process
    infos = []
    for key, name in sorted(names.items()):
        training_state = OPTIMIZER.search(key) or OPTIMIZER.search(name)
        weight_path = None if training_state else our_path(name, form, first)
        known = bool(weight_path or training_state or UNUSED.search(key) or UNUSED.search(name))
        infos.append(TensorInfo(name, entries[key].shape, entries[key].dtype, weight_path, known, key))
    return Checkpoint(prefix, form, entries, infos, read_config(prefix.parent) if config is None else config)


def variable_names(entries: dict[str, Entry], prefix: Path) -> dict[str, str]:
    """Return the name of each key: in TF1 the key, in TF2 the variable's full name, else tf-models' name of the key."""
    if OBJECT_GRAPH not in entries:
        return {key: key for key in entries}
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    check_string(entries[OBJECT_GRAPH], f"{prefix}.index: its object graph")
    with translate_errors(f"{prefix}.index: its object graph", DecodeError):
        graph = TrackableObjectGraph.FromString(read_value(open_reader(prefix), OBJECT_GRAPH, prefix))
    saved = {a.checkpoint_key: a.full_name for node in graph.nodes for a in node.attributes}
    names = {}
    for key in entries.keys() - {OBJECT_GRAPH}:
        short = key.removesuffix(VALUE)
        name = saved.get(key) or name_from_key(short)
        names[key] = name if "/" in name and len(name) <= LONGEST_NAME else short  # the key says more than "Variable"
    return names


def check_string(entry: Entry, source: str) -> None:
    """Raise ValueError unless a tensor is one string of the stated length, which TensorFlow does not check."""
    if entry.dtype != "string" or entry.shape or not 6 <= entry.size <= MAX_GRAPH:
        raise ValueError(f"{source}: expected one string of at most {MAX_GRAPH:,} bytes. Download it again.")
    with open(entry.file, "rb") as file:
        file.seek(entry.offset)
        head = file.read(min(entry.size, 10))
    try:
        length, at = read_number(head, 0)
    except (IndexError, ValueError):
        length, at = -1, 0
    if at + 4 + length != entry.size:  # 4 bytes for a checksum
        raise ValueError(f"{source} is damaged or truncated. Download it again.")


def find_prefix(path: Path) -> Path:
    """Return the prefix of the checkpoint at `path`; in a directory, the newest by its `checkpoint` file."""
    if not path.is_dir():
        prefix = without_index(path)
        if not Path(f"{prefix}.index").is_file():
            raise FileNotFoundError(f"{path}: expected a directory or a file {prefix}.index, got neither.")
        return prefix
    names = sorted(file.name.removesuffix(".index") for file in path.glob("*.index"))
    latest = newest(path / "checkpoint") if (path / "checkpoint").is_file() else None
    names = [latest] if latest in names else names
    if not names:
        raise FileNotFoundError(f"{path}: expected a checkpoint (NAME.index and NAME.data-*), got no .index file.")
    if len(names) > 1:
        expected = f"expected one checkpoint, got {shortened(names)}"
        raise ValueError(f"{path}: {expected}. Pass the prefix of one, such as {path / names[0]}.")
    return path / names[0]


def newest(file: Path) -> str | None:
    """Return the name in a `checkpoint` file, or None. The directory of an absolute path is ignored."""
    content = read_bytes(file).decode("utf-8", "replace")
    match = re.search(r'^model_checkpoint_path: "(.+)"', content, re.MULTILINE)
    if match and not Path(match[1]).is_absolute() and Path(match[1]).name != match[1]:
        expected = f"expected a name in its own directory, got {escape(match[1])[:200]!r}"
        raise ValueError(f"{file}: {expected}, which is not followed. Pass the checkpoint's own path.")
    return Path(match[1]).name if match else None


def without_index(path: Path) -> Path:
    """Return the prefix for a prefix or the path of an index."""
    return path.with_name(path.name.removesuffix(".index"))


def open_reader(prefix: Path) -> Any:
    """Return TensorFlow's reader of a checkpoint, which `read_index` must have checked."""
    import tensorflow as tf

    with translate_errors(f"{prefix}.index", tf.errors.OpError, *UNTRANSLATED):
        return tf.train.load_checkpoint(str(prefix))


def read_value(reader: Any, key: str, prefix: Path) -> Any:
    """Return one value of a checkpoint. The error for a damaged file names it."""
    import tensorflow as tf

    with translate_errors(f"{prefix}.data-*, read for {key!r},", tf.errors.OpError, *UNTRANSLATED):
        return reader.get_tensor(key)


UNTRANSLATED = (IndexError, RuntimeError, ValueError)  # other errors of TensorFlow's reader
