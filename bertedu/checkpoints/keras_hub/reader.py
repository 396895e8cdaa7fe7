"""Read KerasHub's formats: presets, written by `save_to_preset`, and single `.weights.h5` files.

In Keras' HDF5 files a tensor's path is that of the Python object that holds it: layers are numbered by class, and
weights are "vars/0". The tables in `names` translate them. Sizes come from config.json, or for a single weights file
from the shapes, including the number of heads, because attention kernels have the shape [D, N, H].

KerasHub's peculiarities are kept: `lowercase` does not strip accents (but KerasHub also folds "ß" to "ss", unlike
bertedu), and its masked-LM head has the exact GELU and epsilon 1e-5, unlike its encoder.
Chapter: notebooks/11_checkpoints.ipynb.
"""

import functools
from pathlib import Path
from typing import Any

from bertedu import defaults
from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import common_dtype, preprocessor_for, shapes_by_path
from bertedu.checkpoints.configuration import published_arguments, sizes_from_shapes
from bertedu.checkpoints.keras_hub.configuration import HEADS, MULTI_LABEL, SIZES, Preset, read_preset
from bertedu.checkpoints.keras_hub.files import CONFIG, TASK, TASK_WEIGHTS, Checkpoint, open_checkpoint, read_tensor
from bertedu.checkpoints.keras_hub.names import hub_name
from bertedu.checkpoints.tensorflow.configuration import LOWERCASE, read_config
from bertedu.checkpoints.tensorflow.reader import read_tokenizer as read_bare_vocabulary
from bertedu.fields import for_all
from bertedu.pooling import EmbedSettings
from bertedu.terminal import warn
from bertedu.text import BertTokenizer

LOOKED_FOR = "KerasHub: a preset (config.json with model.weights.h5 or its shards), or a NAME.weights.h5"
TOKENIZER, VOCABULARY = "tokenizer.json", "assets/tokenizer/vocabulary.txt"


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a preset or a single weights file, of a backbone or a task.

    Args:
        path: a preset's directory, a `.weights.h5`, or a directory with one of these files.
        dtype: name of the weights' dtype. Defaults to the preset's, else to that of the tensors.

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
    shapes = shapes_by_path(checkpoint.tensors)
    fields = preset.backbone
    sizes = {argument: fields[field] for argument, field in SIZES.items()} if fields else sizes_from_shapes(shapes)
    dtype = dtype or fields.get("dtype") or common_dtype(checkpoint.tensors)
    arguments = published_arguments({}, "bertedu>gelu_tanh", dtype) | sizes
    arguments |= for_all("output_dropout attention_dropout", fields.get("dropout", defaults.DROPOUT))
    arguments |= {"embedding_width": sizes["hidden_size"], "trainable": fields.get("trainable", True)}
    heads = heads_of(shapes, preset, dtype, checkpoint.directory)
    path = checkpoint.path
    described_by = f"{CONFIG} with {TASK}" if preset.task else CONFIG if fields else "the other tensors' shapes"
    name = functools.partial(hub_name, prefix=checkpoint.prefix)
    stored = strict.Stored(checkpoint.tensors, read_tensor, path, described_by, name=name)
    return assembly.Description(arguments, heads, path / CONFIG if fields else path, stored)


def heads_of(shapes: dict[str, Any], preset: Preset, dtype: str, directory: Path) -> assembly.Heads:
    """Return the `assembly.Heads` of the class in task.json, or without that file of the tensors."""
    present = {prefix for prefix in HEADS.values() if any(path.startswith(prefix) for path in shapes)}
    task = preset.task
    if preset.problem:
        warn(f"{directory / TASK}: {preset.problem}. The head is not loaded.")
    elif preset.task_class:
        present = {HEADS[preset.task_class]} if preset.task_class in HEADS else set()
        if present and not (directory / TASK_WEIGHTS).is_file():
            missing = f"expected {TASK_WEIGHTS} for the head of a {preset.task_class}, got no such file"
            raise FileNotFoundError(f"{directory / TASK}: {missing}. Download it, or remove {TASK}.")
    classifier = {
        "num_classes": task.get("num_classes", (*shapes.get("classifier/logits/bias", ()), 1)[0] or 1),
        "dropout_rate": task.get("dropout", defaults.DROPOUT),
        "multi_label": MULTI_LABEL[task.get("activation") or "linear"] if "classifier/" in present else False,
    }
    masked_lm = assembly.masked_lm_config("gelu", 1e-5, dtype)
    configs = {"masked_lm/": masked_lm, "classifier/": classifier}
    return assembly.Heads(**{prefix.removesuffix("/"): configs[prefix] for prefix in present})


def read_tokenizer(directory: Path, preset: Preset) -> BertTokenizer:
    """Return the `BertTokenizer` of a preset, or of the vocabulary beside the weights file.

    Without tokenizer.json the case comes from "do_lower_case" in bert_config.json or the directory's name, and accents
    are stripped in lower case, as in Google's models.

    Raises:
        FileNotFoundError, ValueError: the vocabulary is missing or damaged, or its case is unknown.
    """
    vocabulary, config = directory / VOCABULARY, preset.tokenizer
    if preset.backbone and bool(config) != vocabulary.is_file():
        missing, other = (VOCABULARY, TOKENIZER) if config else (TOKENIZER, VOCABULARY)
        raise FileNotFoundError(f"{directory}: expected {missing} with {other}, got no such file. Download it again.")
    if not config:
        files = [file for file in (directory / "vocab.txt", directory / "vocabulary.txt") if file.is_file()]
        return read_bare_vocabulary((files or [directory / "vocab.txt"])[0], read_config(directory).get(LOWERCASE))
    return BertTokenizer(vocabulary, **{name: config.get(name, False) for name in ("lowercase", "strip_accents")})


def embed_settings_of(preset: Preset) -> EmbedSettings:
    """Return the `EmbedSettings` of a `BertTextEmbedder`, or the defaults for other tasks."""
    if preset.task_class != "BertTextEmbedder":
        return EmbedSettings()
    length = preset.preprocessor.get("sequence_length")
    return EmbedSettings(preset.task.get("pooling_mode", "mean"), preset.task.get("normalize", True), length)
