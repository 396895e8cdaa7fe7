"""Hugging Face directories: config.json, model.safetensors, and vocab.txt or tokenizer.json.

Reading is strict both ways: every weight of ours must be there in its shape, and every tensor there must be one of ours
or one that `SPARES` lists. Nothing in a directory is executed; pickled weights are refused for that reason.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import math
import warnings
from pathlib import Path

import ml_dtypes  # noqa: F401  (comes with Keras, and teaches NumPy what bfloat16 is)
from keras import ops
from safetensors import SafetensorError, safe_open

from bertedu import defaults
from bertedu.checkpoints.common import (
    FLOATS,
    Contents,
    EmbedSettings,
    TensorInfo,
    common_dtype,
    preprocessor_for,
    read_json,
    shortened,
    weights,
)
from bertedu.checkpoints.huggingface_names import (
    ACTIVATIONS,
    POOLING_FLAGS,
    SIZES,
    SPARES,
    canonical,
    our_path,
    their_name,
)
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer
from bertedu.text import BertTokenizer

LOOKED_FOR = (
    "Hugging Face: config.json with model.safetensors (or its shards and their index), and vocab.txt or tokenizer.json"
)
TRUNCATION = "longest_first"
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}  # safetensors' names, NumPy's


def recognises(path):
    """Whether `path` is a Hugging Face directory, or what is left of one."""
    files = ("config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    return any((Path(path) / name).is_file() for name in files)


def read(path, dtype=None):
    """The `Contents` of a Hugging Face directory; `dtype` and errors as in `read_encoder`."""
    encoder, has_pooler, spares = read_encoder(path, dtype)
    return Contents(
        encoder,
        has_pooler,
        preprocessor_for(read_tokenizer(path), encoder, TRUNCATION),
        spares,
        masked_lm=read_masked_lm(path, encoder),
        classifier=read_classifier(path, encoder),
        embed_settings=read_embed_settings(path),
    )


def read_encoder(directory, dtype=None):
    """The `BertEncoder` of a Hugging Face directory.

    Args:
        directory: path.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Returns:
        encoder, whether the checkpoint had a pooler, and the list of its tensors that were left aside.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
    """
    directory = Path(directory)
    found = tensors(directory)
    encoder = build_encoder(directory, dtype or common_dtype(tensor.dtype for tensor in found if tensor.ours))
    variables = weights(encoder)
    there = {tensor.ours: tensor for tensor in reversed(found)}
    has_pooler = any(ours.startswith("pooler_transform/") for ours in variables.keys() & there.keys())
    missing = [ours for ours in variables if ours not in there and (has_pooler or "pooler_transform/" not in ours)]
    unknown = [tensor.name for tensor in found if not tensor.known]
    unknown += [t.name for t in found if is_of_encoder(t) and (t.ours not in variables or there[t.ours] is not t)]
    if missing or unknown:
        raise ValueError(
            f"{directory} does not hold the BERT that its config.json describes. "
            f"Missing: {shortened([their_name(ours) for ours in missing])}. Unknown: {shortened(unknown)}."
        )
    fill(variables, directory)
    return encoder, has_pooler, [tensor.name for tensor in found if not is_of_encoder(tensor)]


def is_of_encoder(tensor):
    """Whether a `TensorInfo` is of the encoder, not of a head."""
    return tensor.ours is not None and not tensor.ours.startswith(("masked_lm/", "classifier/"))


def read_masked_lm(directory, encoder):
    """A `BertPretrainer` on `encoder` (shared) with the masked-LM head of a directory; None where it has none."""
    if not any((tensor.ours or "").startswith("masked_lm/") for tensor in tensors(directory)):
        return None
    pretrainer = BertPretrainer(encoder, encoder.inner_activation, mlm_initializer="zeros")
    fill_head("masked_lm/", weights(encoder, masked_lm=pretrainer), directory)
    return pretrainer


def read_classifier(directory, encoder):
    """A `BertClassifier` on `encoder` (shared) with the classifier of a directory; None where it has none."""
    head = [tensor for tensor in tensors(directory) if (tensor.ours or "").startswith("classifier/")]
    if not head:
        return None
    config = read_json(Path(directory) / "config.json")
    dropout = config.get("classifier_dropout")
    classifier = BertClassifier(
        encoder,
        head[0].shape[0] if head[0].shape else 1,
        dropout_rate=config.get("hidden_dropout_prob", defaults.DROPOUT) if dropout is None else dropout,
    )
    fill_head("classifier/", weights(encoder, classifier=classifier), directory)
    return classifier


def fill_head(prefix, variables, directory):
    """Fills those of `variables` (by our paths) that begin with `prefix`; all of them must be there."""
    head = {ours: variable for ours, variable in variables.items() if ours.startswith(prefix)}
    missing = head.keys() - {tensor.ours for tensor in tensors(directory)}
    if missing:
        names = sorted(their_name(ours) for ours in missing)
        raise ValueError(f"{directory} holds a head without {shortened(names)}: download it again.")
    fill(head, directory)


def fill(variables, directory):
    """Fills `variables`, a dict by our paths, from the files of `directory`."""
    for file in tensor_files(Path(directory)):
        with open_safetensors(file) as opened:
            names = [name for name in opened.keys() if our_path(name) in variables]  # noqa: SIM118  (not a dict)
        for name in names:
            with open_safetensors(file) as opened:  # anew: pages of an open file stay in memory, besides our copy
                array = opened.get_tensor(name)
            variable = variables[our_path(name)]
            variable.assign(to_ours(array, variable, name, file))


def tensors(path):
    """The `TensorInfo` of every tensor in a directory; one that holds no floats is refused."""
    found = []
    for file in tensor_files(Path(path)):
        with open_safetensors(file) as opened:
            for name in opened.keys():  # noqa: SIM118  (not a dict)
                view = opened.get_slice(name)
                ours, dtype = our_path(name), view.get_dtype()
                if ours and dtype not in DTYPES:
                    raise ValueError(
                        f"{file}: the tensor {name!r} holds {dtype}; weights are read from {', '.join(FLOATS)} only."
                    )
                known = ours is not None or canonical(name).startswith(SPARES)
                found.append(TensorInfo(name, tuple(view.get_shape()), DTYPES.get(dtype, dtype), ours, known))
    return found


def build_encoder(directory, dtype=None):
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
            dtype=dtype,
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
    if variable.path.endswith("kernel"):
        array = ops.transpose(ops.convert_to_tensor(array))  # the backend's is several times as fast as NumPy's
    return ops.reshape(array, shape)


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
