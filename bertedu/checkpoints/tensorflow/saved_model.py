"""SavedModels of the TensorFlow Hub (Kaggle Models): encoders, with or without `.mlm`, and preprocessors, read as data.

A SavedModel is a program and its weights. The program is never run: the weights lie in variables/ as a checkpoint with
the names that `reader` knows, the vocabulary in assets/. What the program alone says, which GELU it computes, is taken
to be the tanh form, as in every BERT that Google put there; `saved_model_writer` puts files beside the weights that say
it. Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

from bertedu.bert import Bert
from bertedu.checkpoints.common import TensorInfo, damage_named, no_vocabulary
from bertedu.checkpoints.tensorflow import files, reader
from bertedu.checkpoints.tensorflow.configuration import CONFIG, LOWERCASE, read_config
from bertedu.files import read_bytes
from bertedu.text import BertTokenizer

LOOKED_FOR = "TensorFlow Hub: a SavedModel (saved_model.pb with variables/ and assets/)"
GRAPH = "saved_model.pb"
MAX_GRAPH = 64_000_000  # bytes; those of the Hub's have 10 MB
TOKENIZER = "tokenizer.json"  # as Hugging Face's, beside the weights of a SavedModel of ours
FOLDS_CASE = "CaseFoldUTF8"  # the operation by which a preprocessor's tokenizer lower-cases; a cased one has none
TOKENIZES = ("WordpieceTokenizeWithOffsets", "FastWordpieceTokenizeWithOffsets")


def recognises(path: Path) -> bool:
    """Return whether `path` is the directory of a SavedModel."""
    return (path / GRAPH).is_file()


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of the SavedModel of an encoder; `dtype` and errors as in `reader.read`."""
    if not (path / "variables" / "variables.index").is_file():
        check_not_a_preprocessor(path)
    checkpoint = files.open_checkpoint(find_variables(path))
    if not any(tensor.ours for tensor in checkpoint.tensors):
        check_not_a_preprocessor(path)
    return reader.read_model(checkpoint, lambda: read_tokenizer(path, checkpoint), dtype)


def check_not_a_preprocessor(path: Path) -> None:
    """Raise ValueError where the SavedModel is a preprocessor's: its program tokenizes texts, and it has no weights."""
    lowercase = lowercase_of_graph(path)
    if lowercase is not None:
        tokenizer = f"be.BertTokenizer({str(path / 'assets' / 'vocab.txt')!r}, lowercase={lowercase})"
        use = f"Load its BERT with be.load, or use be.BertPreprocessor({tokenizer}, seq_length=128)."
        raise ValueError(f"{path} is the SavedModel of a preprocessor, and there is no BERT in it. {use}")


def tensors(path: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of every tensor in a SavedModel."""
    return files.open_checkpoint(find_variables(path), config={}).tensors


def find_variables(path: Path) -> Path:
    """Return the prefix of the checkpoint in a SavedModel."""
    prefix = path / "variables" / "variables"
    if not Path(f"{prefix}.index").is_file():
        raise FileNotFoundError(f"{path} is a SavedModel without its weights: {prefix}.index is missing.")
    return prefix


def read_tokenizer(path: Path, checkpoint: files.Checkpoint | None = None) -> BertTokenizer:
    """Return the `BertTokenizer` of a SavedModel, an encoder or a preprocessor.

    It is lower case where tokenizer.json, an encoder's variable `do_lower_case` or bert_config.json says so; else as a
    preprocessor's program does; else as for `reader.read_tokenizer`.

    Args:
        path: directory of the SavedModel.
        checkpoint: its `files.Checkpoint`, or None.

    Raises:
        FileNotFoundError, ValueError: files are missing or damaged, contradict each other, or nothing says the case.
    """
    checkpoint = checkpoint or files.open_checkpoint(find_variables(path))
    vocabulary, whole = path / "assets" / "vocab.txt", path / "variables" / TOKENIZER
    if not vocabulary.is_file() and not whole.is_file():
        raise no_vocabulary(path)
    tokenizer = BertTokenizer.from_file(whole) if whole.is_file() else None
    said: dict[str, Any] = {
        TOKENIZER: tokenizer and tokenizer.lowercase,
        f"the variable {LOWERCASE}": lowercase_of_variables(checkpoint),
        f"variables/{CONFIG}": checkpoint.config.get(LOWERCASE),
        CONFIG: read_config(path).get(LOWERCASE),
    }
    said = {place: value for place, value in said.items() if value is not None}
    if len(set(said.values())) > 1:
        raise ValueError(f"{path}: {' and '.join(said)} contradict each other about lower case: {said}.")
    if tokenizer is not None:
        return tokenizer
    lowercase = next(iter(said.values())) if said else lowercase_of_graph(path)
    return reader.read_tokenizer(vocabulary, lowercase)


def lowercase_of_variables(checkpoint: files.Checkpoint) -> bool | None:
    """Return the value of the variable `do_lower_case`, or None."""
    key = f"{LOWERCASE}{files.VALUE}"
    entry = checkpoint.entries.get(key)
    if entry is None:
        return None
    if entry.dtype != "bool" or entry.shape:
        raise ValueError(f"{checkpoint.prefix}: {LOWERCASE} must be true or false, got {entry.dtype} {entry.shape}.")
    return bool(files.read_value(files.open_reader(checkpoint.prefix), key, checkpoint.prefix))


def lowercase_of_graph(path: Path) -> bool | None:
    """Return whether the tokenizer in a preprocessor folds case; None where the SavedModel has no tokenizer in it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = path / GRAPH
    with damage_named(file, DecodeError):
        model = SavedModel.FromString(read_bytes(file, MAX_GRAPH))
    functions = [function for graph in model.meta_graphs for function in graph.graph_def.library.function]
    operations = {node.op for function in functions for node in function.node_def}
    return FOLDS_CASE in operations if operations.intersection(TOKENIZES) else None
