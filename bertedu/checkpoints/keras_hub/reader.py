"""KerasHub's formats: the directories that `save_to_preset` writes, and bare `.weights.h5` files, read as data.

In an HDF5 file of Keras' a tensor's path is that of the Python object that held it: layers are counted by class, not
named, and a weight is only "vars/0". One table says what they are. In a preset sizes come from config.json; a bare file
tells them by its shapes, heads too, since attention kernels are kept as [D, N, H].

What KerasHub does in its own way is done so here: `lowercase` leaves accents alone (as it does; it also folds "ß" to
"ss", which we do not), and its masked-LM head has the exact GELU and epsilon 1e-5, unlike its encoder.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import functools
import warnings
from pathlib import Path
from typing import Any

from bertedu import defaults
from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import common_dtype, preprocessor_for
from bertedu.checkpoints.configuration import published_arguments, sizes_from_shapes
from bertedu.checkpoints.keras_hub.configuration import HEADS, MULTI_LABEL, SIZES, Preset, read_preset
from bertedu.checkpoints.keras_hub.files import CONFIG, TASK, TASK_WEIGHTS, Checkpoint, open_checkpoint, read_tensor
from bertedu.checkpoints.keras_hub.names import hub_name
from bertedu.checkpoints.tensorflow.configuration import LOWERCASE, read_config
from bertedu.checkpoints.tensorflow.reader import read_tokenizer as read_bare_vocabulary
from bertedu.fields import for_all
from bertedu.pooling import EmbedSettings
from bertedu.text import BertTokenizer

LOOKED_FOR = "KerasHub: a preset (config.json with model.weights.h5 or its shards), or a NAME.weights.h5"
TOKENIZER, VOCABULARY = "tokenizer.json", "assets/tokenizer/vocabulary.txt"


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a preset or of a bare file, a backbone's or a task's.

    Args:
        path: a preset's directory, a `.weights.h5`, or a directory with one of them.
        dtype: name of the type of the weights. Defaults to the one that the preset says, or that they have.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or the model
            is not a BERT.
    """
    preset = read_preset(path) if (path / CONFIG).is_file() else Preset()
    checkpoint = open_checkpoint(path)
    described = describe(checkpoint, preset, dtype)
    assembly.check(described)
    tokenizer = read_tokenizer(checkpoint.directory, preset)
    parts = assembly.fill(described, dtype)
    length = {"length": preset.preprocessor["sequence_length"]} if preset.preprocessor else {}
    preprocessor = preprocessor_for(tokenizer, parts["encoder"], **length)
    return Bert(tokenizer, preprocessor=preprocessor, embed_settings=embed_settings_of(preset), **parts)


def describe(checkpoint: Checkpoint, preset: Preset, dtype: str | None = None) -> assembly.Description:
    """Return the `Description` of the model in a checkpoint."""
    shapes = {tensor.ours: tensor.shape for tensor in checkpoint.tensors if tensor.ours}
    fields = preset.backbone
    sizes = {argument: fields[field] for argument, field in SIZES.items()} if fields else sizes_from_shapes(shapes)
    dropout = for_all("hidden_dropout_prob attention_probs_dropout_prob", fields.get("dropout", defaults.DROPOUT))
    dtype = dtype or fields.get("dtype") or common_dtype(checkpoint.tensors)
    arguments = published_arguments(dropout, "bertedu>gelu_tanh", dtype) | sizes
    arguments |= {"embedding_width": sizes["hidden_size"], "trainable": fields.get("trainable", True)}
    heads = heads_of(shapes, preset, dtype, checkpoint.directory)
    path = checkpoint.path
    described_by = f"{CONFIG} with {TASK}" if preset.task else CONFIG if fields else "the rest of it"
    name = functools.partial(hub_name, inside=checkpoint.inside)
    stored = strict.Stored(checkpoint.tensors, read_tensor, path, described_by, name=name)
    return assembly.Description(arguments, heads, path / CONFIG if fields else path, stored)


def heads_of(shapes: dict[str, Any], preset: Preset, dtype: str, directory: Path) -> assembly.Heads:
    """Return the `assembly.Heads`: those that task.json names, or without one those whose tensors are there."""
    there = {prefix for prefix in HEADS.values() if any(path.startswith(prefix) for path in shapes)}
    task = preset.task
    if preset.problem:
        warnings.warn(f"{directory / TASK}: the head is not read, as {preset.problem}.", stacklevel=2)
    elif preset.task_class:
        there = {HEADS[preset.task_class]} if preset.task_class in HEADS else set()
        if there and not (directory / TASK_WEIGHTS).is_file():
            missing = f"a {preset.task_class} has a head in {TASK_WEIGHTS}, which is missing"
            raise FileNotFoundError(f"{directory / TASK}: {missing}. Download it, or remove {TASK}.")
    classifier = {
        "num_classes": task.get("num_classes", (*shapes.get("classifier/logits/bias", ()), 1)[0] or 1),
        "dropout_rate": task.get("dropout", defaults.DROPOUT),
        "multi_label": MULTI_LABEL[task.get("activation") or "linear"] if "classifier/" in there else False,
    }
    # Its masked-LM head has the exact GELU and Keras' own epsilon, unlike its encoder.
    masked_lm = assembly.masked_lm_config("gelu", 1e-5, dtype)
    configs = {"masked_lm/": masked_lm, "classifier/": classifier}
    return assembly.Heads(**{prefix.removesuffix("/"): configs[prefix] for prefix in there})


def read_tokenizer(directory: Path, preset: Preset) -> BertTokenizer:
    """Return the `BertTokenizer` of a preset, or of the vocabulary beside a bare file or a preset without one.

    A bare file says nothing of case: "do_lower_case" in a bert_config.json or the directory's name does, and accents go
    with upper case, as in Google's models.

    Raises:
        FileNotFoundError, ValueError: a vocabulary is missing or damaged, or nothing says its case.
    """
    vocabulary, config = directory / VOCABULARY, preset.tokenizer
    if preset.backbone and bool(config) != vocabulary.is_file():
        missing, other = (VOCABULARY, TOKENIZER) if config else (TOKENIZER, VOCABULARY)
        raise FileNotFoundError(f"{directory} holds no {missing}, which belongs to {other}: download it again.")
    if not config:
        files = [file for file in (directory / "vocab.txt", directory / "vocabulary.txt") if file.is_file()]
        return read_bare_vocabulary((files or [directory / "vocab.txt"])[0], read_config(directory).get(LOWERCASE))
    return BertTokenizer(vocabulary, **{name: config.get(name, False) for name in ("lowercase", "strip_accents")})


def embed_settings_of(preset: Preset) -> EmbedSettings:
    """Return what a `BertTextEmbedder` says of pooling, length and unit length; else the defaults."""
    if preset.task_class != "BertTextEmbedder":
        return EmbedSettings()
    length = preset.preprocessor.get("sequence_length")
    return EmbedSettings(preset.task.get("pooling_mode", "mean"), preset.task.get("normalize", True), length)
