"""Hugging Face directories: config.json, model.safetensors, and vocab.txt or tokenizer.json.

Reading is strict both ways: every weight of ours must be there in its shape, and every tensor there must be one of ours
or one that `SPARES` lists. Nothing in a directory is executed; pickled weights are refused for that reason.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import json
import math
import warnings
from pathlib import Path
from typing import NamedTuple

import ml_dtypes  # noqa: F401  (comes with Keras, and teaches NumPy what bfloat16 is)
from safetensors import SafetensorError, safe_open

from bertedu import defaults
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer
from bertedu.text import BertTokenizer

LOOKED_FOR = (
    "Hugging Face: config.json with model.safetensors (or its shards and their index), and vocab.txt or tokenizer.json"
)
TRUNCATION = "longest_first"
FLOATS = ("F32", "F16", "BF16", "F64")  # safetensors' names; others are quantised, and numbers beside them say how

EMBEDDINGS = {
    "embeddings/word_embeddings/embeddings": "embeddings.word_embeddings.weight",
    "embeddings/position_embedding/embeddings": "embeddings.position_embeddings.weight",
    "embeddings/type_embeddings/embeddings": "embeddings.token_type_embeddings.weight",
    "embeddings/layer_norm/gamma": "embeddings.LayerNorm.weight",
    "embeddings/layer_norm/beta": "embeddings.LayerNorm.bias",
}
LAYER = {
    "self_attention/query/kernel": "attention.self.query.weight",
    "self_attention/query/bias": "attention.self.query.bias",
    "self_attention/key/kernel": "attention.self.key.weight",
    "self_attention/key/bias": "attention.self.key.bias",
    "self_attention/value/kernel": "attention.self.value.weight",
    "self_attention/value/bias": "attention.self.value.bias",
    "self_attention/attention_output/kernel": "attention.output.dense.weight",
    "self_attention/attention_output/bias": "attention.output.dense.bias",
    "self_attention_layer_norm/gamma": "attention.output.LayerNorm.weight",
    "self_attention_layer_norm/beta": "attention.output.LayerNorm.bias",
    "feedforward/intermediate/kernel": "intermediate.dense.weight",
    "feedforward/intermediate/bias": "intermediate.dense.bias",
    "feedforward/output/kernel": "output.dense.weight",
    "feedforward/output/bias": "output.dense.bias",
    "output_layer_norm/gamma": "output.LayerNorm.weight",
    "output_layer_norm/beta": "output.LayerNorm.bias",
}
POOLER = {
    "pooler_transform/kernel": "pooler.dense.weight",
    "pooler_transform/bias": "pooler.dense.bias",
}
MASKED_LM = {
    "transform/kernel": "cls.predictions.transform.dense.weight",
    "transform/bias": "cls.predictions.transform.dense.bias",
    "layer_norm/gamma": "cls.predictions.transform.LayerNorm.weight",
    "layer_norm/beta": "cls.predictions.transform.LayerNorm.bias",
    "output_bias": "cls.predictions.bias",
}
CLASSIFIER = {
    "logits/kernel": "classifier.weight",
    "logits/bias": "classifier.bias",
}
SPARES = ("cls.", "classifier.", "qa_outputs.", "embeddings.position_ids")
"""Tensors (by the start of their names) that belong to a BERT but not to its encoder; two heads are read from them."""

ACTIVATIONS = {
    "gelu": "gelu",  # exact; the weights of Google's BERTs were trained with the tanh form all the same
    "gelu_new": defaults.gelu_tanh,
    "gelu_pytorch_tanh": defaults.gelu_tanh,
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "max_sequence_length": "max_position_embeddings",
    "type_vocab_size": "type_vocab_size",
    "inner_dim": "intermediate_size",
}
"""Our argument -> its field in config.json."""

POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}


class EmbedSettings(NamedTuple):
    """How a model was meant to embed texts: pooling, unit length or not, and how many tokens it reads."""

    pooling: str = "mean"
    normalize: bool = False
    max_length: int | None = None


def recognises(path):
    """Whether `path` is a Hugging Face directory, or what is left of one."""
    files = ("config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    return any((Path(path) / name).is_file() for name in files)


def read_encoder(directory):
    """The `BertEncoder` of a Hugging Face directory.

    Returns:
        encoder, whether the checkpoint had a pooler, and the list of its tensors that were left aside.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
    """
    directory = Path(directory)
    encoder = build_encoder(directory)
    with_pooler, spares = assign(encoder, tensor_files(directory))
    return encoder, with_pooler, spares


def read_masked_lm(directory, encoder):
    """A `BertPretrainer` on `encoder` (shared) with the masked-LM head of a directory; None where it has none."""
    files = tensor_files(Path(directory))
    tensors = head_tensors(files, MASKED_LM)
    if not tensors:
        return None
    pretrainer = BertPretrainer(encoder, encoder.inner_activation, mlm_initializer="zeros")
    fill_head(pretrainer.masked_lm, MASKED_LM, tensors, files[0].parent)
    return pretrainer


def read_classifier(directory, encoder):
    """A `BertClassifier` on `encoder` (shared) with the classifier of a directory; None where it has none."""
    files = tensor_files(Path(directory))
    tensors = head_tensors(files, CLASSIFIER)
    if not tensors:
        return None
    config = read_json(Path(directory) / "config.json")
    dropout = config.get("classifier_dropout")
    classifier = BertClassifier(
        encoder,
        len(tensors.get(CLASSIFIER["logits/bias"], (0,))),
        dropout_rate=config.get("hidden_dropout_prob", defaults.DROPOUT) if dropout is None else dropout,
    )
    fill_head(classifier.classifier, CLASSIFIER, tensors, files[0].parent)
    return classifier


def head_tensors(files, table):
    """The tensors of `files` that `table` names, by those names; empty if there are none."""
    found = {}
    for file in files:
        with open_safetensors(file) as tensors:
            for key in tensors.keys():  # noqa: SIM118  (not a dict)
                if canonical(key) in table.values():
                    found[canonical(key)] = read_tensor(tensors, key, file)
    return found


def fill_head(head, table, tensors, directory):
    """Puts `tensors` into the weights of a head, by the name table; all of them must be there."""
    missing = [theirs for theirs in table.values() if theirs not in tensors]
    if missing:
        raise ValueError(f"{directory} holds a head without {shortened(missing)}: download it again.")
    for variable in head.weights:
        ours = variable.path.split(f"{head.name}/")[-1]
        if ours in table:  # the word table is the encoder's
            variable.assign(to_ours(tensors[table[ours]], variable, table[ours], directory))


def build_encoder(directory):
    """A `BertEncoder` of the sizes in config.json; its weights are zeros, waiting for the checkpoint's."""
    path = Path(directory) / "config.json"
    config = read_json(path)
    check_config(config, path)
    try:
        encoder = BertEncoder(
            **{ours: config[theirs] for ours, theirs in SIZES.items()},
            inner_activation=ACTIVATIONS[config["hidden_act"]],
            output_dropout=config.get("hidden_dropout_prob", defaults.DROPOUT),
            attention_dropout=config.get("attention_probs_dropout_prob", defaults.DROPOUT),
            layer_norm_epsilon=config.get("layer_norm_eps", defaults.LAYER_NORM_EPSILON),
            initializer="zeros",  # drawing millions of random numbers only to overwrite them takes longer than reading
            name="bert",
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no BERT: {error}") from None
    encoder.initializer = defaults.initializer()  # what a new head on it, or a fresh copy, starts from
    return encoder


def check_config(config, path):
    """Raises ValueError where a config.json is another model's, or lacks what a `BertEncoder` needs."""
    if config.get("model_type", "bert") != "bert" or config.get("is_decoder"):
        kind = "a decoder (is_decoder)" if config.get("is_decoder") else f"{config['model_type']!r} (model_type)"
        raise ValueError(f"{path}: a BERT encoder is needed, this is {kind}.")
    positions = config.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise ValueError(f"{path}: position_embedding_type must be 'absolute', as BERT's is, not {positions!r}.")
    for name in ("hidden_act", *SIZES.values()):
        if name not in config:
            raise ValueError(f"{path} has no field {name!r}; it needs one, as every BERT's does.")
    if config["hidden_act"] not in ACTIVATIONS:
        raise ValueError(f"{path}: hidden_act is {config['hidden_act']!r}; known are {', '.join(ACTIVATIONS)}.")


def names(encoder):
    """The table for `encoder`: our path of each weight -> its name in the checkpoint (without `bert.`)."""
    layers = {
        f"layer_{i}/{ours}": f"encoder.layer.{i}.{theirs}"
        for i in range(encoder.num_layers)
        for ours, theirs in LAYER.items()
    }
    return EMBEDDINGS | layers | POOLER


def assign(encoder, files):
    """Fills `encoder` from safetensors `files`; see `read_encoder`."""
    variables = {variable.path.split("/", 1)[1]: variable for variable in encoder.weights}
    wanted = {theirs: ours for ours, theirs in names(encoder).items()}
    spares, unknown = [], []
    for file in files:
        with open_safetensors(file) as tensors:
            for key in tensors.keys():  # noqa: SIM118  (not a dict)
                ours = wanted.pop(canonical(key), None)
                if ours is not None:
                    variables[ours].assign(to_ours(read_tensor(tensors, key, file), variables[ours], key, file))
                elif canonical(key).startswith(SPARES):
                    spares.append(key)
                else:
                    unknown.append(key)
    with_pooler = not set(POOLER.values()) <= set(wanted)
    missing = [name for name in wanted if with_pooler or name not in POOLER.values()]
    if missing or unknown:
        raise ValueError(
            f"{files[0].parent} does not hold the BERT that its config.json describes. "
            f"Missing: {shortened(missing)}. Unknown: {shortened(unknown)}."
        )
    return with_pooler, spares


def read_tensor(tensors, key, file):
    """One tensor of an open file, as float32."""
    dtype = tensors.get_slice(key).get_dtype()
    if dtype not in FLOATS:
        raise ValueError(f"{file}: the tensor {key!r} holds {dtype}; weights are read from {', '.join(FLOATS)} only.")
    return tensors.get_tensor(key).astype("float32", copy=False)


def to_ours(array, variable, key, file):
    """A checkpoint's array in our layout: matrices transposed ([out, in] -> [in, out]), heads split."""
    shape = tuple(variable.shape)
    if variable.path.endswith("kernel"):
        split = 2 if "attention_output" in variable.path else 1  # the axes of `shape` that are inputs
        expected = (math.prod(shape[split:]), math.prod(shape[:split]))
    else:
        expected = shape if variable.path.endswith("embeddings") else (math.prod(shape),)
    if array.shape != expected:
        raise ValueError(f"{file}: the tensor {key!r} has shape {array.shape}, but config.json makes it {expected}.")
    return (array.T if variable.path.endswith("kernel") else array).reshape(shape)


def canonical(key):
    """A tensor's name as in our table: without `bert.`, and gamma and beta (before 2019) as weight and bias."""
    return (
        key.removeprefix("bert.")
        .replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias")
    )


def tensor_files(directory):
    """The safetensors files of `directory`: one, or the shards that its index names."""
    single, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ValueError(f"{index} has no 'weight_map' that names its files: download it again.")
        files = [directory / name for name in sorted(set(shards.values()))]
        absent = [file.name for file in files if not file.is_file()]
        if absent:
            raise FileNotFoundError(f"{index} names {shortened(absent)}, which {directory} does not hold.")
        return files
    hint = ""
    if (directory / "pytorch_model.bin").is_file():
        hint = (
            " Its pytorch_model.bin is a pickle, which can run any code when read: save it once as safetensors "
            "(transformers: model.save_pretrained(directory))."
        )
    raise FileNotFoundError(f"{directory} holds no model.safetensors.{hint}")


def open_safetensors(file):
    """An open safetensors file; a damaged one is a ValueError that says so."""
    try:
        return safe_open(file, framework="numpy")
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged or cut off ({error}): download it again.") from None


def read_tokenizer(directory):
    """The `BertTokenizer` of a Hugging Face directory: tokenizer.json, else vocab.txt and tokenizer_config.json."""
    directory = Path(directory)
    if (directory / "tokenizer.json").is_file():
        return BertTokenizer.from_file(directory / "tokenizer.json")
    if not (directory / "vocab.txt").is_file():
        raise FileNotFoundError(f"{directory} holds neither tokenizer.json nor vocab.txt.")
    settings = directory / "tokenizer_config.json"
    config = read_json(settings) if settings.is_file() else {}
    try:
        return BertTokenizer(
            directory / "vocab.txt",
            lowercase=config.get("do_lower_case", True),
            strip_accents=config.get("strip_accents"),
            tokenize_chinese_chars=config.get("tokenize_chinese_chars", True),
        )
    except ValueError as error:
        raise ValueError(f"{directory / 'vocab.txt'}: {error}") from None


def read_embed_settings(directory):
    """What a sentence-transformers directory says of pooling, normalising and length; the defaults for any other."""
    directory = Path(directory)
    listing = directory / "modules.json"
    if not listing.is_file():
        return EmbedSettings()
    try:
        modules = {module["type"].rsplit(".", 1)[-1]: directory / module["path"] for module in read_json(listing, list)}
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"{listing}: every module needs a 'type' and a 'path'.") from None
    others = sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"})
    if others:
        warnings.warn(
            f"{listing} ends in {', '.join(others)}, which is not read: `embed` stops before it.", stacklevel=2
        )
    pooling = EmbedSettings().pooling
    if "Pooling" in modules:
        config = read_json(modules["Pooling"] / "config.json")
        chosen = [ours for flag, ours in POOLING_FLAGS.items() if config.get(flag)] or [config.get("pooling_mode")]
        if len(chosen) > 1 or chosen[0] not in POOLING_FLAGS.values():
            raise ValueError(
                f"{modules['Pooling'] / 'config.json'}: the pooling must be one of {', '.join(POOLING_FLAGS.values())}."
            )
        pooling = chosen[0]
    limits = directory / "sentence_bert_config.json"
    max_length = read_json(limits).get("max_seq_length") if limits.is_file() else None
    return EmbedSettings(pooling, "Normalize" in modules, max_length)


def read_json(path, kind=dict):
    """What a JSON file holds, a `kind`; errors name the file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} holds no {path.name}: is it the directory of a whole model?")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}): download it again.") from None
    if not isinstance(content, kind):
        raise ValueError(f"{path} must hold a JSON {'object' if kind is dict else 'list'}, it holds {content!r:.50}.")
    return content


def shortened(items, most=4):
    """The first few of a list of names, in words."""
    return (", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")) or "nothing"
