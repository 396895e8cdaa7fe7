"""A Hugging Face directory, read: config.json says which BERT it is, the safetensors files hold its weights.

Reading is strict both ways: each weight of the model has its tensor, and each tensor is a weight, or a part of a head
that is not read. Pickled weights are refused, since reading them runs code. Chapter: notebooks/10_checkpoints.ipynb.
"""

from pathlib import Path

from bertedu import defaults
from bertedu.bert import Bert
from bertedu.checkpoints import strict
from bertedu.checkpoints.common import TensorInfo, common_dtype, preprocessor_for, shortened, weights
from bertedu.checkpoints.huggingface import embedding
from bertedu.checkpoints.huggingface.heads import (
    architecture,
    check_heads,
    check_tied,
    classifier_arguments,
    readable_heads,
)
from bertedu.checkpoints.huggingface.names import (
    ACTIVATIONS,
    BUFFERS,
    DECODER_BIAS,
    HEADS,
    LAYOUT,
    SIZES,
    canonical,
    our_path,
)
from bertedu.checkpoints.huggingface.settings import MODEL
from bertedu.checkpoints.huggingface.tokenizer import read_tokenizer
from bertedu.checkpoints.safetensors_files import list_tensors, read_tensor
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.fields import read_fields, shown
from bertedu.files import read_json
from bertedu.masked_lm import BertPretrainer

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLE, ADAPTER, MODULES = "pytorch_model.bin", "adapter_config.json", embedding.MODULES
TRUNCATION = "longest_first"


def recognises(path):
    """Return whether `path` is a Hugging Face directory, or what is left of one."""
    return any((Path(path) / name).is_file() for name in (CONFIG, WEIGHTS, INDEX, PICKLE, MODULES))


def read(path, dtype=None):
    """Return the `Bert` of a Hugging Face directory.

    Args:
        path: the directory.
        dtype: name of the type that the weights shall have. Defaults to the one they have there.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or a setting
            has a value that is not supported.
    """
    directory = embedding.model_directory(path)
    config, files = read_config(directory), tensor_files(directory)
    found, file_of = listed(files, config)
    heads = {tensor.ours.partition("/")[0] for tensor in found if tensor.ours} & {"masked_lm", "classifier"}
    check_heads(heads, found, config, directory / CONFIG)
    arguments = encoder_arguments(config)
    classifier = classifier_arguments(config, directory / CONFIG) if "classifier" in heads else None
    logits = classifier and strict.dense("logits", arguments["hidden_size"], classifier["num_classes"])
    shapes, _ = strict.model_shapes(arguments, "masked_lm" in heads, logits)
    source = files[0] if len(files) == 1 else directory / INDEX
    strict.check(shapes, found, source, CONFIG, LAYOUT)
    tokenizer = embedding.lowercased(read_tokenizer(directory), path)
    embed_settings = embedding.read_embed_settings(path)

    arguments["dtype"] = dtype or common_dtype(tensor.dtype for tensor in found if tensor.ours)
    encoder, masked_lm, classifier = build(arguments, "masked_lm" in heads, classifier)
    variables = weights(encoder, masked_lm, classifier)
    has_pooler = strict.fill(variables, found, lambda t: read_tensor(file_of[t.name], t.name), source, CONFIG, LAYOUT)
    if masked_lm is not None:
        check_tied(variables, file_of, source)
    return Bert(
        tokenizer,
        encoder,
        preprocessor_for(tokenizer, encoder, TRUNCATION),
        has_pooler=has_pooler,
        embed_settings=embed_settings,
        masked_lm=masked_lm,
        classifier=classifier,
    )


def build(arguments, masked_lm, classifier):
    """Return an encoder, the `BertPretrainer` on it or None, and the `BertClassifier` or None, all to be filled."""
    # Random weights would only be overwritten, and take longer to make than to read.
    encoder = BertEncoder(**arguments, initializer="zeros", name="bert")
    encoder.initializer = defaults.initializer()  # what a new head on it, or a fresh copy, starts from
    return (
        encoder,
        BertPretrainer(encoder, encoder.inner_activation, mlm_initializer="zeros") if masked_lm else None,
        BertClassifier(encoder, **classifier) if classifier else None,
    )


def read_config(directory):
    """Return the fields of config.json that are followed, checked."""
    path = directory / CONFIG
    config = read_json(path)
    if config.get("model_type", "bert") != "bert":  # first: another model's fields are all unknown here
        raise ValueError(f"{path}: model_type must be 'bert', got {shown(config['model_type'])}.")
    if (directory / ADAPTER).is_file():
        raise ValueError(
            f"{directory / ADAPTER}: expected whole weights, got an adapter. Merge it into the model and save that."
        )
    config = read_fields(config, MODEL, path, required=("hidden_act", *SIZES.values()), unknown="warn")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if hidden % heads:
        raise ValueError(f"{path}: hidden_size must be a multiple of num_attention_heads={heads}, got {hidden}.")
    return config


def encoder_arguments(config):
    """Return the arguments of a `BertEncoder` that the fields of config.json say."""
    return {
        **{ours: config[field] for ours, field in SIZES.items()},
        "inner_activation": ACTIVATIONS[config["hidden_act"]],
        "output_dropout": config.get("hidden_dropout_prob", defaults.DROPOUT),
        "attention_dropout": config.get("attention_probs_dropout_prob", defaults.DROPOUT),
        "layer_norm_epsilon": config.get("layer_norm_eps", defaults.LAYER_NORM_EPSILON),
    }


def listed(files, config):
    """Return the list of `TensorInfo` in `files`, and the file of each by its name."""
    heads = readable_heads(config)
    by_file = {file: list_tensors(file) for file in files}
    names = {canonical(name) for tensors in by_file.values() for name, *_ in tensors}
    found, file_of = [], {}
    for file, tensors in by_file.items():
        for name, shape, dtype in tensors:
            ours = our_path(name)
            head = (ours or "").partition("/")[0]
            second = canonical(name) == DECODER_BIAS and "cls.predictions.bias" in names
            if second or (head in ("masked_lm", "classifier") and head not in heads):
                ours = None
            known = ours is not None or canonical(name).startswith((*HEADS, *BUFFERS))
            found.append(TensorInfo(name, shape, dtype, ours, known))
            file_of[name] = file
    return found, file_of


def tensors(path):
    """Return the `TensorInfo` of every tensor in a directory."""
    directory = embedding.model_directory(path)
    config = read_json(directory / CONFIG) if (directory / CONFIG).is_file() else {}
    return listed(tensor_files(directory), config)[0]


def left_behind(path):
    """Return what a directory says that has no place in a `Bert`, as descriptions; tensors apart."""
    directory = embedding.model_directory(path)
    config = read_json(directory / CONFIG)
    kind, names = architecture(config), config.get("id2label")
    found = []
    if "classifier" not in readable_heads(config) and isinstance(names, dict) and names:
        found.append(f"the class names (id2label) of {kind}: {shortened(list(names.values()))}")
    if config.get("problem_type") and "classifier" not in readable_heads(config):
        found.append(f"problem_type {shown(config['problem_type'])}")
    return found + embedding.left_behind(path)


def tensor_files(directory):
    """Return the safetensors files of `directory`: one, or the shards that its index names."""
    single, index = directory / WEIGHTS, directory / INDEX
    if single.is_file():
        return [single]
    if index.is_file():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ValueError(f"{index}: weight_map must name the file of each tensor, got {shown(shards)}.")
        for name in shards.values():
            if not isinstance(name, str) or not embedding.is_inside(name) or "/" in name:
                raise ValueError(f"{index}: weight_map must hold names of files beside it, got {shown(name)}.")
        files = [directory / name for name in sorted(set(shards.values()))]
        absent = [file.name for file in files if not file.is_file()]
        if absent:
            raise FileNotFoundError(f"{index} names {shortened(absent)}, which {directory} does not hold.")
        return files
    hint = ""
    if (directory / PICKLE).is_file():
        hint = (
            f" Its {PICKLE} is a pickle, which can run any code when read: save it once as safetensors "
            "(transformers: model.save_pretrained(directory))."
        )
    raise FileNotFoundError(f"{directory} holds no {WEIGHTS}.{hint}")
