"""`.keras` files: what `keras.models.load_model` opens, with the tokenizer beside the model in the same archive.

A `.keras` file is a zip of a configuration, which names every object to be made, and of weights. `archive` says which
models are recognised; their weights are filled by path. Chapter: notebooks/10_checkpoints.ipynb.
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
from bertedu.checkpoints.hdf5 import is_of_training, list_datasets, read_dataset
from bertedu.checkpoints.keras_archive.archive import (
    CONFIG,
    SETTINGS,
    TOKENIZER,
    Archive,
    member,
    open_archive,
    open_weights,
)
from bertedu.checkpoints.keras_archive.paths import stored_paths
from bertedu.fields import ANYTHING, FLAG, read_fields
from bertedu.files import JSON_LIMIT, VOCABULARY_LIMIT, parse_json
from bertedu.pooling import EmbedSettings
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "Keras: a file that ends in .keras"
FIELDS = {"has_pooler": FLAG, **dict.fromkeys(native.SETTINGS, ANYTHING)}


def recognises(path: Path) -> bool:
    """Return whether `path` is a `.keras` file."""
    return path.is_file() and path.suffix == ".keras"


def write(bert: Bert, path: Path) -> None:
    """Write a `Bert` as a `.keras` file: its classifier, its pretrainer, or else its encoder as a functional model.

    Args:
        bert: a `Bert`.
        path: a path that ends in .keras and is not there yet; see `files.replacing`.

    Raises:
        ValueError: another ending, two heads, of which a file can hold one, or what `read` would refuse.
    """
    if path.suffix != ".keras":
        raise ValueError(f'path must end in ".keras" for format="keras", got {path.name!r}.')
    if bert.masked_lm is not None and bert.classifier is not None:
        raise ValueError('A .keras file holds one model, and this has two heads: choose format="bertedu".')
    check_table(bert)
    encoder = bert.encoder
    model = bert.classifier or bert.masked_lm or keras.Model(encoder.inputs, encoder(encoder.inputs), name="bert_model")
    settings = {"has_pooler": bert.has_pooler, **native.settings(bert)}
    model.save(path)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "a") as archive:
        bert.tokenizer.save(Path(folder) / TOKENIZER)
        archive.write(Path(folder) / TOKENIZER, TOKENIZER, zipfile.ZIP_DEFLATED)
        archive.writestr(SETTINGS, json.dumps(settings, indent=2), zipfile.ZIP_DEFLATED)
    with open_archive(path):
        pass  # so that nothing is written that `read` would refuse


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a `.keras` file.

    Args:
        path: the file.
        dtype: name of the type of the weights. Defaults to the one they have there.

    Raises:
        FileNotFoundError: neither the file nor a vocab.txt beside it holds the vocabulary.
        ValueError: damaged, or another model than those that are recognised.
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
    """Return the settings that we wrote beside Keras' own members, checked; {} where there are none."""
    content = member(archive.zip, SETTINGS, archive.source, JSON_LIMIT)
    if content is None:
        return {}
    place = f"{archive.source}, {SETTINGS}"
    settings = read_fields(parse_json(content, place), FIELDS, place)
    return settings | native.check_settings(settings, place)


def read_tokenizer(archive: Archive) -> BertTokenizer:
    """Return the `BertTokenizer` that `write` put into the archive, or that of a vocab.txt beside it."""
    content = member(archive.zip, TOKENIZER, archive.source, VOCABULARY_LIMIT)
    if content is None:
        vocabulary = Path(archive.source).with_name("vocab.txt")
        if not vocabulary.is_file():
            raise no_vocabulary(archive.source)
        return BertTokenizer(vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / TOKENIZER
        file.write_bytes(content)
        return BertTokenizer.from_file(file)


def read_model(archive: Archive, dtype: str | None = None) -> dict[str, Any]:
    """Return the parts of a `Bert` that an archive holds, filled with its weights."""
    with open_weights(archive) as opened:
        parts, infos = build(archive, opened, dtype)
        stored = strict.Stored(infos, lambda t: read_dataset(opened, t.name, t.dtype), archive.source, CONFIG)
        strict.fill(stored, weights(**parts))
    return parts


def build(archive: Archive, opened: Any, dtype: str | None = None) -> tuple[dict[str, Any], list[TensorInfo]]:
    """Return the parts of a `Bert`, not filled, and the `TensorInfo` of each array, by the paths at which Keras stores
    each weight of a built model.

    Raises:
        ValueError: the configuration describes a larger model than the weights that are there fill.
    """
    infos = list_datasets(opened, archive.source)
    shapes, _ = assembly.model_shapes(archive.arguments, archive.heads, archive.source)
    needed, there = (sum(map(math.prod, sizes)) for sizes in (shapes.values(), [tensor.shape for tensor in infos]))
    if needed > there:
        raise ValueError(f"{archive.source}: expected {needed:,} weights, as {CONFIG} describes, got only {there:,}.")
    parts = assembly.build(archive.arguments, archive.heads, archive.source, dtype)
    paths = {id(variable): path for path, variable in weights(**parts).items()}
    stored = stored_paths(parts["masked_lm"] or parts["classifier"] or parts["encoder"], archive.prefix)
    ours = {key: paths.get(id(variable)) for key, variable in stored.items()}
    return parts, [t._replace(ours=ours.get(t.name), known=t.name in ours or is_of_training(t.name)) for t in infos]


def tensors(path: Path) -> list[TensorInfo]:
    """Return the `TensorInfo` of every weight in a file."""
    with open_archive(path) as archive, open_weights(archive) as opened:
        return build(archive, opened)[1]
