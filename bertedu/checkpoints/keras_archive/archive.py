"""Open a `.keras` file and check its members and configuration.

Keras' loader builds whatever a configuration names. This module accepts only these models:

    BertEncoder, BertPretrainer, Bert(Token)Classifier              as `save_checkpoint` and `model.save` write them
    InputLayer -> (BertPreprocessor ->) one of these                a functional model around them

Chapter: notebooks/11_checkpoints.ipynb.
"""

import contextlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints import assembly
from bertedu.checkpoints.common import translate_errors
from bertedu.checkpoints.configuration import encoder_arguments
from bertedu.checkpoints.hdf5 import open_h5
from bertedu.checkpoints.keras_archive.paths import snake_case
from bertedu.checkpoints.objects import WAY_OUT, record
from bertedu.fields import ANYTHING, IGNORED, for_all, read_fields, shown
from bertedu.files import VOCABULARY_LIMIT, parse_json
from bertedu.text import BertPreprocessor

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
SETTINGS, TOKENIZER = "bertedu.json", "tokenizer.json"  # members that bertedu adds to Keras' own
MAX_COMPRESSED = 30  # times; weights never compress that well, but zeros that fill the memory do
ROOTS = ("bertedu>BertEncoder", "bertedu>BertPretrainer", "bertedu>BertClassifier", "bertedu>BertTokenClassifier")
HEADS = {
    "bertedu>BertPretrainer": ("encoder_network", "pretrainer"),
    "bertedu>BertClassifier": ("network", "classifier"),
    "bertedu>BertTokenClassifier": ("network", "token_classifier"),
}
"""Model -> its argument that is the encoder, and the field of `assembly.Heads`."""
PREPROCESSOR = "bertedu>BertPreprocessor"
FUNCTIONAL = ("Functional", "Model")
FUNCTIONAL_FIELDS = {
    "layers": ANYTHING,
    **for_all("name trainable dtype input_layers output_layers", IGNORED),
}
MEMBERS = (CONFIG, WEIGHTS, "metadata.json", SETTINGS, TOKENIZER)

ZIP_ERRORS = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, struct.error, zlib.error)
"""Errors of the standard library for damaged, encrypted or unknown archives."""


class Archive(NamedTuple):
    """An open `.keras` file, checked, before its weights are read.

    Args:
        source: string, its path for messages.
        zip: the open `ZipFile`.
        prefix: string, path of the model in the weights.
        arguments: dict, arguments of its `BertEncoder`.
        heads: `assembly.Heads`.
        preprocessor: its `BertPreprocessor`, or None.
    """

    source: str
    zip: Any
    prefix: str
    arguments: dict
    heads: assembly.Heads
    preprocessor: Any

    def open_weights(self) -> Any:
        """Open the weights in a context, as `hdf5.open_h5`."""
        with translate_errors(self.source, *ZIP_ERRORS):
            content = self.zip.read(WEIGHTS)
        return open_h5(io.BytesIO(content), self.source)


@contextlib.contextmanager
def open_archive(path: Path, dtype: str | None = None) -> Iterator[Archive]:
    """Open and check a `.keras` file in a context, and yield its `Archive`."""
    source = str(path)
    with open(path, "rb") as file:
        with translate_errors(source, *ZIP_ERRORS):
            opened = zipfile.ZipFile(file)
        with opened:
            check_members(opened, source)
            yield describe(opened, source, dtype)


def check_members(opened: zipfile.ZipFile, source: str) -> None:
    """Raise ValueError if an archive has a duplicate or unknown member, or one that would fill the memory."""
    names = opened.namelist()
    unknown = [name for name in names if name not in MEMBERS]
    if unknown or len(set(names)) < len(names):
        got = shown(unknown[0]) if unknown else "one of them twice"
        raise ValueError(f"{source}: expected {', '.join(MEMBERS)} in the archive, got {got}. {WAY_OUT}")
    missing = [name for name in (CONFIG, WEIGHTS) if name not in names]
    if missing:
        raise ValueError(f"{source}: expected {missing[0]} in the archive, got none. Save or download it again.")
    for info in opened.infolist():
        if info.file_size > MAX_COMPRESSED * max(info.compress_size, 1000):
            sizes = f"{MAX_COMPRESSED} times its size, got {info.file_size:,} bytes from {info.compress_size:,}"
            raise ValueError(f"{source}: expected {info.filename} to unpack to at most {sizes}. Is it the right file?")


def member(opened: zipfile.ZipFile, name: str, source: str, limit: int) -> bytes | None:
    """Return the bytes of a member, at most `limit`, or None if it does not exist."""
    if name not in opened.namelist():
        return None
    if opened.getinfo(name).file_size > limit:
        raise ValueError(f"{source}: expected at most {limit:,} bytes in {name}, got more. Is it the right file?")
    with translate_errors(source, *ZIP_ERRORS):
        return opened.read(name)


def describe(opened: zipfile.ZipFile, source: str, dtype: str | None = None) -> Archive:
    """Return the `Archive` of an open file."""
    config = parse_json(member(opened, CONFIG, source, VOCABULARY_LIMIT) or b"", f"{source}, {CONFIG}")
    prefix, preprocessor = "", None
    if config.get("class_name") in FUNCTIONAL:
        config, prefix, preprocessor = in_functional(config, source)
    root, config = record(config, source, "the model", ROOTS)
    if not isinstance(config, dict):
        raise ValueError(f"{source}: expected an object with fields, got {shown(config)}.")
    encoder, heads = config, assembly.Heads()
    inside, head = HEADS.get(root, ("", ""))
    if inside:
        _, encoder = record(config.get(inside), source, inside, ("bertedu>BertEncoder",))
        config = {name: value for name, value in config.items() if name != inside}
        heads = assembly.Heads(**{head: config})
    return Archive(source, opened, prefix, encoder_arguments(encoder, source, dtype), heads, preprocessor)


def in_functional(config: dict[str, Any], source: str) -> tuple[dict, str, BertPreprocessor | None]:
    """Return the serialized BERT in a functional model, its path in the weights, and its `BertPreprocessor` or None."""
    _, inside = record(config, source, "the model", FUNCTIONAL)
    fields = read_fields(inside, FUNCTIONAL_FIELDS, source, required=("layers",))
    if not isinstance(fields["layers"], list):
        raise ValueError(f"{source}: layers: expected a list, got {shown(fields['layers'])}.")
    names = ("InputLayer", PREPROCESSOR, *ROOTS)
    layers = [(layer, *record(layer, source, "a layer of the model", names)) for layer in fields["layers"]]
    models = [layer for layer, name, _ in layers if name in ROOTS]
    preprocessors = [config for _, name, config in layers if name == PREPROCESSOR]
    if len(models) != 1 or len(preprocessors) > 1:
        got = f"got {len(models)} models and {len(preprocessors)} preprocessors"
        raise ValueError(f"{source}: expected one BERT model and at most one BertPreprocessor, {got}. {WAY_OUT}")
    prefix, location = f"layers/{snake_case(models[0]['class_name'])}", f"{source}, BertPreprocessor"
    return models[0], prefix, BertPreprocessor.from_config(preprocessors[0], location) if preprocessors else None
