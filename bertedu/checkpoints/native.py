"""Our own directories: bertedu.json, model.safetensors and tokenizer.json; every model of ours fits, bit for bit.

bertedu.json says what the model is (the arguments of its parts), the weights lie in model.safetensors under our own
paths. Nothing that a directory says is executed: see `configuration`. Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path

import keras

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import TensorInfo, weights, weights_of, write_tensors
from bertedu.checkpoints.configuration import encoder_arguments
from bertedu.checkpoints.safetensors_files import list_tensors, read_tensor
from bertedu.fields import ANYTHING, FLAG, Rule, one_of, optional, read_fields, text, whole
from bertedu.files import read_json, write_json
from bertedu.pooling import POOLINGS, EmbedSettings, is_pooling, pooling_name
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "bertedu: bertedu.json with model.safetensors and tokenizer.json"
CONFIG, WEIGHTS, TOKENIZER = "bertedu.json", "model.safetensors", "tokenizer.json"
VERSION = 2  # of the format; goes up when a reader of today could not read tomorrow's files
READ = (1, 2)

PREPROCESSOR = {
    "seq_length": optional(whole(2, 1_000_000)),
    "truncation": one_of(("round_robin", "longest_first")),
}
EMBED = {
    "pooling": Rule(
        f"one of {', '.join(map(repr, ('pooled', *POOLINGS)))}, or a function registered with @bertedu.register()",
        lambda value: isinstance(value, str) and is_pooling(value),
    ),
    "normalize": FLAG,
    "max_length": optional(whole(1, 1_000_000)),
    "prompt": text(100_000),
}
FIELDS = {
    "format": ANYTHING,
    "encoder": ANYTHING,
    "masked_lm": ANYTHING,
    "classifier": ANYTHING,
    "preprocessor": ANYTHING,
    "embed": ANYTHING,
}


def recognises(path):
    """Return whether `path` is a directory of ours."""
    return (Path(path) / CONFIG).is_file()


def write(bert, directory):
    """Write a `Bert` as a directory of ours.

    Args:
        bert: a `Bert`.
        directory: path that is not there yet; see `files.replacing`.

    Raises:
        ValueError: `read` would refuse what it would write.
    """
    config, found = describe(bert), weights_of(bert)
    checked(config, f"The {CONFIG} of this model")
    directory.mkdir()
    write_json(directory / CONFIG, config)
    bert.tokenizer.save(directory / TOKENIZER)
    write_tensors(directory / WEIGHTS, {path: keras.ops.convert_to_numpy(v) for path, v in found.items()})


def describe(bert):
    """Return the content of bertedu.json: the arguments of a model's parts."""
    parts = {
        "encoder": bert.encoder,
        "masked_lm": bert.masked_lm and bert.masked_lm.masked_lm,
        "classifier": bert.classifier,
    }
    configs = {name: part and dict(part.get_config()) for name, part in parts.items()}
    if configs["masked_lm"]:
        check_table(bert)
    for head, shared in (("masked_lm", "embedding_table"), ("classifier", "network")):
        if configs[head]:
            del configs[head][shared]  # the encoder's, which is written once
    return {"format": VERSION, **configs, **settings(bert)}


def check_table(bert):
    """Raise ValueError where the masked-LM head's table is not the encoder's, and would be lost."""
    if getattr(bert.masked_lm.masked_lm, "table", None) is not bert.encoder.get_embedding_table():
        raise ValueError("masked_lm has an embedding_table that is not its encoder's, which no format here can hold.")


def settings(bert):
    """Return what a file says besides the model: how texts are cut, and how they are embedded."""
    preprocessor = {"seq_length": bert.preprocessor.seq_length, "truncation": bert.preprocessor.truncation}
    embed = bert.embed_settings._asdict() | {"pooling": pooling_name(bert.embed_settings.pooling)}
    return {"preprocessor": preprocessor, "embed": embed}


def read(path, dtype=None):
    """Return the `Bert` of a directory of ours.

    Args:
        path: the directory.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
    """
    source, file = Path(path) / CONFIG, Path(path) / WEIGHTS
    arguments, heads, preprocessor, embed = checked(read_json(source), source, dtype)
    classifier = assembly.classifier_shapes(heads.classifier, arguments["hidden_size"], source)
    shapes, others = strict.model_shapes(arguments, heads.masked_lm is not None, classifier)
    found = tensors(path)
    strict.check(shapes, found, file, CONFIG, others=others)
    tokenizer = BertTokenizer.from_file(Path(path) / TOKENIZER)
    encoder, masked_lm, classifier = assembly.build(arguments, heads, source, dtype)
    has_pooler = strict.fill(
        weights(encoder, masked_lm, classifier), found, lambda tensor: read_tensor(file, tensor.name), file, CONFIG
    )
    return Bert(
        tokenizer,
        encoder,
        BertPreprocessor(tokenizer, **preprocessor),
        has_pooler=has_pooler,
        embed_settings=EmbedSettings(**embed),
        masked_lm=masked_lm,
        classifier=classifier,
    )


def checked(config, source, dtype=None):
    """Return what bertedu.json says, checked: the encoder's arguments, the `Heads`, and the settings.

    Raises:
        ValueError: another format, or a field that is missing, unknown or wrong.
    """
    if isinstance(config, dict) and config.get("format") not in READ:
        raise ValueError(
            f"{source}: format must be one of {READ}, which this version reads; got {config.get('format')!r:.20}. "
            "Upgrade (pip install --upgrade bertedu), or save it again with the version that wrote it."
        )
    fields = read_fields(config, FIELDS, source, required=FIELDS.keys())
    arguments = encoder_arguments(fields["encoder"], f"{source}, encoder", dtype)
    heads = assembly.Heads(masked_lm=fields["masked_lm"], classifier=fields["classifier"])
    return (
        arguments,
        heads,
        read_fields(fields["preprocessor"], PREPROCESSOR, f"{source}, preprocessor"),
        read_fields(fields["embed"], EMBED, f"{source}, embed"),
    )


def tensors(path):
    """Return the `TensorInfo` of every tensor in a directory; their names are our paths."""
    return [TensorInfo(name, shape, dtype, name, True) for name, shape, dtype in list_tensors(Path(path) / WEIGHTS)]
