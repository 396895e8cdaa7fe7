"""bertedu's own format: a directory of bertedu.json, model.safetensors and tokenizer.json, for any model, bit for bit.

bertedu.json has the arguments of the model's parts, model.safetensors the weights by path. Nothing in a directory is
executed: see `objects`. Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

import keras

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import TensorInfo, check_table, weights_of, write_tensors
from bertedu.checkpoints.configuration import encoder_arguments
from bertedu.checkpoints.safetensors_files import list_tensors, read_tensor
from bertedu.fields import ANYTHING, FLAG, Rule, one_of, optional, read_fields, text, whole
from bertedu.files import read_json, write_json
from bertedu.pooling import POOLINGS, EmbedSettings, is_pooling, pooling_name
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "bertedu: bertedu.json with model.safetensors and tokenizer.json"
CONFIG, WEIGHTS, TOKENIZER = "bertedu.json", "model.safetensors", "tokenizer.json"
VERSION = 2  # of the format; increased when older readers cannot read the new files
READ = (1, 2)

SETTINGS = {
    "preprocessor": {
        "seq_length": optional(whole(2, 1_000_000)),
        "truncation": one_of(("round_robin", "longest_first")),
    },
    "embed": {
        "pooling": Rule(
            f"one of {', '.join(map(repr, ('pooled', *POOLINGS)))}, or a function registered with @bertedu.register()",
            lambda value: isinstance(value, str) and is_pooling(value),
        ),
        "normalize": FLAG,
        "max_length": optional(whole(1, 1_000_000)),
        "prompt": text(100_000),
    },
}
"""The fields of bertedu.json besides the model."""
REQUIRED = ("format", "encoder", "masked_lm", "classifier", *SETTINGS)
FIELDS = dict.fromkeys((*REQUIRED, "token_classifier"), ANYTHING)


def recognizes(path: Path) -> bool:
    """Return whether `path` is a directory in this format."""
    return (path / CONFIG).is_file()


def write(bert: Bert, path: Path) -> None:
    """Write a `Bert` as a directory in this format.

    Args:
        bert: a `Bert`.
        path: a path that does not exist yet; see `files.replacing`.

    Raises:
        ValueError: `read` would refuse the result.
    """
    config, variables = describe(bert), weights_of(bert)
    check_config(config, f"The {CONFIG} of this model")
    path.mkdir()
    write_json(path / CONFIG, config)
    bert.tokenizer.save(path / TOKENIZER)
    write_tensors(path / WEIGHTS, {name: keras.ops.convert_to_numpy(v) for name, v in variables.items()})


def describe(bert: Bert) -> dict[str, Any]:
    """Return the content of bertedu.json: the arguments of a model's parts."""
    check_table(bert)
    masked_lm = bert.masked_lm and bert.masked_lm.masked_lm
    parts = {"encoder": bert.encoder, "masked_lm": masked_lm, "classifier": bert.classifier}
    if bert.token_classifier is not None:  # a field that most files lack
        parts["token_classifier"] = bert.token_classifier
    configs: dict[str, Any] = {name: part and dict(part.get_config()) for name, part in parts.items()}
    for head, shared in (("masked_lm", "embedding_table"), ("classifier", "network"), ("token_classifier", "network")):
        if configs.get(head):
            del configs[head][shared]  # written once, with the encoder
    return {"format": VERSION, **configs, **settings(bert)}


def settings(bert: Bert) -> dict[str, Any]:
    """Return the settings besides the model: those of the preprocessor and of `embed`."""
    preprocessor = {name: getattr(bert.preprocessor, name) for name in SETTINGS["preprocessor"]}
    embed = bert.embed_settings._asdict() | {"pooling": pooling_name(bert.embed_settings.pooling)}
    return {"preprocessor": preprocessor, "embed": embed}


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a directory in this format.

    Args:
        path: the directory.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
    """
    source = path / CONFIG
    arguments, heads, preprocessor, embed = check_config(read_json(source), source, dtype)
    stored = strict.Stored(tensors(path), read_tensor, path / WEIGHTS, CONFIG)
    described = assembly.Description(arguments, heads, source, stored)
    assembly.check(described)
    tokenizer = BertTokenizer.from_file(path / TOKENIZER)
    settings: dict[str, Any] = {
        "preprocessor": BertPreprocessor(tokenizer, **preprocessor),
        "embed_settings": EmbedSettings(**embed),
    }
    return Bert(tokenizer, **settings, **assembly.fill(described, dtype))


def check_config(config: Any, source: Path | str, dtype: str | None = None) -> tuple[dict, assembly.Heads, dict, dict]:
    """Return the checked content of bertedu.json: the encoder's arguments, the `Heads`, and two dicts of settings.

    Raises:
        ValueError: an unsupported version of the format, or a field that is missing, unknown or wrong.
    """
    if isinstance(config, dict) and config.get("format") not in READ:
        version = f"format: expected one of {READ}, got {config.get('format')!r:.20}"
        raise ValueError(f"{source}: {version}. Upgrade bertedu.")
    fields = read_fields(config, FIELDS, source, required=REQUIRED)
    arguments = encoder_arguments(fields["encoder"], f"{source}, encoder", dtype)
    names = ("masked_lm", "classifier", "token_classifier")
    heads = assembly.Heads(**{name: fields.get(name) for name in names})
    settings = check_settings(fields, source)
    return arguments, heads, settings["preprocessor"], settings["embed"]


def check_settings(fields: dict[str, Any], source: Path | str) -> dict[str, dict[str, Any]]:
    """Return the checked settings among `fields`."""
    return {name: read_fields(fields[name], SETTINGS[name], f"{source}, {name}") for name in SETTINGS if name in fields}


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in a directory. Their names are the weights' paths."""
    return [tensor._replace(weight_path=tensor.name, known=True) for tensor in list_tensors(path / WEIGHTS)]
