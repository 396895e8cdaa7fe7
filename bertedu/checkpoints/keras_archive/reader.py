"""Read and write `.keras` files for `keras.models.load_model`, with the tokenizer in the same archive.

A `.keras` file is a zip archive of a configuration, which names every object to build, and of weights. `archive` checks
the configuration; the weights are matched by path. Chapter: notebooks/11_checkpoints.ipynb.
"""

import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, native, strict
from bertedu.checkpoints.common import TensorInfo, check_table, no_vocabulary, preprocessor_for, weights
from bertedu.checkpoints.hdf5 import TRAINING_STATE, list_datasets, read_dataset
from bertedu.checkpoints.keras_archive.archive import CONFIG, SETTINGS, TOKENIZER, Archive, member, open_archive
from bertedu.checkpoints.keras_archive.paths import stored_paths
from bertedu.fields import ANYTHING, FLAG, read_fields
from bertedu.files import JSON_LIMIT, VOCABULARY_LIMIT, parse_json
from bertedu.pooling import EmbedSettings
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "Keras: a file that ends in .keras"
FIELDS = {"has_pooler": FLAG, **dict.fromkeys(native.SETTINGS, ANYTHING)}


def recognizes(path: Path) -> bool:
    """Return whether `path` is a `.keras` file."""
    return path.is_file() and path.suffix == ".keras"


def write(bert: Bert, path: Path) -> None:
    """Write a `Bert` as a `.keras` file: its head's model, or its encoder as a functional model.

    Args:
        bert: a `Bert`.
        path: a path that ends in .keras and does not exist yet; see `files.replacing`.

    Raises:
        ValueError: `path` has another suffix, `bert` has two heads, or `read` would refuse the result.
    """
    if path.suffix != ".keras":
        raise ValueError(f'path: expected the suffix ".keras" for format="keras", got {path.name!r}.')
    parts = {name: getattr(bert, name) for name in ("classifier", "token_classifier", "masked_lm")}
    heads = [name for name, part in parts.items() if part is not None]
    if len(heads) > 1:
        raise ValueError(f'format: expected at most one head for "keras", got {" and ".join(heads)}. Use "bertedu".')
    check_table(bert)
    encoder = bert.encoder
    model = parts[heads[0]] if heads else keras.Model(encoder.inputs, encoder(encoder.inputs), name="bert_model")
    settings = {"has_pooler": bert.has_pooler, **native.settings(bert)}
    model.save(path)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "a") as archive:
        bert.tokenizer.save(Path(folder) / TOKENIZER)
        archive.write(Path(folder) / TOKENIZER, TOKENIZER, zipfile.ZIP_DEFLATED)
        archive.writestr(SETTINGS, json.dumps(settings, indent=2), zipfile.ZIP_DEFLATED)
    with open_archive(path):
        pass  # write nothing that `read` would refuse


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a `.keras` file.

    Args:
        path: the file.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        FileNotFoundError: the vocabulary is neither in the file nor in a vocab.txt beside it.
        ValueError: the file is damaged, or holds an unsupported model.
    """
    with open_archive(path, dtype) as archive:
        settings = read_settings(archive)
        tokenizer = archive.preprocessor.tokenizer if archive.preprocessor else read_tokenizer(archive)
        parts = read_model(archive, dtype)
    preprocessor = archive.preprocessor or preprocessor_for(tokenizer, parts["encoder"])
    if "preprocessor" in settings:
        preprocessor = BertPreprocessor(tokenizer, **settings["preprocessor"])
    parts |= {"preprocessor": preprocessor, "embed_settings": EmbedSettings(**settings.get("embed", {}))}
    return Bert(tokenizer, has_pooler=settings.get("has_pooler", True), **parts)


def read_settings(archive: Archive) -> dict[str, Any]:
    """Return the checked settings in the archive's bertedu.json, or {} if it does not exist."""
    content = member(archive.zip, SETTINGS, archive.source, JSON_LIMIT)
    if content is None:
        return {}
    location = f"{archive.source}, {SETTINGS}"
    settings = read_fields(parse_json(content, location), FIELDS, location)
    return settings | native.check_settings(settings, location)


def read_tokenizer(archive: Archive) -> BertTokenizer:
    """Return the `BertTokenizer` in the archive, or that of a vocab.txt beside it."""
    content = member(archive.zip, TOKENIZER, archive.source, VOCABULARY_LIMIT)
    if content is None:
        vocabulary = Path(archive.source).with_name("vocab.txt")
        if not vocabulary.is_file():
            raise no_vocabulary(vocabulary)
        return BertTokenizer(vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / TOKENIZER
        file.write_bytes(content)
        return BertTokenizer.from_file(file)


def read_model(archive: Archive, dtype: str | None = None) -> dict[str, Any]:
    """Return the parts of the `Bert` in an archive, with its weights."""
    with archive.open_weights() as opened:
        parts, infos = build(archive, opened, dtype)
        stored = strict.Stored(infos, lambda t: read_dataset(opened, t.name, t.dtype), archive.source, CONFIG)
        strict.fill(stored, weights(**parts))
    return parts


def build(archive: Archive, opened: Any, dtype: str | None = None) -> tuple[dict[str, Any], list[TensorInfo]]:
    """Return the parts of a `Bert` before its weights are read, and a list of the `TensorInfo` of each array.

    Raises:
        ValueError: the configured model is larger than the stored weights.
    """
    infos = list_datasets(opened, archive.source)
    shapes, _ = assembly.model_shapes(archive.arguments, archive.heads, archive.source)
    needed, actual = (sum(map(math.prod, sizes)) for sizes in (shapes.values(), [tensor.shape for tensor in infos]))
    if needed > actual:
        raise ValueError(f"{archive.source}: expected {CONFIG}'s {needed:,} parameters, got {actual:,}. Save it again.")
    parts = assembly.build(archive.arguments, archive.heads, archive.source, dtype)
    paths = {id(variable): path for path, variable in weights(**parts).items()}
    model = parts["masked_lm"] or parts["classifier"] or parts["token_classifier"] or parts["encoder"]
    stored = stored_paths(model, archive.prefix)
    by_name = {name: paths.get(id(variable)) for name, variable in stored.items()}
    known = {tensor.name for tensor in infos if tensor.name in by_name or TRAINING_STATE.search(tensor.name)}
    return parts, [t._replace(weight_path=by_name.get(t.name), known=t.name in known) for t in infos]


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every weight in a file."""
    with open_archive(path) as archive, archive.open_weights() as opened:
        return build(archive, opened)[1]
