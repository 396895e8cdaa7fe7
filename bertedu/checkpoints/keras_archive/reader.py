"""`.keras` files: what `keras.models.load_model` opens, with the tokenizer beside the model in the same archive.

A `.keras` file is a zip of a configuration, which names every object to be made, and of weights. `archive` says which
models are recognised; their weights are filled by path. Chapter: notebooks/10_checkpoints.ipynb.
"""

import json
import math
import tempfile
import zipfile
from pathlib import Path

import keras

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, native, strict
from bertedu.checkpoints.common import TensorInfo, no_vocabulary, preprocessor_for, weights
from bertedu.checkpoints.hdf5 import is_of_training, list_datasets, read_dataset
from bertedu.checkpoints.keras_archive.archive import (
    CONFIG,
    SETTINGS,
    TOKENIZER,
    WEIGHTS,
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
TRUNCATION = "round_robin"
FIELDS = {"has_pooler": FLAG, "preprocessor": ANYTHING, "embed": ANYTHING}


def recognises(path):
    """Return whether `path` is a `.keras` file."""
    return Path(path).is_file() and Path(path).suffix == ".keras"


def write(bert, path):
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
    if bert.masked_lm is not None:
        native.check_table(bert)
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


def read(path, dtype=None):
    """Return the `Bert` of a `.keras` file.

    Args:
        path: the file.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Raises:
        FileNotFoundError: neither the file nor a vocab.txt beside it holds the vocabulary.
        ValueError: damaged, or another model than those that are recognised.
    """
    with open_archive(path, dtype) as archive:
        settings = read_settings(archive)
        tokenizer = archive.preprocessor.tokenizer if archive.preprocessor else read_tokenizer(archive)
        encoder, masked_lm, classifier = read_model(archive, dtype)
    preprocessor = archive.preprocessor or preprocessor_for(tokenizer, encoder, TRUNCATION)
    if "preprocessor" in settings:
        preprocessor = BertPreprocessor(tokenizer, **settings["preprocessor"])
    return Bert(
        tokenizer,
        encoder,
        preprocessor,
        has_pooler=settings.get("has_pooler", True),
        embed_settings=EmbedSettings(**settings.get("embed", {})),
        masked_lm=masked_lm,
        classifier=classifier,
    )


def read_settings(archive):
    """Return what we have written beside Keras' own members, checked; {} where there is nothing."""
    content = member(archive.zip, SETTINGS, archive.source, JSON_LIMIT)
    if content is None:
        return {}
    place = f"{archive.source}, {SETTINGS}"
    settings = read_fields(parse_json(content, place), FIELDS, place)
    for field, table in (("preprocessor", native.PREPROCESSOR), ("embed", native.EMBED)):
        if field in settings:
            settings[field] = read_fields(settings[field], table, f"{place}, {field}")
    return settings


def read_tokenizer(archive):
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


def read_model(archive, dtype=None):
    """Return the encoder, pretrainer and classifier of an archive, filled with its weights."""
    with open_weights(archive) as opened:
        datasets = list_datasets(opened, archive.source)
        check_size(archive, datasets)
        encoder, masked_lm, classifier = assembly.build(archive.arguments, archive.heads, archive.source, dtype)
        model = masked_lm or classifier or encoder
        variables = all_weights(encoder, masked_lm, classifier)
        found = to_infos(datasets, variables, stored_paths(model, archive.prefix))
        dtypes = {tensor.name: tensor.dtype for tensor in found}
        strict.fill(
            variables,
            found,
            lambda tensor: read_dataset(opened, tensor.name, dtypes[tensor.name]),
            archive.source,
            CONFIG,
        )
    return encoder, masked_lm, classifier


def check_size(archive, datasets):
    """Raise ValueError where the configuration describes a larger model than the weights that are there fill."""
    classifier = assembly.classifier_shapes(archive.heads.classifier, archive.arguments["hidden_size"], archive.source)
    shapes, _ = strict.model_shapes(archive.arguments, archive.heads.pretrainer is not None, classifier)
    needed, there = (sum(map(math.prod, found)) for found in (shapes.values(), (shape for _, shape, _ in datasets)))
    if needed > there:
        raise ValueError(
            f"{archive.source}: {CONFIG} describes a model of {needed:,} weights, and {WEIGHTS} holds {there:,}: "
            "save or download it again."
        )


def all_weights(encoder, masked_lm, classifier):
    """Return `common.weights`, and those of a pretrainer's further heads."""
    found = weights(encoder, masked_lm, classifier)
    for i, head in enumerate(masked_lm.classification_heads if masked_lm else ()):
        found |= {f"classification_heads/{i}/{j}": variable for j, variable in enumerate(head.weights)}
    return found


def to_infos(datasets, variables, stored):
    """Return the `TensorInfo` of each array, by the paths at which Keras stores each weight."""
    paths = {id(variable): path for path, variable in variables.items()}
    ours = {key: paths.get(id(variable)) for key, variable in stored.items()}
    return [
        TensorInfo(key, shape, dtype, ours.get(key), key in ours or is_of_training(key))
        for key, shape, dtype in datasets
    ]


def tensors(path):
    """Return the `TensorInfo` of every weight in a file."""
    with open_archive(path) as archive:
        with open_weights(archive) as opened:
            datasets = list_datasets(opened, archive.source)
        check_size(archive, datasets)
        parts = assembly.build(archive.arguments, archive.heads, archive.source)
    model = parts[1] or parts[2] or parts[0]
    return to_infos(datasets, all_weights(*parts), stored_paths(model, archive.prefix))
