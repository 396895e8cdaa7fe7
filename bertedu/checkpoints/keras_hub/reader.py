"""KerasHub's formats: the directories that `save_to_preset` writes, and bare `.weights.h5` files, read as data.

In an HDF5 file of Keras' a tensor's path is that of the Python object that held it: layers are counted by class, not
named, and a weight is only "vars/0". One table says what they are. In a preset sizes come from config.json; a bare file
tells them by its shapes, heads too, since attention kernels are kept as [D, N, H].

What KerasHub does in its own way is done so here: `lowercase` leaves accents alone (as it does; it also folds "ß" to
"ss", which we do not), and its masked-LM head has the exact GELU and epsilon 1e-5, unlike its encoder.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import warnings
from pathlib import Path
from typing import Any

from bertedu import defaults
from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import common_dtype, preprocessor_for, read_vocabulary
from bertedu.checkpoints.configuration import sizes_from_shapes
from bertedu.checkpoints.keras_hub.configuration import (
    CONFIG,
    HEADS,
    MULTI_LABEL,
    SIZES,
    TASK,
    TOKENIZER,
    Preset,
    read_preset,
)
from bertedu.checkpoints.keras_hub.files import TASK_WEIGHTS, Checkpoint, open_checkpoint, read_tensor
from bertedu.checkpoints.keras_hub.names import hub_name
from bertedu.checkpoints.tensorflow.configuration import LOWERCASE, read_config
from bertedu.checkpoints.tensorflow.reader import read_tokenizer as read_bare_vocabulary
from bertedu.encoder import BertEncoder
from bertedu.pooling import EmbedSettings
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "KerasHub: a preset (config.json with model.weights.h5 or its shards), or a NAME.weights.h5"
TRUNCATION = "round_robin"
VOCABULARY = "assets/tokenizer/vocabulary.txt"


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a preset or of a bare file, a backbone's or a task's.

    Args:
        path: a preset's directory, a `.weights.h5`, or a directory with one of them.
        dtype: name of the type of the weights. Defaults to the one that the preset says, or that they have.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or the model
            is not a BERT.
    """
    preset = read_preset(path) if (path / CONFIG).is_file() else None
    checkpoint = open_checkpoint(path)
    described = describe(checkpoint, preset, dtype)
    assembly.check(described)
    tokenizer = read_tokenizer(checkpoint.directory, preset)
    parts = assembly.fill(described, dtype)
    return Bert(
        tokenizer,
        preprocessor=preprocessor_of(tokenizer, parts["encoder"], preset),
        embed_settings=embed_settings_of(preset),
        **parts,
    )


def describe(checkpoint: Checkpoint, preset: Preset | None, dtype: str | None = None) -> assembly.Description:
    """Return the `Description` of the model in a checkpoint."""
    shapes = {tensor.ours: tensor.shape for tensor in checkpoint.tensors if tensor.ours}
    fields = preset.backbone if preset else {"dropout": defaults.DROPOUT}
    sizes = {argument: fields[field] for argument, field in SIZES.items()} if preset else sizes_from_shapes(shapes)
    arguments = {
        **sizes,
        "embedding_width": sizes["hidden_size"],
        "inner_activation": defaults.gelu_tanh,
        "output_dropout": fields.get("dropout", defaults.DROPOUT),
        "attention_dropout": fields.get("dropout", defaults.DROPOUT),
        "initializer": defaults.initializer(),
        "dtype": dtype or fields.get("dtype") or common_dtype(checkpoint.tensors),
        "trainable": fields.get("trainable", True),
        "name": "bert",
    }
    heads = heads_of(shapes, preset, arguments["dtype"], checkpoint.directory)
    source = str(checkpoint.path)
    described_by = "the rest of it" if preset is None else f"{CONFIG} with {TASK}" if preset.task else CONFIG
    stored = strict.Stored(
        checkpoint.tensors, read_tensor, source, described_by, name=lambda ours: hub_name(ours, checkpoint.inside)
    )
    return assembly.Description(arguments, heads, source, stored)


def heads_of(shapes: dict[str, Any], preset: Preset | None, dtype: str, directory: Path) -> assembly.Heads:
    """Return the `assembly.Heads`: those that task.json names, or without one those whose tensors are there."""
    there = {prefix for prefix in HEADS.values() if any(path.startswith(prefix) for path in shapes)}
    task = preset.task if preset else {}
    if preset and preset.problem:
        warnings.warn(f"{directory / TASK}: the head is not read, as {preset.problem}.", stacklevel=2)
    elif preset and preset.task_class:
        there = {HEADS[preset.task_class]} if preset.task_class in HEADS else set()
        if there and not (directory / TASK_WEIGHTS).is_file():
            raise FileNotFoundError(
                f"{directory / TASK} says {preset.task_class}, which has a head of its own, but "
                f"{TASK_WEIGHTS} is missing: download it again, or, to read the encoder alone, remove {TASK}."
            )
    classifier = {
        "num_classes": task.get("num_classes", (*shapes.get("classifier/logits/bias", ()), 1)[0] or 1),
        "dropout_rate": task.get("dropout", defaults.DROPOUT),
        "multi_label": MULTI_LABEL[task.get("activation") or "linear"] if "classifier/" in there else False,
    }
    # Its masked-LM head has the exact GELU and Keras' own epsilon, unlike its encoder.
    masked_lm = assembly.masked_lm_config("gelu", 1e-5, dtype)
    return assembly.Heads(
        masked_lm=masked_lm if "masked_lm/" in there else None,
        classifier=classifier if "classifier/" in there else None,
    )


def read_tokenizer(directory: Path, preset: Preset | None) -> BertTokenizer:
    """Return the `BertTokenizer` of a preset, or of the vocabulary beside a bare file or a preset without one.

    A bare file says nothing of case: "do_lower_case" in a bert_config.json or the directory's name does, and accents go
    with upper case, as in Google's models.

    Raises:
        FileNotFoundError, ValueError: a vocabulary is missing or damaged, or nothing says its case.
    """
    vocabulary, config = directory / VOCABULARY, preset and preset.tokenizer
    if config is None and preset and vocabulary.is_file():
        raise FileNotFoundError(f"{directory} holds no {TOKENIZER}, which says how {VOCABULARY} is used.")
    if config is None:
        files = [file for file in (directory / "vocab.txt", directory / "vocabulary.txt") if file.is_file()]
        return read_bare_vocabulary((files or [directory / "vocab.txt"])[0], read_config(directory).get(LOWERCASE))
    if not vocabulary.is_file():
        raise FileNotFoundError(
            f"{directory / TOKENIZER} has no vocabulary: {vocabulary} is missing; download it again."
        )
    return read_vocabulary(vocabulary, **{name: config.get(name, False) for name in ("lowercase", "strip_accents")})


def preprocessor_of(tokenizer: BertTokenizer, encoder: BertEncoder, preset: Preset | None) -> BertPreprocessor:
    """Return the `BertPreprocessor` of a checkpoint, as long as its preprocessor.json says."""
    if preset is None or preset.preprocessor is None:
        return preprocessor_for(tokenizer, encoder, TRUNCATION)
    length = min(preset.preprocessor["sequence_length"], encoder.max_sequence_length)
    return BertPreprocessor(tokenizer, length, TRUNCATION)


def embed_settings_of(preset: Preset | None) -> EmbedSettings:
    """Return what a `BertTextEmbedder` says of pooling, length and unit length; else the defaults."""
    if preset is None or preset.task_class != "BertTextEmbedder":
        return EmbedSettings()
    length = (preset.preprocessor or {}).get("sequence_length")
    return EmbedSettings(preset.task.get("pooling_mode", "mean"), preset.task.get("normalize", True), length)
