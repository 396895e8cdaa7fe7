"""Our own directories: bertedu.json, model.safetensors and tokenizer.json; every model of ours fits, bit for bit.

bertedu.json says in words what the model is (the arguments of its parts), the weights lie in model.safetensors under
our own paths. Nothing in a directory is executed: bertedu.json may name only parts of Keras and of this package.
Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path

import keras

from bertedu.checkpoints.common import (
    FLOATS,
    Contents,
    EmbedSettings,
    TensorInfo,
    read_json,
    shortened,
    weights,
    weights_of,
    write_json,
    write_tensors,
)
from bertedu.checkpoints.huggingface import DTYPES, open_safetensors
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer, MaskedLM
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "bertedu: bertedu.json with model.safetensors and tokenizer.json"
CONFIG, WEIGHTS, TOKENIZER = "bertedu.json", "model.safetensors", "tokenizer.json"
VERSION = 1  # of the format; goes up when a reader of today could not read tomorrow's files
HARMLESS = ("keras.", "bertedu.")
"""Where the classes that a configuration names may come from."""


def recognises(path):
    """Whether `path` is a directory of ours."""
    return (Path(path) / CONFIG).is_file()


def write(bert, directory):
    """Writes a `Bert` as a directory of ours.

    Args:
        bert: a `Bert`.
        directory: path that is not there yet; see `files.replacing`.
    """
    directory.mkdir()
    write_json(directory / CONFIG, describe(bert))
    bert.tokenizer.save(directory / TOKENIZER)
    write_tensors(directory / WEIGHTS, {ours: keras.ops.convert_to_numpy(v) for ours, v in weights_of(bert).items()})


def describe(bert):
    """The content of bertedu.json: the arguments of a model's parts."""
    parts = {
        "encoder": bert.encoder,
        "masked_lm": bert.masked_lm and bert.masked_lm.masked_lm,
        "classifier": bert.classifier,
    }
    configs = {name: part and dict(part.get_config()) for name, part in parts.items()}
    for head, shared in (("masked_lm", "embedding_table"), ("classifier", "network")):
        if configs[head]:
            del configs[head][shared]  # the encoder's, which is written once
    return {
        "format": VERSION,
        **configs,
        "preprocessor": {"seq_length": bert.preprocessor.seq_length, "truncation": bert.preprocessor.truncation},
        "embed": bert.embed_settings._asdict(),
    }


def read(path, dtype=None):
    """The `Contents` of a directory of ours.

    Args:
        path: the directory.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
    """
    path = Path(path)
    config = read_json(path / CONFIG)
    if config.get("format") != VERSION:
        raise ValueError(
            f"{path / CONFIG} is of format {config.get('format')!r}, and this version reads {VERSION}: "
            "upgrade (pip install --upgrade bertedu), or save it again with the version that wrote it."
        )
    check_harmless(config, path / CONFIG)
    contents = build(config, path, dtype)
    variables = weights(contents.encoder, contents.masked_lm, contents.classifier)
    found = {tensor.name: tensor for tensor in tensors(path)}
    has_pooler = any(ours.startswith("pooler_transform/") for ours in found)
    missing = [ours for ours in variables if ours not in found and (has_pooler or "pooler_transform/" not in ours)]
    unknown = sorted(found.keys() - variables.keys())
    if missing or unknown:
        raise ValueError(
            f"{path / WEIGHTS} does not hold the model that {CONFIG} describes. "
            f"Missing: {shortened(missing)}. Unknown: {shortened(unknown)}."
        )
    fill(variables, found, path / WEIGHTS)
    return contents._replace(has_pooler=has_pooler)


def build(config, path, dtype=None):
    """The `Contents` that bertedu.json describes, not filled yet."""
    try:
        arguments = config["encoder"] | ({"dtype": dtype} if dtype else {})
        encoder = BertEncoder.from_config(arguments | {"initializer": "zeros"})  # random ones would be overwritten
        encoder.initializer = keras.initializers.get(config["encoder"]["initializer"])
        masked_lm = classifier = None
        if config["masked_lm"]:
            head = MaskedLM(encoder.get_embedding_layer(), **as_objects(config["masked_lm"], dtype))
            masked_lm = BertPretrainer(encoder, head.activation, head.initializer, customized_masked_lm=head)
        if config["classifier"]:
            classifier = BertClassifier(encoder, **as_objects(config["classifier"]))
        tokenizer = BertTokenizer.from_file(path / TOKENIZER)
        preprocessor = BertPreprocessor(tokenizer, **config["preprocessor"])
        settings = EmbedSettings(**config["embed"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path / CONFIG} describes no model of ours ({error!r}): was it edited by hand?") from None
    return Contents(encoder, True, preprocessor, [], masked_lm, classifier, settings)


def as_objects(config, dtype=None):
    """The arguments of a head, out of what bertedu.json says of it."""
    objects = {name: value for name, value in config.items() if name not in ("cls_head", "dtype")}
    if "dtype" in config:
        objects["dtype"] = dtype or keras.dtype_policies.get(config["dtype"])
    if "cls_head" in config:
        objects["cls_head"] = keras.saving.deserialize_keras_object(config["cls_head"])
    return objects


def check_harmless(config, path):
    """Raises ValueError where a configuration names code that is neither Keras', nor ours, nor imported by the user."""
    if isinstance(config, list):
        for item in config:
            check_harmless(item, path)
    elif isinstance(config, dict):
        name = config.get("registered_name")
        name = config.get("config") if name == "function" else name
        registered = isinstance(name, str) and keras.saving.get_registered_object(name) is not None
        module = str(config.get("module", "keras."))
        if not registered and not f"{module}.".startswith(HARMLESS):
            raise ValueError(
                f"{path} names {config.get('class_name')!r} of {module!r}, which is neither Keras' nor ours and would "
                "be run: import its module first, if you trust it (it has to register itself with Keras)."
            )
        check_harmless(list(config.values()), path)


def fill(variables, found, file):
    """Fills `variables`, a dict by our paths, with the tensors of `file`, of which `found` says what they are."""
    with open_safetensors(file) as opened:
        for ours, variable in variables.items():
            if ours not in found:
                continue  # a pooler that was never trained
            if found[ours].dtype not in FLOATS or found[ours].shape != tuple(variable.shape):
                raise ValueError(
                    f"{file}: the tensor {ours!r} is {found[ours].dtype} {found[ours].shape}, but {CONFIG} makes it "
                    f"{tuple(variable.shape)}, of {', '.join(FLOATS)}."
                )
            variable.assign(opened.get_tensor(ours))


def tensors(path):
    """The `TensorInfo` of every tensor in a directory; their names are our paths."""
    path = Path(path)
    if not (path / WEIGHTS).is_file():
        raise FileNotFoundError(f"{path} holds {CONFIG}, but no {WEIGHTS}: copy the whole directory.")
    with open_safetensors(path / WEIGHTS) as opened:
        views = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (not a dict)
        return [
            TensorInfo(name, tuple(view.get_shape()), DTYPES.get(view.get_dtype(), view.get_dtype()), name, True)
            for name, view in views.items()
        ]
