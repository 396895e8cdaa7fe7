"""Read SavedModels of TensorFlow Hub (Kaggle Models): encoders, with or without `.mlm`, and preprocessors' tokenizers.

A SavedModel is a program and its weights. The program is never run: the weights are a checkpoint in variables/, the
vocabulary is in assets/. Only the program contains the activation, which is assumed to be the tanh approximation of
GELU, as in all of Google's BERTs; `saved_model_writer` adds files that state it. Chapter:
notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

from bertedu.bert import Bert
from bertedu.checkpoints.common import TensorInfo, no_vocabulary, translate_errors
from bertedu.checkpoints.tensorflow import files, reader
from bertedu.checkpoints.tensorflow.configuration import CONFIG, LOWERCASE, read_config
from bertedu.files import read_bytes
from bertedu.text import BertTokenizer

LOOKED_FOR = "TensorFlow Hub: a SavedModel (saved_model.pb with variables/ and assets/)"
GRAPH = "saved_model.pb"
MAX_GRAPH = 64_000_000  # bytes; those on TensorFlow Hub are 10 MB in size
TOKENIZER = "tokenizer.json"  # beside the weights, written by `saved_model_writer`
FOLDS_CASE = "CaseFoldUTF8"  # operation of a preprocessor that lower-cases
TOKENIZES = ("WordpieceTokenizeWithOffsets", "FastWordpieceTokenizeWithOffsets")


def recognizes(path: Path) -> bool:
    """Return whether `path` is the directory of a SavedModel."""
    return (path / GRAPH).is_file()


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of an encoder's SavedModel; arguments and errors as in `reader.read`."""
    if not (path / "variables" / "variables.index").is_file():
        check_not_a_preprocessor(path)
    checkpoint = files.open_checkpoint(find_variables(path))
    if not any(tensor.weight_path for tensor in checkpoint.tensors):
        check_not_a_preprocessor(path)
    return reader.read_model(checkpoint, lambda: read_tokenizer(path, checkpoint), dtype)


def check_not_a_preprocessor(path: Path) -> None:
    """Raise ValueError if the program of a SavedModel tokenizes texts, so that it is a preprocessor."""
    lowercase = lowercase_of_graph(path)
    if lowercase is not None:
        tokenizer = f"be.BertTokenizer({str(path / 'assets' / 'vocab.txt')!r}, lowercase={lowercase})"
        way_out = f"Load its BERT with be.load, or use be.BertPreprocessor({tokenizer}, seq_length=128)."
        raise ValueError(f"{path}: expected the SavedModel of a BERT, got that of a preprocessor. {way_out}")


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in a SavedModel."""
    return files.open_checkpoint(find_variables(path), config={}).tensors


def find_variables(path: Path) -> Path:
    """Return the prefix of the checkpoint in a SavedModel."""
    prefix = path / "variables" / "variables"
    if not Path(f"{prefix}.index").is_file():
        raise FileNotFoundError(f"{path}: expected {prefix}.index, got no such file. Download the SavedModel again.")
    return prefix


def read_tokenizer(path: Path, checkpoint: files.Checkpoint | None = None) -> BertTokenizer:
    """Return the `BertTokenizer` of the SavedModel of an encoder or a preprocessor.

    Its case comes from tokenizer.json, the variable `do_lower_case` or bert_config.json, else from a preprocessor's
    program, else from the directory's name as in `reader.read_tokenizer`.

    Args:
        path: directory of the SavedModel.
        checkpoint: its `files.Checkpoint`. Defaults to None: it is opened.

    Raises:
        FileNotFoundError, ValueError: files are missing, damaged or contradictory, or the case is unknown.
    """
    checkpoint = checkpoint or files.open_checkpoint(find_variables(path))
    vocabulary, whole = path / "assets" / "vocab.txt", path / "variables" / TOKENIZER
    if not vocabulary.is_file() and not whole.is_file():
        raise no_vocabulary(vocabulary)
    tokenizer = BertTokenizer.from_file(whole) if whole.is_file() else None
    lowercase_of: dict[str, Any] = {
        TOKENIZER: tokenizer and tokenizer.lowercase,
        f"the variable {LOWERCASE}": lowercase_of_variables(checkpoint),
        f"variables/{CONFIG}": checkpoint.config.get(LOWERCASE),
        CONFIG: read_config(path).get(LOWERCASE),
    }
    lowercase_of = {source: value for source, value in lowercase_of.items() if value is not None}
    if len(set(lowercase_of.values())) > 1:
        raise ValueError(f"{path}: expected one value of do_lower_case, got {lowercase_of}. Correct the wrong file.")
    if tokenizer is not None:
        return tokenizer
    lowercase = next(iter(lowercase_of.values())) if lowercase_of else lowercase_of_graph(path)
    return reader.read_tokenizer(vocabulary, lowercase)


def lowercase_of_variables(checkpoint: files.Checkpoint) -> bool | None:
    """Return the value of the variable `do_lower_case`, or None if it does not exist."""
    key = f"{LOWERCASE}{files.VALUE}"
    entry = checkpoint.entries.get(key)
    if entry is None:
        return None
    if entry.dtype != "bool" or entry.shape:
        raise ValueError(f"{checkpoint.prefix}: {LOWERCASE}: expected a bool, got {entry.dtype} {entry.shape}.")
    return bool(files.read_value(files.open_reader(checkpoint.prefix), key, checkpoint.prefix))


def lowercase_of_graph(path: Path) -> bool | None:
    """Return whether the program of a preprocessor lower-cases texts; None if it has no tokenizer."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = path / GRAPH
    with translate_errors(file, DecodeError):
        model = SavedModel.FromString(read_bytes(file, MAX_GRAPH))
    functions = [function for graph in model.meta_graphs for function in graph.graph_def.library.function]
    operations = {node.op for function in functions for node in function.node_def}
    return FOLDS_CASE in operations if operations.intersection(TOKENIZES) else None
