"""Read a Hugging Face directory: the architecture from config.json, the weights from safetensors files.

Reading is strict: each weight needs its tensor, and each tensor must be a weight or part of a head that is not loaded.
Pickled weights are refused, because reading them runs code. Chapter: notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import TensorInfo, common_dtype, preprocessor_for, shortened, weight_files
from bertedu.checkpoints.configuration import GOOGLE_FIELDS, published_arguments
from bertedu.checkpoints.huggingface import embedding, heads, names
from bertedu.checkpoints.huggingface.settings import MODEL
from bertedu.checkpoints.huggingface.tokenizer import read_tokenizer
from bertedu.checkpoints.safetensors_files import list_tensors, read_tensor
from bertedu.fields import read_fields, shown
from bertedu.files import read_json

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLE, ADAPTER, MODULES = "pytorch_model.bin", "adapter_config.json", embedding.MODULES


def recognizes(path: Path) -> bool:
    """Return whether `path` is a Hugging Face directory, even an incomplete one."""
    return any((path / name).is_file() for name in (CONFIG, WEIGHTS, INDEX, PICKLE, MODULES))


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a Hugging Face directory.

    Args:
        path: the directory.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged, or a setting
            has an unsupported value.
    """
    directory = embedding.model_directory(path)
    config = read_config(directory)
    described = describe(directory, config, dtype)
    heads.check_heads(described.stored.tensors, config, directory / CONFIG)
    assembly.check(described)
    tokenizer = embedding.lowercased(read_tokenizer(directory), path)
    embed_settings = embedding.read_embed_settings(path)
    parts = assembly.fill(described, dtype)
    heads.check_tied(parts["encoder"], parts["masked_lm"], described.stored)
    preprocessor = preprocessor_for(tokenizer, parts["encoder"], "longest_first")
    return Bert(tokenizer, preprocessor=preprocessor, embed_settings=embed_settings, **parts)


def read_config(directory: Path) -> dict[str, Any]:
    """Return the checked fields of config.json that matter."""
    path = directory / CONFIG
    config = read_json(path)
    if config.get("model_type", "bert") != "bert":  # checked first, because another model has other fields
        raise ValueError(f"{path}: model_type: expected 'bert', got {shown(config['model_type'])}. Use transformers.")
    if (directory / ADAPTER).is_file():
        advice = "Move the adapter's files to another folder, and merge them by be.load_adapter"
        raise ValueError(f"{directory / ADAPTER}: expected a model, got one with an adapter. {advice}.")
    return read_fields(config, MODEL, path, required=("hidden_act", *GOOGLE_FIELDS.values()), unknown="warn")


def describe(directory: Path, config: dict[str, Any], dtype: str | None = None) -> assembly.Description:
    """Return the `Description` of the model in a directory.

    Args:
        directory: its path.
        config: dict, the fields of its config.json.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.
    """
    files = tensor_files(directory)
    activation, infos = names.ACTIVATIONS[config["hidden_act"]], list_weights(files, config)
    present = {(tensor.weight_path or "").partition("/")[0] for tensor in infos}
    arguments = {
        **{argument: config[field] for argument, field in GOOGLE_FIELDS.items()},
        **published_arguments(config, activation, dtype or common_dtype(infos)),
    }
    masked_lm = assembly.masked_lm_config(activation, arguments["layer_norm_epsilon"], arguments["dtype"])
    classifiers = {"classifier", "token_classifier"} & present  # one at most
    described_heads = assembly.Heads(
        masked_lm=masked_lm if "masked_lm" in present else None,
        **{name: heads.classifier_arguments(config, directory / CONFIG) for name in classifiers},
    )
    source = files[0] if len(files) == 1 else directory / INDEX
    stored = strict.Stored(infos, read_tensor, source, CONFIG, names.hf_shape, names.from_hf, names.hf_name)
    return assembly.Description(arguments, described_heads, directory / CONFIG, stored)


def list_weights(files: list[Path], config: dict[str, Any]) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in `files`; their location is the file."""
    readable = heads.readable_heads(config)
    unread = {"masked_lm", "classifier", "token_classifier"}.difference(readable)
    infos = [tensor for file in files for tensor in list_tensors(file)]
    canonical = [names.canonical(tensor.name) for tensor in infos]
    for i, (tensor, name) in enumerate(zip(infos, canonical, strict=True)):
        weight_path = names.our_path(tensor.name)
        if "token_classifier" in readable and (weight_path or "").startswith("classifier/"):
            weight_path = f"token_{weight_path}"
        duplicate = name == names.DECODER_BIAS and names.BIAS in canonical
        if duplicate or (weight_path or "").partition("/")[0] in unread:
            weight_path = None
        known = weight_path is not None or name.startswith((*names.HEADS, *names.BUFFERS))
        infos[i] = tensor._replace(weight_path=weight_path, known=known)
    return infos


def tensors(path: Path) -> list[TensorInfo]:
    """Return a list of the `TensorInfo` of every tensor in a directory."""
    directory = embedding.model_directory(path)
    config = read_json(directory / CONFIG) if (directory / CONFIG).is_file() else {}
    return list_weights(tensor_files(directory), config)


def left_behind(path: Path) -> list[str]:
    """Return descriptions of the settings in a directory that a `Bert` does not store."""
    directory = embedding.model_directory(path)
    config = read_json(directory / CONFIG)
    labels, settings = config.get("id2label"), embedding.left_behind(path)
    if {"classifier", "token_classifier"} & {*heads.readable_heads(config)}:
        return settings
    if config.get("problem_type"):
        settings.insert(0, f"problem_type {shown(config['problem_type'])}")
    if isinstance(labels, dict) and labels:
        kind = heads.architecture(config)
        settings.insert(0, f"the class names (id2label) of {kind}: {shortened(list(labels.values()))}")
    return settings


def tensor_files(directory: Path) -> list[Path]:
    """Return a list of the safetensors files of `directory`: one, or the shards that its index lists."""
    pickle = f" {PICKLE} can execute arbitrary code. Save it as safetensors (transformers: model.save_pretrained)."
    return weight_files(directory, WEIGHTS, INDEX, pickle if (directory / PICKLE).is_file() else "")
