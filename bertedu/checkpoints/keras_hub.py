"""KerasHub's formats: the directories that `save_to_preset` writes, and bare `.weights.h5` files, read as data.

In an HDF5 file of Keras' a tensor's path is that of the Python object that held it: layers are counted by class, not
named, and a weight is only "vars/0". One table says what they are. In a preset sizes come from config.json; a bare file
tells them by its shapes, heads too, since attention kernels are kept as [D, N, H].

Reading is strict both ways, as in `huggingface`. The configurations are read as JSON: nothing that they name is built,
nothing in a file is executed, and links out of a file are not followed.
What KerasHub does in its own way is done so here: `lowercase` leaves accents alone (as it does; it also folds "ß" to
"ss", which we do not), and its masked-LM head has the exact GELU and epsilon 1e-5, unlike its encoder.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import warnings
from pathlib import Path

import ml_dtypes

from bertedu import defaults
from bertedu.checkpoints import tensorflow
from bertedu.checkpoints.common import (
    FLOATS,
    Contents,
    EmbedSettings,
    common_dtype,
    preprocessor_for,
    read_json,
    shortened,
    weights,
)
from bertedu.checkpoints.keras_hub_files import (
    BACKBONE,
    CONFIG,
    INDEX,
    TASK,
    TASK_WEIGHTS,
    WEIGHTS,
    open_checkpoint,
    open_h5,
    settings,
    whole_number,
)
from bertedu.checkpoints.keras_hub_names import SIZES, TASKS, encoder_paths, is_of_head, their_name
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer, MaskedLM
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "KerasHub: a preset (config.json with model.weights.h5 or its shards), or a NAME.weights.h5"
TRUNCATION = "round_robin"
VOCABULARY = "assets/tokenizer/vocabulary.txt"
POOLINGS = ("mean", "cls", "max")


def recognises(path):
    """Whether `path` is a preset of KerasHub's (of any model), a `.weights.h5`, or a directory with one."""
    path = Path(path)
    if not path.is_dir():
        return path.name.endswith((".weights.h5", ".weights.json")) and path.is_file()
    if not (path / CONFIG).is_file():
        return any(path.glob("*.weights.h5")) or any(path.glob("*.weights.json"))
    try:
        return {"class_name", "config"} <= read_json(path / CONFIG).keys()
    except ValueError:
        return (path / WEIGHTS).is_file() or (path / INDEX).is_file()


def read(path, dtype=None):
    """The `Contents` of a preset or a bare file; `dtype` and errors as in `read_encoder`."""
    encoder, has_pooler, spares = read_encoder(path, dtype)
    return Contents(
        encoder,
        has_pooler,
        read_preprocessor(path, encoder),
        spares,
        masked_lm=read_masked_lm(path, encoder),
        classifier=read_classifier(path, encoder),
        embed_settings=read_embed_settings(path),
    )


def read_encoder(path, dtype=None):
    """The `BertEncoder` of a preset or of a bare file, a backbone's or a task's.

    Args:
        path: a preset's directory, a `.weights.h5`, or a directory with one of them.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Returns:
        encoder, whether the checkpoint had a pooler (KerasHub's always have), and the list of its tensors that are not
        the encoder's.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or the model
            is not a BERT.
    """
    checkpoint = open_checkpoint(path)
    check_architecture(checkpoint)
    sizes = read_sizes(checkpoint)
    check_tensors(checkpoint, sizes["num_layers"])
    check_task(checkpoint)
    dropout = settings(checkpoint.config, checkpoint.path).get("dropout", defaults.DROPOUT)
    try:
        encoder = BertEncoder(
            **sizes,
            output_dropout=dropout,
            attention_dropout=dropout,
            initializer="zeros",  # as in `huggingface`: random numbers would only be overwritten
            dtype=dtype or common_dtype(tensor.info.dtype for tensor in checkpoint.of("").values()),
            name="bert",
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{checkpoint.path} describes no BERT: {error}") from None
    encoder.initializer = defaults.initializer()  # what a new head on it, or a fresh copy, starts from
    fill(weights(encoder), checkpoint)
    spares = [s.info.name for s in checkpoint.stored if s.info.ours is None or is_of_head(s.info.ours)]
    return encoder, True, spares


def read_masked_lm(path, encoder):
    """A `BertPretrainer` on `encoder` (shared) with the masked-LM head of a checkpoint; None where it has none."""
    checkpoint = open_checkpoint(path)
    if not checkpoint.of("masked_lm/"):
        return None
    head = MaskedLM(
        encoder.get_embedding_layer(),
        "gelu",  # the exact one, and Keras' own epsilon: KerasHub's head is not its encoder's in either
        defaults.initializer(),
        layer_norm_epsilon=1e-5,
        dtype=encoder.dtype_policy,
        name="cls_predictions",
    )
    pretrainer = BertPretrainer(encoder, customized_masked_lm=head)
    fill_head("masked_lm/", weights(encoder, masked_lm=pretrainer), checkpoint)
    return pretrainer


def read_classifier(path, encoder):
    """A `BertClassifier` on `encoder` (shared) with the classifier of a checkpoint; None where it has none.

    It gives logits, whatever KerasHub applied to them; where that was something, a warning says so.
    """
    checkpoint = open_checkpoint(path)
    tensors = checkpoint.of("classifier/")
    if not tensors:
        return None
    file = checkpoint.directory / TASK
    config = settings(checkpoint.task, file)
    last_axis = (1, *next(iter(tensors.values())).info.shape)[-1]
    classes = whole_number(config, "num_classes", file) if "num_classes" in config else last_axis
    try:
        classifier = BertClassifier(encoder, classes, dropout_rate=config.get("dropout", defaults.DROPOUT))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} describes no classifier: {error}") from None
    fill_head("classifier/", weights(encoder, classifier=classifier), checkpoint)
    activation = config.get("activation") or "linear"
    if activation != "linear":
        name = activation if isinstance(activation, str) else "a function of its own"
        warnings.warn(f"{file} ends in {name}, which is not applied here: the classifier gives logits.", stacklevel=2)
    return classifier


def read_tokenizer(path):
    """The `BertTokenizer` of a preset, or of the vocabulary beside a bare file; None where there is none.

    A bare file says nothing of case: "do_lower_case" or the directory's name does, as for `tensorflow.read_tokenizer`,
    and accents go with upper case, as in Google's models.

    Raises:
        FileNotFoundError, ValueError: half a tokenizer, another one than BERT's, or nothing says its case.
    """
    path = Path(path)
    directory = path if path.is_dir() else path.parent
    if not (path / CONFIG).is_file():
        found = [directory / name for name in ("vocab.txt", "vocabulary.txt") if (directory / name).is_file()]
        lowercase = tensorflow.read_config(directory).get("do_lower_case")
        return tensorflow.make_tokenizer(found[0], directory, lowercase) if found else None
    file, vocabulary = path / "tokenizer.json", path / VOCABULARY
    if not file.is_file() and not vocabulary.is_file():
        return None
    state = read_json(file)
    config = settings(state, file)
    if not vocabulary.is_file():
        raise FileNotFoundError(f"{file} has no vocabulary: {vocabulary} is missing; download it again.")
    expected = {"split": True, "split_on_cjk": True, "suffix_indicator": "##", "oov_token": "[UNK]"}
    other = [name for name, value in expected.items() if config.get(name, value) != value]
    if state.get("class_name") != "BertTokenizer" or other:
        what = f"{other[0]} {config[other[0]]!r}" if other else f"a {state.get('class_name')}"
        raise ValueError(f"{file}: a BertTokenizer with KerasHub's defaults is needed, this one has or is {what}.")
    try:
        return BertTokenizer(
            vocabulary,
            lowercase=bool(config.get("lowercase", False)),
            strip_accents=bool(config.get("strip_accents", False)),
        )
    except ValueError as error:
        raise ValueError(f"{vocabulary}: {error}") from None


def read_preprocessor(path, encoder):
    """The `BertPreprocessor` of a checkpoint, as long as its preprocessor.json says; None without a vocabulary."""
    tokenizer = read_tokenizer(path)
    file = Path(path) / "preprocessor.json"
    if tokenizer is None or not file.is_file():
        return preprocessor_for(tokenizer, encoder, TRUNCATION)
    config = settings(read_json(file), file)
    truncation = config.get("truncate", TRUNCATION)
    if truncation != TRUNCATION:
        warnings.warn(
            f"{file} truncates pairs by {truncation!r}, which is not known here: {TRUNCATION!r} is used.", stacklevel=2
        )
    length = min(whole_number(config, "sequence_length", file), encoder.max_sequence_length)
    return BertPreprocessor(tokenizer, length, TRUNCATION)


def read_embed_settings(path):
    """What the task.json of a `BertTextEmbedder` says of pooling, length and unit length; else the defaults."""
    file = Path(path) / TASK
    task = read_json(file) if file.is_file() else {}
    if task.get("class_name") != "BertTextEmbedder":
        return EmbedSettings()
    config = settings(task, file)
    pooling = config.get("pooling_mode", "mean")
    if pooling not in POOLINGS:
        raise ValueError(f"{file}: pooling_mode must be one of {', '.join(POOLINGS)}, it is {pooling!r}.")
    packing = Path(path) / "preprocessor.json"
    length = settings(read_json(packing), packing).get("sequence_length") if packing.is_file() else None
    return EmbedSettings(pooling, bool(config.get("normalize", True)), length)


def tensors(path):
    """The `TensorInfo` of every tensor in the files of a preset or of a bare file, of a BERT or of another model."""
    return [stored.info for stored in open_checkpoint(path).stored]


def read_sizes(checkpoint):
    """The sizes of a `BertEncoder`, from config.json or else from the shapes."""
    if checkpoint.config is not None:
        file = checkpoint.path / CONFIG
        config = settings(checkpoint.config, file)
        return {argument: whole_number(config, field, file) for argument, (field, _) in SIZES.items()}
    found = checkpoint.of("")
    layers = [int(ours.split("/")[0][6:]) for ours in found if ours.startswith("layer_")]
    sizes = {"num_layers": max(layers, default=0) + 1}
    check_tensors(checkpoint, sizes["num_layers"])
    for argument, (_, ours) in SIZES.items():
        if ours:
            sizes[argument] = (*found[ours].info.shape, 0)[0]
    return sizes


def check_architecture(checkpoint):
    """Raises ValueError where config.json is another model's."""
    if checkpoint.config is not None and checkpoint.config.get("class_name") != BACKBONE:
        raise ValueError(
            f"{checkpoint.path / CONFIG}: a {BACKBONE} is needed, this is a {checkpoint.config.get('class_name')} "
            "(class_name), another architecture."
        )


def check_task(checkpoint):
    """Raises where task.json names a head that the files do not hold, or a task that is not known."""
    name, file = checkpoint.task.get("class_name"), checkpoint.directory / TASK
    way_out = f"to read the encoder alone, remove {TASK} and {TASK_WEIGHTS}."
    if checkpoint.task and name not in TASKS:
        raise ValueError(f"{file}: the task is {name!r}, known are {', '.join(TASKS)}; {way_out}")
    if TASKS.get(name) and not checkpoint.of(TASKS[name]):
        there = (checkpoint.directory / TASK_WEIGHTS).is_file()
        kind = ValueError if there else FileNotFoundError
        what = f"{TASK_WEIGHTS} does not hold it" if there else f"{TASK_WEIGHTS} is missing"
        raise kind(f"{file} says {name}, which has a head of its own, but {what}: download it again, or, {way_out}")


def check_tensors(checkpoint, num_layers):
    """Raises ValueError unless the encoder's tensors are all there, are floats, and nothing unknown is."""
    wanted, found = encoder_paths(num_layers), checkpoint.of("")
    missing = [their_name(ours, checkpoint.inside) for ours in wanted if ours not in found]
    surplus = {ours for ours in found if not is_of_head(ours)} - set(wanted)
    twice = [s.info.name for s in checkpoint.stored if s.info.ours and found[s.info.ours] is not s]
    unknown = [s.info.name for s in checkpoint.stored if not s.info.known or s.info.ours in surplus] + twice
    if missing or unknown:
        raise ValueError(
            f"{checkpoint.path} does not hold the BERT that its {'shapes' if checkpoint.config is None else CONFIG} "
            f"describe{'' if checkpoint.config is None else 's'}. "
            f"Missing: {shortened(missing)}. Unknown: {shortened(unknown)}."
        )
    for stored in found.values():
        if stored.info.dtype not in FLOATS:
            raise ValueError(
                f"{stored.file}: the tensor {stored.key!r} holds {stored.info.dtype}; "
                f"weights are read from {', '.join(FLOATS)} only."
            )


def fill_head(prefix, variables, checkpoint):
    """Fills those of `variables` that begin with `prefix`; all of them must be there."""
    head = {ours: variable for ours, variable in variables.items() if ours.startswith(prefix)}
    missing = [their_name(ours) for ours in head if ours not in checkpoint.of(prefix)]
    if missing:
        raise ValueError(f"{checkpoint.path} holds a head without {shortened(missing)}: download it again.")
    fill(head, checkpoint)


def fill(variables, checkpoint):
    """Fills `variables`, a dict by our paths; shapes are KerasHub's as they are ours."""
    found = checkpoint.of("")
    for ours, variable in variables.items():
        stored, shape = found[ours], tuple(variable.shape)
        if stored.info.shape != shape:
            raise ValueError(
                f"{stored.file}: the tensor {stored.key!r} has shape {stored.info.shape}, "
                f"but the model's sizes make it {shape}."
            )
    for file in dict.fromkeys(stored.file for stored in checkpoint.stored):
        with open_h5(file) as opened:
            for ours, variable in variables.items():
                if found[ours].file == file:
                    array = opened[found[ours].key][()]
                    if found[ours].info.dtype == "bfloat16":
                        array = array.view(ml_dtypes.bfloat16)  # HDF5 has no such type, and keeps two bytes
                    variable.assign(array.astype(variable.dtype))
