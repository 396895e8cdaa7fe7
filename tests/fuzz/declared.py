"""What a checkpoint's own files say of its encoder, read without the package."""

import io
import json
import zipfile

HUGGINGFACE = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "inner_dim",
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "type_vocab_size",
    "layer_norm_eps": "layer_norm_epsilon",
}
KERAS_HUB = {
    "vocabulary_size": "vocab_size",
    "hidden_dim": "hidden_size",
    "num_layers": "num_layers",
    "num_heads": "num_attention_heads",
    "intermediate_dim": "inner_dim",
    "max_sequence_length": "max_sequence_length",
    "num_segments": "type_vocab_size",
}
ARGUMENTS = (
    *("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "max_sequence_length", "type_vocab_size"),
    *("inner_dim", "output_dropout", "attention_dropout", "output_range", "embedding_width", "norm_first"),
    *("with_dense_inputs", "layer_norm_epsilon"),
)


def encoder(family, tree):
    """Return the encoder's arguments as the files state them: a dict, empty where they can't be read."""
    reader = READERS[family]  # outside the try: a family without a reader is an error
    try:
        return {name: value for name, value in reader(tree).items() if value is not None}
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        StopIteration,
        RecursionError,
        zipfile.BadZipFile,
        OSError,
    ):
        return {}


def _parsed(content):
    return json.loads(content)


def _bertedu(tree):
    config = _parsed(tree["bertedu.json"])["encoder"]
    return {name: config[name] for name in ARGUMENTS if name in config}


def _huggingface(tree):
    folder = ""
    if "modules.json" in tree:
        folder = next(m["path"] for m in _parsed(tree["modules.json"]) if m["type"].endswith(".Transformer"))
    config = _parsed(tree[f"{folder}/config.json" if folder else "config.json"])
    return {argument: config[field] for field, argument in HUGGINGFACE.items() if field in config}


def _tensorflow(tree):
    name = next(name for name in tree if name.endswith("bert_config.json"))
    config = _parsed(tree[name])
    return {argument: config[field] for field, argument in HUGGINGFACE.items() if field in config}


def _keras_hub(tree):
    config = _parsed(tree["config.json"])["config"]
    return {argument: config[field] for field, argument in KERAS_HUB.items() if field in config}


def _keras(tree):
    with zipfile.ZipFile(io.BytesIO(tree["model.keras"])) as opened:
        if opened.getinfo("config.json").file_size > 10**7:
            return {}
        document = json.loads(opened.read("config.json"))
    encoders = list(_objects(document, "bertedu>BertEncoder"))
    return {name: encoders[0][name] for name in ARGUMENTS if name in encoders[0]} if len(encoders) == 1 else {}


def _objects(value, registered_name):
    if isinstance(value, dict):
        if value.get("registered_name") == registered_name:
            yield value["config"]
        for item in value.values():
            yield from _objects(item, registered_name)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item, registered_name)


READERS = {
    "bertedu": _bertedu,
    "huggingface": _huggingface,
    "sentence_transformers": _huggingface,
    "keras": _keras,
    "keras_hub": _keras_hub,
    "shards": lambda tree: _keras_hub(tree) if "model.weights.json" in tree else _huggingface(tree),
    "tf1": _tensorflow,
    "tf2": _tensorflow,
    "saved_model": _tensorflow,
}
"""By family; a SavedModel of ours has its configuration beside the variables."""
