"""`.keras` files: what `keras.models.load_model` opens, with the tokenizer beside the model in the same archive.

A `.keras` file is a zip of a configuration, which names every object to be made, and of weights. Keras' loader makes
whatever is named; ours recognises the models below, reads the configuration as data and fills the weights by path:

    BertEncoder, BertPretrainer, BertClassifier                     as `save_checkpoint` and `model.save` write them
    InputLayer -> (BertPreprocessor ->) one of these                a functional model around them

Chapter: notebooks/10_checkpoints.ipynb.
"""

import contextlib
import io
import json
import math
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import keras

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, keras_paths, native, strict
from bertedu.checkpoints.common import TensorInfo, no_vocabulary, preprocessor_for, weights
from bertedu.checkpoints.configuration import WAY_OUT, encoder_arguments, record
from bertedu.checkpoints.hdf5 import list_datasets, open_h5, read_dataset
from bertedu.fields import ANYTHING, FLAG, IGNORED, read_fields, shown
from bertedu.files import JSON_LIMIT, VOCABULARY_LIMIT, escape, parse_json
from bertedu.pooling import EmbedSettings
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "Keras: a file that ends in .keras"
TRUNCATION = "round_robin"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
SETTINGS, TOKENIZER = "bertedu.json", "tokenizer.json"  # members that we add to Keras' own
MOST_COMPRESSED = 30  # times: weights do not shrink that much, and zeros that fill the memory do
ROOTS = ("bertedu>BertEncoder", "bertedu>BertPretrainer", "bertedu>BertClassifier")
PREPROCESSOR = "bertedu>BertPreprocessor"
FUNCTIONAL = ("Functional", "Model")
FUNCTIONAL_FIELDS = {
    "layers": ANYTHING,
    **dict.fromkeys(("name", "trainable", "dtype", "input_layers", "output_layers"), IGNORED),
}
MEMBERS = (CONFIG, WEIGHTS, "metadata.json", SETTINGS, TOKENIZER)
FIELDS = {"has_pooler": FLAG, "preprocessor": ANYTHING, "embed": ANYTHING}


class Archive(NamedTuple):
    """What an open `.keras` file says, checked, no weight of it read.

    Args:
        source: its path, for messages.
        zip: the open zip file.
        root: registered name of the model's class, of `ROOTS`.
        prefix: path of the model in the weights.
        arguments: of its `BertEncoder`.
        heads: `assembly.Heads`.
        preprocessor: its `BertPreprocessor`, or None.
    """

    source: str
    zip: Any
    root: str
    prefix: str
    arguments: dict
    heads: assembly.Heads
    preprocessor: Any


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


@contextlib.contextmanager
def open_archive(path, dtype=None):
    """Open a `.keras` file once, check what it says, and yield the `Archive`."""
    source = str(path)
    with open(path, "rb") as file:
        with damage_named(source):
            opened = zipfile.ZipFile(file)
        with opened:
            check_members(opened, source)
            yield describe(opened, source, dtype)


@contextlib.contextmanager
def damage_named(source):
    """Turn what the standard library raises for a damaged archive into a ValueError that names it."""
    try:
        yield
    except ZIP_ERRORS as error:
        reason = escape(error)[:150]
        raise ValueError(f"{source} is damaged or cut off ({reason}): save or download it again.") from None


ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, struct.error, zlib.error)
"""What the standard library raises for damaged, encrypted or unknown archives."""


def check_members(opened, source):
    """Raise ValueError where an archive has a member twice, one that is unknown, or one that fills the memory."""
    names = opened.namelist()
    unknown = [name for name in names if name not in MEMBERS]
    if unknown or len(set(names)) < len(names):
        what = f"{shown(unknown[0])}, which is unknown here" if unknown else "a member twice"
        raise ValueError(f"{source}: expected {', '.join(MEMBERS)} in the archive, got {what}. {WAY_OUT}")
    missing = [name for name in (CONFIG, WEIGHTS) if name not in names]
    if missing:
        raise ValueError(f"{source} holds no {missing[0]}, and is no Keras model: save or download it again.")
    for member in opened.infolist():
        if member.file_size > MOST_COMPRESSED * max(member.compress_size, 1000):
            raise ValueError(
                f"{source}: {member.filename} says that it unpacks to {member.file_size:,} bytes, from "
                f"{member.compress_size:,}: expected at most {MOST_COMPRESSED} times as much."
            )


def member(opened, name, source, limit):
    """Return the bytes of a member, at most `limit`; None where there is none."""
    if name not in opened.namelist():
        return None
    if opened.getinfo(name).file_size > limit:
        raise ValueError(f"{source}: expected at most {limit:,} bytes in {name}, got more. Is it the right file?")
    with damage_named(source):
        return opened.read(name)


def describe(opened, source, dtype=None):
    """Return the `Archive`: which model it holds, where its weights are, and what it is made of."""
    config = parse_json(member(opened, CONFIG, source, VOCABULARY_LIMIT), f"{source}, {CONFIG}")
    prefix, preprocessor = "", None
    if config.get("class_name") in FUNCTIONAL:
        config, prefix, preprocessor = in_functional(config, source)
    root, config = record(config, source, "the model", ROOTS)
    if not isinstance(config, dict):
        raise ValueError(f"{source}: expected an object with fields, got {shown(config)}.")
    encoder, heads = config, assembly.Heads()
    inside = {"bertedu>BertPretrainer": "encoder_network", "bertedu>BertClassifier": "network"}.get(root)
    if inside:
        _, encoder = record(config.get(inside), source, inside, ("bertedu>BertEncoder",))
        config = {name: value for name, value in config.items() if name != inside}
        heads = assembly.Heads(**{"pretrainer" if inside == "encoder_network" else "classifier": config})
    return Archive(source, opened, root, prefix, encoder_arguments(encoder, source, dtype), heads, preprocessor)


def in_functional(config, source):
    """Return the record of the BERT in a functional model, its path in the weights, and its `BertPreprocessor`."""
    _, inside = record(config, source, "the model", FUNCTIONAL)
    fields = read_fields(inside, FUNCTIONAL_FIELDS, source, required=("layers",))
    if not isinstance(fields["layers"], list):
        raise ValueError(f"{source}: layers must be a list; got {shown(fields['layers'])}.")
    found = {}
    for layer in fields["layers"]:
        name, config = record(layer, source, "a layer of the model", ("InputLayer", PREPROCESSOR, *ROOTS))
        kind = name if name in ("InputLayer", PREPROCESSOR) else "model"
        if kind in found and kind != "InputLayer":
            raise ValueError(f"{source}: expected one {name.removeprefix('bertedu>')} in the model, got two. {WAY_OUT}")
        found[kind] = layer, config
    if "model" not in found:
        raise ValueError(f"{source} holds a Keras model, but no BertEncoder in it.")
    layer, _ = found["model"]
    preprocessor = found.get(PREPROCESSOR)
    preprocessor = preprocessor and BertPreprocessor.from_config(preprocessor[1], f"{source}, BertPreprocessor")
    return layer, f"layers/{keras_paths.snake_case(layer['class_name'])}", preprocessor


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
        found = to_infos(datasets, variables, keras_paths.stored_paths(model, archive.prefix))
        dtypes = {tensor.name: tensor.dtype for tensor in found}
        strict.fill(
            variables,
            found,
            lambda tensor: read_dataset(opened, tensor.name, dtypes[tensor.name]),
            archive.source,
            CONFIG,
        )
    return encoder, masked_lm, classifier


def open_weights(archive):
    """Open the weights of an archive."""
    with damage_named(archive.source):
        content = archive.zip.read(WEIGHTS)
    return open_h5(io.BytesIO(content), archive.source)


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
        TensorInfo(key, shape, dtype, ours.get(key), key in ours or keras_paths.is_of_training(key))
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
    return to_infos(datasets, all_weights(*parts), keras_paths.stored_paths(model, archive.prefix))
