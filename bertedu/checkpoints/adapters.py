"""Adapters: low-rank updates (LoRA) of a model in a file of their own. They are read, merged and written.

    path/down, path/up      two matrices, whose product is added to the weight `path`; see `bertedu.lora`
    path                    a tensor that is added to the weight `path`, or replaces it

`load_adapter` and `save_adapter` use the files of the peft library, adapter_config.json and adapter_model.safetensors,
and data/build_mlm_head.py writes a file in our own names. Chapter: notebooks/17_few_parameters.ipynb.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from bertedu import files, lora
from bertedu.bert import Bert
from bertedu.checkpoints.common import FLOATS, shortened, weights, write_tensors
from bertedu.checkpoints.consistency import read_one_version
from bertedu.checkpoints.huggingface.names import from_hf, hf_name, hf_shape, our_path
from bertedu.checkpoints.huggingface.writer import check, to_hf
from bertedu.checkpoints.safetensors_files import list_tensors, read_tensor
from bertedu.checkpoints.strict import is_finite
from bertedu.classifier import BertClassifier, copy_encoder, on_encoder
from bertedu.fields import FLAG, IGNORED, for_all, number, only, optional, read_fields, shown, text, whole
from bertedu.terminal import warn
from bertedu.token_classifier import BertTokenClassifier

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
PARTS = {".lora_A.weight": "/down", ".lora_B.weight": "/up"}
HEADS = ("classifier.", "qa_outputs.")
CLASSIFICATION, TAGGING = "SEQ_CLS", "TOKEN_CLS"
TASKS: dict[Any, tuple[str, Any]] = {
    CLASSIFICATION: ("classifier", BertClassifier),
    TAGGING: ("token_classifier", BertTokenClassifier),
}
"""task_type -> the attribute of `Bert` and the class of the head that is read."""

FIELDS = {
    "peft_type": only("LORA"),
    "task_type": optional(text()),
    "r": whole(1, 1_000_000),
    "lora_alpha": number(-1e9, 1e9),
    "use_rslora": FLAG,
    # Other methods, or other weights than the two matrices. An adapter made without them has these values.
    **for_all("use_dora use_qalora lora_bias fan_in_fan_out", only(False)),
    **for_all("rank_pattern alpha_pattern", only({}, None)),
    **for_all("alora_invocation_tokens arrow_config layer_replication monteclora_config", only(None)),
    **for_all("megatron_config target_parameters trainable_token_indices use_bdlora", only(None)),
    "bias": only("none"),
    "init_lora_weights": only(True, False, "gaussian", "eva"),  # others change the weights of the model itself
    # The names of the tensors say what these say.
    **for_all("exclude_modules layers_pattern layers_to_transform modules_to_save target_modules", IGNORED),
    # Only for training, or for finding the model.
    **for_all("auto_mapping base_model_name_or_path inference_mode peft_version revision", IGNORED),
    **for_all("corda_config eva_config loftq_config lora_dropout lora_ga_config megatron_core", IGNORED),
    **for_all("ensure_weight_tying qalora_group_size runtime_config velora_config", IGNORED),
}
"""The fields of an adapter_config.json of peft 0.20."""


def load_adapter(bert: Bert, folder: str | Path) -> Bert:
    """Return a copy of a model with a LoRA adapter merged into its weights.

    Args:
        bert: the `Bert` on whose weights the adapter was trained. It stays as it is.
        folder: path of a folder with adapter_config.json and adapter_model.safetensors, which peft or `fine_tune`
            wrote.

    Returns:
        `Bert`, with a `classifier` or `token_classifier` if the adapter has the head of one. An adapter has no names of
        classes; those of a head of `bert` are kept if the number of classes is the same.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, the adapter is of another kind than LoRA or of another model, or a setting that
            changes the numbers is not supported.

    Example:
        bert = be.load_adapter(be.load("minilm"), "runs/a/adapter")
        bert.classifier
    """
    return read_one_version(Path(folder).expanduser(), functools.partial(_merged, bert))


def _merged(bert, folder):
    if (folder / "adapter" / CONFIG).is_file() and not (folder / CONFIG).is_file():  # the folder of a run
        raise FileNotFoundError(f"{folder}: expected {CONFIG}, got a run. Pass {folder / 'adapter'}.")
    config = read_fields(files.read_json(folder / CONFIG), FIELDS, folder / CONFIG, ("peft_type", "r"), unknown="warn")
    tensors = {tensor.name: tensor for tensor in list_tensors(folder / WEIGHTS)}
    task = config.get("task_type")
    paths = {name: _path(name, task) for name in tensors}
    head = [name for name in tensors if name.removeprefix(PREFIX).startswith(HEADS)]
    if head and task not in TASKS:
        warn(f"{folder}: expected task_type {' or '.join(map(repr, TASKS))}, got {shown(task)}: no head is read.")
        paths = {name: path for name, path in paths.items() if name not in head}
    unknown = [name for name, path in paths.items() if path is None or tensors[name].dtype not in FLOATS]
    if unknown or len({*paths.values()}) < len(paths):
        raise ValueError(f"{folder / WEIGHTS}: expected LoRA tensors of a BERT, got {shortened(unknown or [*paths])}.")
    by_path = {path: tensors[name] for name, path in paths.items()}
    copy = _copy(bert, by_path, folder)
    variables = weights(copy.encoder, copy.masked_lm, copy.classifier, copy.token_classifier)
    rank, alpha = config["r"], config.get("lora_alpha", 8)  # peft's default
    scale = alpha / (rank**0.5 if config.get("use_rslora") else rank)
    _check_shapes({path: tensor.shape for path, tensor in by_path.items()}, variables, rank, folder / WEIGHTS)
    arrays = {path: np.asarray(read_tensor(tensor)) for path, tensor in by_path.items()}
    for path, array in arrays.items():
        is_matrix = path.endswith(tuple(PARTS.values()))
        arrays[path] = array.T if is_matrix else from_hf(array, path, tuple(variables[path].shape))
    with np.errstate(over="ignore", invalid="ignore"):
        merge_tensors(variables, arrays, folder / WEIGHTS, scale)
    changed = {path.removesuffix("/down").removesuffix("/up") for path in arrays}
    not_finite = [hf_name(path) for path in sorted(changed) if not is_finite(ops.convert_to_numpy(variables[path]))]
    if not_finite:
        values = f"expected finite weights, got NaN or infinity in {shortened(not_finite)} after merging"
        warn(f"{folder / WEIGHTS}: {values}. Download it again.")
    return copy


def _path(name, task):
    """The path of our weight, with "/down" or "/up" for the matrices of an update; None for an unknown name."""
    name, matrix = name.removeprefix(PREFIX), ""
    for ending, part in PARTS.items():
        if name.endswith(ending):
            name, matrix = name.removesuffix(ending) + ".weight", part
            break
    path = our_path(name)
    if path is None or matrix and not path.endswith("/kernel"):
        return None
    return "token_" * (task == TAGGING and path.startswith("classifier/")) + path + matrix


def _copy(bert, by_path, folder):
    """A copy of a `Bert`, with a new head if the adapter has one of another size."""
    encoder = copy_encoder(bert.encoder)
    has_pooler = bert.has_pooler or "pooler_transform/kernel" in by_path
    heads = {name: getattr(bert, name) for name, _ in TASKS.values()}
    heads = {name: head and on_encoder(head, "network", encoder) for name, head in heads.items()}
    for name, head_cls in TASKS.values():
        kernel = by_path.get(f"{name}/logits/kernel")
        if kernel is None or (heads[name] is not None and kernel.shape[:1] == (heads[name].num_classes,)):
            continue
        if len(kernel.shape) != 2 or not kernel.shape[0] or kernel.shape[1] != encoder.hidden_size:
            raise ValueError(f"{folder / WEIGHTS}: expected a head [n, {encoder.hidden_size}], got {kernel.shape}.")
        if head_cls is BertClassifier and not has_pooler:
            raise ValueError(f"{folder / WEIGHTS}: expected the pooler's weights, which the model lacks, got none.")
        heads[name] = head_cls(encoder, kernel.shape[0])
    return Bert(
        bert.tokenizer,
        encoder,
        bert.preprocessor,
        name=bert.name,
        has_pooler=has_pooler,
        embed_settings=bert.embed_settings,
        masked_lm=bert.masked_lm and on_encoder(bert.masked_lm, "encoder_network", encoder),
        load_masked_lm=bert.load_masked_lm,
        **heads,
    )


def _check_shapes(shapes, variables, rank, source):
    """Raise a ValueError if tensors of an adapter do not fit the weights of the model."""
    for path, shape in shapes.items():
        name, _, part = path.rpartition("/")
        weight = variables.get(name if part in ("down", "up") else path)
        if weight is None:
            raise ValueError(f"{source}: expected weights of this model, got {hf_name(path)!r}.")
        expected = hf_shape(weight_path := name if part in ("down", "up") else path, tuple(weight.shape))
        expected = {"down": (rank, expected[-1]), "up": (expected[0], rank)}.get(part, expected)
        if shape != expected:
            where = f"of {hf_name(weight_path)!r}"
            raise ValueError(f"{source}: expected shape {expected} {where}, got {shape}. Is it for another model?")


def merge_tensors(
    variables: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    source: object,
    scale: float = 1.0,
    is_added: Callable[[str], bool] = lambda path: False,
) -> None:
    """Change weights as the tensors of an adapter say.

    Args:
        variables: dict, path -> weight.
        tensors: dict, "path/down" `[in, rank]` and "path/up" `[rank, out]`, or path -> array of the weight's shape.
        source: the file, for messages.
        scale: float, multiplies the products of the two matrices. Defaults to 1.
        is_added: function of the path of a whole tensor: whether it is added to the weight. Defaults to never: it
            replaces the weight.

    Raises:
        ValueError: a tensor belongs to no weight, or one of two matrices is missing.
    """
    names = {path.removesuffix("/down").removesuffix("/up") for path in tensors}
    lonely = [path for path in names if (f"{path}/down" in tensors) != (f"{path}/up" in tensors)]
    if lonely or names - variables.keys():
        wrong = min(lonely or names - variables.keys())
        raise ValueError(f"{source}: expected tensors for weights of this model, got {wrong!r}. Is it for another?")
    for path in names:
        weight = variables[path]
        if path in tensors:
            lora.add(weight, tensors[path]) if is_added(path) else weight.assign(tensors[path])
        if f"{path}/down" in tensors:
            lora.merge(weight, tensors[f"{path}/down"], tensors[f"{path}/up"], scale)


def save_adapter(
    bert: Bert, matrices: Mapping[str, tuple[np.ndarray, np.ndarray]], alpha: float, path: str | Path
) -> None:
    """Write low-rank updates and the head as a folder that peft opens.

    Args:
        bert: `Bert` with the trained classifier or token classifier. Of its weights, only those of the head and, for a
            classifier, of the pooler are written.
        matrices: dict, path of a layer in the encoder -> its two matrices, as `LowRankModel.matrices` returns them.
        alpha: float, scale of the updates, relative to the rank.
        path: folder, which is replaced if it exists.

    Raises:
        ValueError: transformers has no such model.
    """
    check(bert)
    parts: tuple[str, ...] = ("token_classifier/",)
    task, saved = TAGGING, ["classifier"]
    if bert.token_classifier is None:
        task, saved, parts = CLASSIFICATION, ["classifier", "pooler"], ("classifier/", "pooler_transform/")
    modules = {layer: f"bert.{hf_name(f'{layer}/kernel')}".removesuffix(".weight") for layer in matrices}
    tensors = {}
    for layer, (down, up) in matrices.items():
        for ending, matrix in zip(PARTS, (down, up), strict=True):
            tensors[PREFIX + modules[layer] + ending] = np.ascontiguousarray(matrix.T)
    for name, variable in weights(bert.encoder, None, bert.classifier, bert.token_classifier).items():
        if name.startswith(parts):
            module = "bert." if name.startswith("pooler_transform/") else ""
            tensors[PREFIX + module + hf_name(name)] = to_hf(variable, name)
    rank = next(iter(matrices.values()))[1].shape[0]
    config = {
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": int(alpha) if float(alpha).is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "target_modules": list(modules.values()),
        "modules_to_save": saved,
    }
    with files.replacing(path, overwrite=True) as new:
        new.mkdir()
        files.write_json(new / CONFIG, config)
        write_tensors(new / WEIGHTS, tensors, format="pt")
