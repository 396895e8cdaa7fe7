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

from bertedu import defaults
from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import common_dtype, preprocessor_for, weights
from bertedu.checkpoints.keras_hub.configuration import CONFIG, HEADS, MULTI_LABEL, SIZES, TASK, TOKENIZER, read_preset
from bertedu.checkpoints.keras_hub.files import TASK_WEIGHTS, open_checkpoint, read_tensor
from bertedu.checkpoints.keras_hub.names import FIRST_AXES, their_name
from bertedu.checkpoints.tensorflow.configuration import LOWERCASE, read_config
from bertedu.checkpoints.tensorflow.reader import read_tokenizer as read_vocabulary
from bertedu.pooling import EmbedSettings
from bertedu.serialization import serialize
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "KerasHub: a preset (config.json with model.weights.h5 or its shards), or a NAME.weights.h5"
TRUNCATION = "round_robin"
VOCABULARY = "assets/tokenizer/vocabulary.txt"


def read(path, dtype=None):
    """Return the `Bert` of a preset or of a bare file, a backbone's or a task's.

    Args:
        path: a preset's directory, a `.weights.h5`, or a directory with one of them.
        dtype: name of the type that the weights shall have (None: the one that the preset says, or that they have).

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or the model
            is not a BERT.
    """
    preset = read_preset(Path(path)) if (Path(path) / CONFIG).is_file() else None
    checkpoint = open_checkpoint(path)
    arguments, heads = describe(checkpoint, preset, dtype)
    source = str(checkpoint.path)
    described_by = "the rest of it" if preset is None else f"{CONFIG} with {TASK}" if preset.task else CONFIG
    layout = strict.Layout(name=lambda ours: their_name(ours, checkpoint.inside))
    classifier = assembly.classifier_shapes(heads.classifier, arguments["hidden_size"], source)
    shapes, _ = strict.model_shapes(arguments, heads.masked_lm is not None, classifier)
    strict.check(shapes, checkpoint.tensors, source, described_by, layout)
    tokenizer = read_tokenizer(checkpoint.directory, preset)
    encoder, masked_lm, classifier = assembly.build(arguments, heads, source, dtype)
    places = {tensor.ours: place for tensor, place in zip(checkpoint.tensors, checkpoint.places, strict=True)}
    has_pooler = strict.fill(
        weights(encoder, masked_lm, classifier),
        checkpoint.tensors,
        lambda tensor: read_tensor(tensor, *places[tensor.ours]),
        source,
        described_by,
        layout,
    )
    return Bert(
        tokenizer,
        encoder,
        preprocessor_of(tokenizer, encoder, preset),
        has_pooler=has_pooler,
        embed_settings=embed_settings_of(preset),
        masked_lm=masked_lm,
        classifier=classifier,
    )


def describe(checkpoint, preset, dtype=None):
    """Return the arguments of the `BertEncoder` in a checkpoint, and its `assembly.Heads`.

    A size that a bare file's shapes should tell, and whose tensor is missing, is 1: comparing all tensors, which
    follows, names it.
    """
    shapes = {tensor.ours: tensor.shape for tensor in checkpoint.tensors if tensor.ours}
    if preset is None:
        layers = {path.partition("/")[0] for path in shapes if path.startswith("layer_")}
        sizes = {argument: (*shapes.get(ours, ()), 1)[0] or 1 for argument, ours in FIRST_AXES.items()}
        sizes |= {"num_layers": len(layers) or 1}
    else:
        sizes = {argument: preset.backbone[field] for argument, field in SIZES.items()}
    said = preset.backbone if preset else {}
    dropout = said.get("dropout", defaults.DROPOUT)
    arguments = {
        **sizes,
        "inner_activation": defaults.gelu_tanh,
        "output_dropout": dropout,
        "attention_dropout": dropout,
        "initializer": defaults.initializer(),
        "dtype": dtype or said.get("dtype") or common_dtype(t.dtype for t in checkpoint.tensors if t.ours),
        "trainable": said.get("trainable", True),
        "name": "bert",
    }
    return arguments, heads_of(shapes, preset, arguments, checkpoint)


def heads_of(shapes, preset, arguments, checkpoint):
    """Return the `assembly.Heads`: those that task.json names, or without one those whose tensors are there."""
    there = {prefix for prefix in HEADS.values() if any(path.startswith(prefix) for path in shapes)}
    task = preset.task if preset else {}
    if preset and preset.problem:
        warnings.warn(f"{checkpoint.directory / TASK}: the head is not read, as {preset.problem}.", stacklevel=2)
    elif preset and preset.task_class:
        there = {HEADS[preset.task_class]} if preset.task_class in HEADS else set()
        if there and not (checkpoint.directory / TASK_WEIGHTS).is_file():
            raise FileNotFoundError(
                f"{checkpoint.directory / TASK} says {preset.task_class}, which has a head of its own, but "
                f"{TASK_WEIGHTS} is missing: download it again, or, to read the encoder alone, remove {TASK}."
            )
    heads = assembly.Heads()
    if "masked_lm/" in there:
        masked_lm = {
            "name": "cls_predictions",
            "activation": "gelu",  # the exact one, and Keras' own epsilon: not its encoder's in either
            "initializer": serialize(defaults.initializer()),
            "layer_norm_epsilon": 1e-5,
            "dtype": arguments["dtype"],
        }
        heads = heads._replace(masked_lm=masked_lm)
    if "classifier/" in there:
        classifier = {
            "num_classes": task.get("num_classes", (*shapes.get("classifier/logits/bias", ()), 1)[0] or 1),
            "dropout_rate": task.get("dropout", defaults.DROPOUT),
            "multi_label": MULTI_LABEL[task.get("activation") or "linear"],
        }
        heads = heads._replace(classifier=classifier)
    return heads


def read_tokenizer(directory, preset):
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
        found = [file for file in (directory / "vocab.txt", directory / "vocabulary.txt") if file.is_file()]
        return read_vocabulary((found or [directory / "vocab.txt"])[0], read_config(directory).get(LOWERCASE))
    if not vocabulary.is_file():
        raise FileNotFoundError(
            f"{directory / TOKENIZER} has no vocabulary: {vocabulary} is missing; download it again."
        )
    options = {name: config.get(name, False) for name in ("lowercase", "strip_accents")}
    try:
        return BertTokenizer(vocabulary, **options)
    except ValueError as error:
        raise ValueError(f"{vocabulary}: {error}") from None


def preprocessor_of(tokenizer, encoder, preset):
    """Return the `BertPreprocessor` of a checkpoint, as long as its preprocessor.json says."""
    if preset is None or preset.preprocessor is None:
        return preprocessor_for(tokenizer, encoder, TRUNCATION)
    length = min(preset.preprocessor["sequence_length"], encoder.max_sequence_length)
    return BertPreprocessor(tokenizer, length, TRUNCATION)


def embed_settings_of(preset):
    """Return what a `BertTextEmbedder` says of pooling, length and unit length; else the defaults."""
    if preset is None or preset.task_class != "BertTextEmbedder":
        return EmbedSettings()
    length = (preset.preprocessor or {}).get("sequence_length")
    return EmbedSettings(preset.task.get("pooling_mode", "mean"), preset.task.get("normalize", True), length)
